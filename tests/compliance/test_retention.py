"""Records that need not be kept are removed, to the second, by rules that are data (AUD-1)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.core.management import call_command

from accounts.models import ApiToken, Notice, TokenUse, User, WalletChange, WalletProof
from agora.lib.models import IdempotencyKey
from compliance import audit, four_eyes, retention
from compliance.models import AuditRow, LiabilityTree, Proposal, RetentionRule
from compliance.retention_decisions import RETENTION, propose_retention

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
DAYS = 40


@pytest.fixture(autouse=True)
def rules() -> None:
    """A rule of forty days for every kind."""
    for kind in retention.KINDS:
        RetentionRule.objects.update_or_create(
            kind=kind, defaults={"days": DAYS, "legal_basis": "test"}
        )


def person() -> User:
    return User.objects.get_or_create(email="somebody@example.com")[0]


def make_token(at: datetime, **changes: Any) -> Any:
    number = ApiToken.objects.count()
    values = {"expires_at": at, "prefix": f"p{number}", "digest": bytes([number] * 32)}
    return ApiToken.objects.create(user=person(), name="t", **{**values, **changes})


def make_revoked_token(at: datetime) -> Any:
    return make_token(NOW + timedelta(days=500), revoked_at=at)


def make_session(at: datetime) -> Any:
    return Session.objects.create(
        session_key=f"s{Session.objects.count()}", session_data="", expire_date=at
    )


def make_key(at: datetime) -> Any:
    return IdempotencyKey.objects.create(
        client=person().pk,
        key=str(IdempotencyKey.objects.count()),
        request_hash="h",
        status=201,
        body="{}",
        created_at=at,
    )


def make_notice(at: datetime) -> Any:
    return Notice.objects.create(
        user=person(), kind="k", level="info", subject="s", body="b", created_at=at, read_at=at
    )


def make_use(at: datetime) -> Any:
    token = make_token(NOW)
    return TokenUse.objects.create(
        token=token,
        minute=at,
        outcome="used",
        count=1,
        method="GET",
        route="r",
        status=200,
        last_at=at,
    )


def make_proof(at: datetime) -> Any:
    return WalletProof.objects.create(
        user=person(),
        purpose="verify",
        address=f"0x{'a' * 40}",
        nonce="n",
        message="m",
        created_at=at - timedelta(minutes=5),
        expires_at=at,
    )


def make_device(at: datetime) -> Any:
    row = UserSession.objects.create(user=person(), session_key="k", ip="127.0.0.1", user_agent="")
    UserSession.objects.filter(pk=row.pk).update(last_seen_at=at)
    return row


def make_tree(at: datetime) -> Any:
    return LiabilityTree.objects.create(
        snapshot_id=uuid4(), built_at=at, holders=0, depth=0, root_hash=bytes(32), total=0
    )


SWEPT = {kind.name for kind in retention.KINDS.values() if kind.model}
MAKERS: list[tuple[str, Callable[[datetime], Any]]] = [
    ("api_token", make_token),
    ("api_token", make_revoked_token),
    ("idempotency_key", make_key),
    ("liability_tree", make_tree),
    ("notice", make_notice),
    ("session", make_session),
    ("session_device", make_device),
    ("token_use", make_use),
    ("wallet_nonce", make_proof),
]


@pytest.mark.parametrize(("kind", "make"), MAKERS)
@pytest.mark.parametrize(
    ("age", "stays"),
    [
        (timedelta(days=DAYS) - INSTANT, True),
        (timedelta(days=DAYS), True),
        (timedelta(days=DAYS) + INSTANT, False),
    ],
    ids=["within", "at the edge", "past it"],
)
def test_a_record_stays_for_its_days_and_goes_after_them(
    kind: str, make: Callable[[datetime], Any], age: timedelta, stays: bool
) -> None:
    row = make(NOW - age)

    outcomes = {outcome.kind: outcome.rows for outcome in retention.run(now=NOW)}

    assert type(row).objects.filter(pk=row.pk).exists() is stays
    assert outcomes == {name: int(name == kind and not stays) for name in SWEPT}


def test_every_kind_is_tried() -> None:
    assert {kind for kind, _make in MAKERS} == SWEPT


def test_what_was_never_read_or_never_ends_stays() -> None:
    notice = make_notice(NOW - timedelta(days=900))
    Notice.objects.filter(pk=notice.pk).update(read_at=None)
    token = make_token(NOW)
    ApiToken.objects.filter(pk=token.pk).update(expires_at=None)

    assert sum(outcome.rows for outcome in retention.run(now=NOW)) == 0


def test_a_token_waits_for_its_uses() -> None:
    use = make_use(NOW - timedelta(days=DAYS))
    ApiToken.objects.update(expires_at=NOW - timedelta(days=DAYS + 1))

    retention.run(now=NOW)
    assert ApiToken.objects.count() == 1

    retention.run(now=NOW + timedelta(days=1), kind="token_use")
    retention.run(now=NOW + timedelta(days=1))
    assert not ApiToken.objects.exists()
    assert not type(use).objects.exists()


def test_a_kind_without_a_rule_is_kept() -> None:
    make_session(NOW - timedelta(days=9000))
    RetentionRule.objects.filter(kind="session").delete()

    retention.run(now=NOW)

    assert Session.objects.count() == 1


def test_a_dry_run_counts_and_removes_nothing() -> None:
    for _number in range(3):
        make_session(NOW - timedelta(days=DAYS + 1))

    outcomes = {o.kind: o.rows for o in retention.run(now=NOW, dry_run=True)}

    assert outcomes["session"] == 3
    assert Session.objects.count() == 3
    assert AuditRow.objects.filter(action="retention.removed").count() == 0


def test_what_was_removed_stands_in_the_trail_and_the_chain_stays_whole() -> None:
    audit.record(
        actor="system:test",
        action="token.used",
        object_type="token",
        object_id="1",
        evidence={},
        now=NOW - timedelta(days=4000),
    )
    audit.seal_all(now=NOW)
    for _number in range(3):
        make_session(NOW - timedelta(days=DAYS + 1))

    retention.run(now=NOW)

    row = AuditRow.objects.get(action="retention.removed")
    assert (row.actor, row.object_id) == ("system:retention", "session")
    assert row.evidence == {"rows": 3, "days": DAYS, "before": "2026-10-11T12:00:00+00:00"}
    audit.seal_all(now=NOW)
    assert audit.verify().faults == []


def test_many_records_go_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for _number in range(5):
        make_session(NOW - timedelta(days=DAYS + 1))

    (outcome,) = retention.run(now=NOW, kind="session")

    assert outcome.rows == 5
    rows = AuditRow.objects.filter(action="retention.removed").order_by("id")
    assert [row.evidence["rows"] for row in rows] == [2, 2, 1]


def test_a_run_that_failed_half_way_has_removed_what_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "_MOST_BATCHES", 1)
    for _number in range(5):
        make_session(NOW - timedelta(days=DAYS + 1))

    assert [retention.run(now=NOW, kind="session")[0].rows for _run in range(4)] == [2, 2, 1, 0]


def test_a_run_removes_a_few_trees_and_the_next_one_goes_on() -> None:
    for _number in range(7):
        make_tree(NOW - timedelta(days=DAYS + 1))

    assert [retention.run(now=NOW, kind="liability_tree")[0].rows for _run in range(3)] == [5, 2, 0]


def make_proved(user: User, *, used_at: datetime) -> Any:
    return WalletProof.objects.create(
        user=user, purpose="verify", address=f"0x{'a' * 40}", nonce=user.email[:20], message="m",
        created_at=used_at, expires_at=used_at + timedelta(minutes=5), used_at=used_at,
        outcome="proved",
    )  # fmt: skip


def make_change(user: User, *, at: datetime) -> Any:
    return WalletChange.objects.create(
        user=user, old_address=f"0x{'b' * 40}", address=f"0x{'a' * 40}", method="key",
        state="applied", created_at=at, effective_at=at + timedelta(hours=1), ended_at=at,
    )  # fmt: skip


def test_a_proof_that_took_an_address_over_stays_like_the_change_that_it_outdid() -> None:
    old = NOW - timedelta(days=DAYS + 100)
    before, after = (
        User.objects.create(email="before@x.io"),
        User.objects.create(email="after@x.io"),
    )
    make_change(before, at=old)
    took_over = make_proved(after, used_at=old + timedelta(days=1))
    make_proved(before, used_at=old - timedelta(days=1))

    retention.run(now=NOW, kind="wallet_nonce")

    assert list(WalletProof.objects.all()) == [took_over]


def test_the_command_counts_or_removes() -> None:
    make_session(NOW - timedelta(days=9000))

    def told(*arguments: str) -> list[str]:
        out = StringIO()
        call_command("audit", "retention", "--kind", "session", *arguments, stdout=out)
        return out.getvalue().splitlines()

    assert told("--dry-run") == ["session: 1 would be removed, kept 40 days"]
    assert told() == ["session: 1 removed, kept 40 days"]
    assert told() == ["session: 0 removed, kept 40 days"]


def officer(name: str, *permissions: str) -> User:
    made = User.objects.create_user(f"{name}@example.com")
    made.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return made


def proposed(days: int, *, basis: str = "Law 1, art. 2", kind: str = "session") -> Any:
    return propose_retention(
        kind=kind,
        days=days,
        legal_basis=basis,
        reason="Counsel said so.",
        maker=officer("maker", "propose_retention"),
        now=NOW,
    )


def test_a_rule_is_changed_by_two_people() -> None:
    proposal = proposed(90)
    assert RetentionRule.objects.get(pk="session").days == DAYS

    four_eyes.approve(
        proposal_id=proposal.pk, checker=officer("checker", "decide_proposal"), now=NOW
    )

    rule = RetentionRule.objects.get(pk="session")
    assert (rule.days, rule.legal_basis, rule.changed_at) == (90, "Law 1, art. 2", NOW)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"days": 0}, "days_invalid"),
        ({"days": 36_501}, "days_invalid"),
        ({"days": 2, "kind": "idempotency_key"}, "days_invalid"),
        ({"days": 29, "kind": "token_use"}, "days_invalid"),
        ({"days": 29, "kind": "wallet_nonce"}, "days_invalid"),
        ({"days": 1825, "kind": "identity"}, "days_invalid"),
        ({"days": 90, "basis": " "}, "basis_missing"),
        ({"days": DAYS, "basis": "test"}, "same"),
        ({"days": 90, "kind": "audit_trail"}, "unknown_kind"),
    ],
)
def test_a_rule_that_cannot_be_is_not_proposed(changes: dict[str, Any], code: str) -> None:
    before = list(RetentionRule.objects.values())

    with pytest.raises(four_eyes.Refused) as refused:
        proposed(**changes)

    assert refused.value.code == code
    assert list(RetentionRule.objects.values()) == before
    assert not Proposal.objects.exists()


def test_what_the_second_person_reads() -> None:
    kind = four_eyes.kind_of(RETENTION)

    lines = {str(label): str(value) for label, value in kind.lines(proposed(90))}

    assert lines["Days kept now"] == "40"
    assert lines["Days kept then"] == "90"
