"""The trail is append-only by the database itself, and every change to it is found (AUD-1)."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from compliance import audit
from compliance.models import AuditRow, AuditSeal

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TABLES = ["compliance_auditrow", "compliance_auditseal"]


def write(number: int = 1, **changes: Any) -> AuditRow:
    values: dict[str, Any] = {
        "actor": "system:test",
        "action": "thing.done",
        "object_type": "thing",
        "object_id": str(number),
        "evidence": {"amount": "1.10", "ção": ["á", None, True]},
        "now": NOW,
    }
    return audit.record(**{**values, **changes})


@pytest.fixture
def sealed() -> list[AuditRow]:
    """Five rows, sealed."""
    rows = [write(number) for number in range(5)]
    assert audit.seal(now=NOW) == 5
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return rows


@contextmanager
def as_intruder() -> Iterator[Any]:
    """Someone with the database's own power, past whom no trigger stands."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield cursor
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")


def faults() -> list[str]:
    return audit.verify().faults


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET {} = {}",
        "DELETE FROM {}",
        "TRUNCATE {} CASCADE",
        "TRUNCATE compliance_auditrow, compliance_auditseal",
    ],
)
def test_the_database_refuses_to_change_the_trail(
    sealed: list[AuditRow], table: str, statement: str
) -> None:
    column = "action" if table.endswith("row") else "sealed_at"
    before = list(AuditRow.objects.values()), list(AuditSeal.objects.values())

    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table, column, column))
    assert (list(AuditRow.objects.values()), list(AuditSeal.objects.values())) == before


def test_the_orm_cannot_change_the_trail_either(sealed: list[AuditRow]) -> None:
    for change in (
        lambda: AuditRow.objects.update(action="forged"),
        lambda: AuditSeal.objects.all().delete(),
        lambda: sealed[0].save(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_a_row_tells_who_did_what_to_which_object() -> None:
    user = User.objects.create_user("who@example.com")

    write(7, actor=audit.actor_of(user))

    (row,) = audit.history(object_type="thing", object_id="7")
    assert (row.actor, row.action, row.at) == (f"user:{user.pk}", "thing.done", NOW)
    assert row.evidence == {"amount": "1.10", "ção": ["á", None, True]}


def test_nobody_signed_in_is_told_as_anonymous() -> None:
    assert audit.actor_of(object()) == "user:anonymous"
    assert audit.system("sealer") == "system:sealer"


def test_a_row_goes_with_the_change_it_tells_of() -> None:
    @transaction.atomic
    def fail_after_writing() -> None:
        write()
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fail_after_writing()
    assert AuditRow.objects.count() == 0


def test_the_hash_does_not_depend_on_the_zone_in_which_a_time_is_written() -> None:
    row = write(now=NOW.astimezone(timezone(timedelta(hours=-3))))

    assert audit.row_digest(AuditRow.objects.get()) == row.row_hash
    assert faults() == []


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
        | st.booleans()
        | st.integers(-(10**15), 10**15)
        | st.none(),
        max_size=4,
    )
)
def test_any_evidence_reads_back_to_its_own_hash(evidence: dict[str, object]) -> None:
    pk = write(evidence=evidence).pk

    row = AuditRow.objects.get(pk=pk)
    assert audit.row_digest(row) == bytes(row.row_hash)


def test_an_untouched_trail_verifies(sealed: list[AuditRow]) -> None:
    unsealed = write(9)

    verdict = audit.verify()

    assert (verdict.faults, verdict.rows, verdict.sealed) == ([], 6, 5)
    assert verdict.head == bytes(AuditSeal.objects.get(position=5).hash).hex()
    assert not AuditSeal.objects.filter(row=unsealed).exists()


@pytest.mark.parametrize(
    ("column", "forged"),
    [
        ("evidence", json.dumps({"amount": "9.99"})),
        ("actor", "user:somebody"),
        ("action", "thing.undone"),
        ("object_type", "other"),
        ("object_id", "77"),
        ("at", "2026-11-20T12:00:00.000001Z"),
    ],
)
def test_a_changed_row_is_named(sealed: list[AuditRow], column: str, forged: str) -> None:
    with as_intruder() as cursor:
        cursor.execute(
            f'UPDATE compliance_auditrow SET "{column}" = %s WHERE id = %s', [forged, sealed[2].pk]
        )

    assert faults() == [f"row {sealed[2].uid} was changed"]


def test_a_row_that_was_changed_with_its_hash_breaks_the_chain(sealed: list[AuditRow]) -> None:
    forged = AuditRow.objects.get(pk=sealed[2].pk)
    forged.action = "thing.undone"
    with as_intruder() as cursor:
        cursor.execute(
            "UPDATE compliance_auditrow SET action = %s, row_hash = %s WHERE id = %s",
            [forged.action, audit.row_digest(forged), forged.pk],
        )

    assert faults() == [f"the chain breaks at position 3 (row {forged.uid})"]


def test_a_changed_row_without_a_seal_is_named(sealed: list[AuditRow]) -> None:
    row = write(9)
    with as_intruder() as cursor:
        cursor.execute("UPDATE compliance_auditrow SET action = 'x' WHERE id = %s", [row.pk])

    assert faults() == [f"row {row.uid} was changed"]


@pytest.mark.django_db(transaction=True)
def test_a_missing_row_is_named_by_its_position(sealed: list[AuditRow]) -> None:
    with as_intruder() as cursor:
        cursor.execute("DELETE FROM compliance_auditrow WHERE id = %s", [sealed[2].pk])

    assert "position 3 is missing" in faults()


def test_a_row_missing_with_its_seal_is_named_by_its_position(sealed: list[AuditRow]) -> None:
    with as_intruder() as cursor:
        cursor.execute("DELETE FROM compliance_auditseal WHERE row_id = %s", [sealed[2].pk])
        cursor.execute("DELETE FROM compliance_auditrow WHERE id = %s", [sealed[2].pk])

    assert "position 3 is missing" in faults()


@pytest.mark.django_db(transaction=True)
def test_the_newest_row_missing_without_its_seal_is_named_too(sealed: list[AuditRow]) -> None:
    with as_intruder() as cursor:
        cursor.execute("DELETE FROM compliance_auditrow WHERE id = %s", [sealed[4].pk])

    assert "position 5 is missing" in faults()


def test_every_position_of_a_hole_is_named(sealed: list[AuditRow]) -> None:
    with as_intruder() as cursor:
        cursor.execute("DELETE FROM compliance_auditseal WHERE position IN (2, 3, 4)")

    assert [f"position {n} is missing" for n in (2, 3, 4)] == faults()[:3]


def test_moved_rows_are_named(sealed: list[AuditRow]) -> None:
    second, third = sealed[1], sealed[2]
    with as_intruder() as cursor:
        cursor.execute("UPDATE compliance_auditseal SET row_id = -1 WHERE position = 2")
        cursor.execute(
            "UPDATE compliance_auditseal SET row_id = %s WHERE position = 3", [second.pk]
        )
        cursor.execute("UPDATE compliance_auditseal SET row_id = %s WHERE position = 2", [third.pk])

    assert faults() == [
        f"the chain breaks at position 2 (row {third.uid})",
        f"the chain breaks at position 3 (row {second.uid})",
    ]


def test_a_row_put_in_later_by_hand_is_named(sealed: list[AuditRow]) -> None:
    with as_intruder() as cursor:
        cursor.execute(
            "INSERT INTO compliance_auditrow"
            " (uid, at, actor, action, object_type, object_id, evidence, row_hash)"
            " SELECT gen_random_uuid(), at, actor, action, object_type, object_id, evidence,"
            " row_hash FROM compliance_auditrow WHERE id = %s",
            [sealed[0].pk],
        )

    assert len(faults()) == 1


def test_a_row_put_in_far_behind_the_sealer_is_named(sealed: list[AuditRow]) -> None:
    forged = AuditRow.objects.get(pk=sealed[0].pk)
    forged.pk, forged.uid = sealed[0].pk - audit._LATE_ROWS, uuid.uuid4()
    forged.row_hash = audit.row_digest(forged)
    forged.save(force_insert=True)

    assert audit.seal(now=NOW) == 0
    assert faults() == [f"row {forged.uid} stands outside the chain"]


def test_a_row_that_is_dated_back_gets_its_place_when_it_was_written(
    sealed: list[AuditRow],
) -> None:
    dated_back = write(9, now=NOW - timedelta(hours=2))

    assert audit.seal(now=NOW) == 1
    assert dated_back.seal.position == len(sealed) + 1
    assert dated_back.seal.sealed_at == NOW
    assert faults() == []


@pytest.mark.parametrize(
    "text",
    ["\\", "\\N", "\\.", "a\tb", "a\nb\r", "\b\f\v", "\\t", '"', "\u2028", "日本", "\x01\x7f"],
)
def test_any_text_verifies_and_reads_back(text: str) -> None:
    write(actor=text, action=text, object_type=text, object_id=text, evidence={text: [text, 1.5]})
    audit.seal(now=NOW)

    assert faults() == []
