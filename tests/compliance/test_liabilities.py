"""The stored tree: built with a snapshot, read a proof at a time, never changed."""

import secrets
import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compliance.models import LiabilityChunk, LiabilityLeaf, LiabilityNonce, LiabilityTree
from compliance.reserves import liabilities
from compliance.reserves.liabilities import Holder, ProofError, Root, TreeError

pytestmark = pytest.mark.django_db


def a_holder(*, units: int = 10**18, user_id: uuid.UUID | None = None) -> Holder:
    return Holder(f"0x{secrets.token_hex(20)}", user_id, units)


def some_holders(count: int) -> list[Holder]:
    return [a_holder(units=10**15 * number) for number in range(count)]


def built(holders: list[Holder]) -> tuple[uuid.UUID, Root]:
    snapshot = uuid.uuid4()
    root = liabilities.build(holders=holders, snapshot_id=snapshot, now=timezone.now())
    return snapshot, root


@pytest.mark.parametrize("count", [1, 2, 3, 31, 32, 33, 65, 130])
def test_the_proof_of_every_holder_leads_to_the_root(count: int) -> None:
    holders = some_holders(count)

    snapshot, root = built(holders)

    for holder in holders:
        proof = liabilities.proof_of(snapshot_id=snapshot, address=holder.address)
        assert (proof.units, proof.root) == (holder.units, root)
        assert proof.holds
    assert root.sum == sum(holder.units for holder in holders)
    assert liabilities.verify(snapshot_id=snapshot) == []


def test_a_proof_is_read_in_two_queries() -> None:
    holders = some_holders(200)
    snapshot, _root = built(holders)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        liabilities.proof_of(snapshot_id=snapshot, address=holders[77].address)

    assert len(queries) == 2


def test_a_snapshot_without_holders_has_a_tree() -> None:
    snapshot, root = built([])

    assert root.sum == 0
    assert liabilities.verify(snapshot_id=snapshot) == []


def test_the_address_may_be_written_in_any_case() -> None:
    holder = a_holder()
    snapshot, _root = built([holder])

    proof = liabilities.proof_of(snapshot_id=snapshot, address="0x" + holder.address[2:].upper())

    assert proof.holds


@pytest.mark.parametrize(
    ("holders", "code"),
    [
        ([Holder("0x" + "ab" * 20, None, 1), Holder("0x" + "AB" * 20, None, 2)], "account_twice"),
        ([Holder("0x" + "ab" * 20, None, -1)], "units_out_of_range"),
        ([Holder("0x" + "ab" * 20, None, 2**128)], "units_out_of_range"),
        ([Holder("0x" + "ab" * 19, None, 1)], "address_invalid"),
        ([Holder("not an address", None, 1)], "address_invalid"),
    ],
)
def test_wrong_holders_are_refused_and_nothing_is_stored(holders: list[Holder], code: str) -> None:
    with pytest.raises(TreeError) as refused:
        built(holders)

    assert refused.value.code == code
    assert not LiabilityTree.objects.exists()
    assert not LiabilityNonce.objects.exists()


def test_salts_differ_from_snapshot_to_snapshot() -> None:
    holder = a_holder()
    first, _root = built([holder])
    second, _root = built([holder])

    salts = {
        liabilities.proof_of(snapshot_id=snapshot, address=holder.address).salt
        for snapshot in (first, second)
    }

    assert len(salts) == 2
    assert LiabilityNonce.objects.count() == 1


def test_a_person_finds_their_accounts_in_each_snapshot() -> None:
    person = uuid.uuid4()
    mine, stranger = a_holder(user_id=person), a_holder(user_id=uuid.uuid4())
    old, _root = built([mine, stranger])
    without, _root = built([stranger])
    new, _root = built([stranger, mine, a_holder()])

    held = liabilities.held_by(user_id=person, snapshots=[old, without, new])

    assert held == {old: [mine.address], new: [mine.address]}


def test_an_address_with_another_owner_is_theirs_to_prove() -> None:
    before, after = uuid.uuid4(), uuid.uuid4()
    address = a_holder().address
    first, _root = built([Holder(address, before, 5)])

    second, _root = built([Holder(address, after, 5)])

    snapshots = [first, second]
    assert liabilities.held_by(user_id=before, snapshots=snapshots) == {}
    assert set(liabilities.held_by(user_id=after, snapshots=snapshots)) == {first, second}


def test_who_held_nothing_gets_no_proof() -> None:
    snapshot, _root = built([a_holder()])

    with pytest.raises(ProofError) as refused:
        liabilities.proof_of(snapshot_id=snapshot, address=a_holder().address)

    assert refused.value.code == "not_a_holder"


def test_an_erased_person_leaves_the_tree_whole() -> None:
    person = uuid.uuid4()
    erased, other = a_holder(user_id=person), a_holder(user_id=uuid.uuid4())
    snapshot, _root = built([erased, other])

    LiabilityNonce.objects.filter(user_id=person).delete()

    with pytest.raises(ProofError) as refused:
        liabilities.proof_of(snapshot_id=snapshot, address=erased.address)
    assert refused.value.code == "salt_erased"
    assert liabilities.proof_of(snapshot_id=snapshot, address=other.address).holds
    assert liabilities.verify(snapshot_id=snapshot) == []


def test_an_address_that_comes_back_after_erasure_leaves_old_trees_good() -> None:
    then, now, person = timezone.now() - timedelta(days=9), timezone.now(), uuid.uuid4()
    holder, old, new = a_holder(user_id=person), uuid.uuid4(), uuid.uuid4()
    liabilities.build(holders=[holder], snapshot_id=old, now=then)
    LiabilityNonce.objects.all().delete()

    liabilities.build(holders=[holder], snapshot_id=new, now=now)

    assert LiabilityNonce.objects.get().created_at == now
    assert liabilities.verify(snapshot_id=old) == []
    assert liabilities.held_by(user_id=person, snapshots=[old, new]) == {new: [holder.address]}
    assert liabilities.proof_of(snapshot_id=new, address=holder.address).holds
    with pytest.raises(ProofError) as refused:
        liabilities.proof_of(snapshot_id=old, address=holder.address)
    assert refused.value.code == "salt_erased"


STORED = ["compliance_liabilitytree", "compliance_liabilitychunk", "compliance_liabilityleaf"]


@pytest.mark.parametrize("table", STORED)
@pytest.mark.parametrize(
    "change", ["UPDATE {} SET snapshot_id = snapshot_id", "DELETE FROM {}", "TRUNCATE {}"]
)
def test_the_database_refuses_to_change_a_stored_tree(table: str, change: str) -> None:
    built([a_holder()])

    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(change.format(table))


# Somebody who gets past the database's own rules is found out all the same


def tampered(sql: str, params: list[int | str | uuid.UUID]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, params)
        cursor.execute("SET LOCAL session_replication_role = origin")
        assert cursor.rowcount != 0


@pytest.mark.parametrize("level", [0, 1, 5])
@pytest.mark.parametrize("byte", [0, 31, 47])
def test_a_changed_node_is_found(level: int, byte: int) -> None:
    snapshot, _root = built(some_holders(50))

    tampered(
        "UPDATE compliance_liabilitychunk SET nodes ="
        " set_byte(nodes, %s, (get_byte(nodes, %s) + 1) %% 256)"
        " WHERE snapshot_id = %s AND level = %s AND number = 0",
        [byte, byte, snapshot, level],
    )

    assert liabilities.verify(snapshot_id=snapshot) != []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE compliance_liabilitytree SET total = total + 1 WHERE snapshot_id = %s",
        "UPDATE compliance_liabilitytree SET holders = holders + 1 WHERE snapshot_id = %s",
        "UPDATE compliance_liabilitytree SET root_hash = sha256(root_hash) WHERE snapshot_id = %s",
        "UPDATE compliance_liabilitytree SET depth = depth - 1 WHERE snapshot_id = %s",
        "UPDATE compliance_liabilityleaf SET position = position + 1 WHERE snapshot_id = %s",
        "DELETE FROM compliance_liabilityleaf WHERE snapshot_id = %s AND position = 3",
        "DELETE FROM compliance_liabilitychunk WHERE snapshot_id = %s AND level = 0 AND number = 1",
        "DELETE FROM compliance_liabilitychunk WHERE snapshot_id = %s AND level = 6",
        "DELETE FROM compliance_liabilitytree WHERE snapshot_id = %s",
    ],
)
def test_a_changed_or_removed_part_is_found(change: str) -> None:
    snapshot, _root = built(some_holders(50))

    tampered(change, [snapshot])

    assert liabilities.verify(snapshot_id=snapshot) != []


def test_a_proof_from_a_tree_with_a_hole_is_refused() -> None:
    holders = some_holders(50)
    snapshot, _root = built(holders)
    tampered(
        "DELETE FROM compliance_liabilitychunk WHERE snapshot_id = %s AND level = 3", [snapshot]
    )

    with pytest.raises(ProofError) as refused:
        liabilities.proof_of(snapshot_id=snapshot, address=holders[0].address)

    assert refused.value.code == "tree_damaged"


def test_rows_can_be_read_with_the_orm() -> None:
    snapshot, _root = built(some_holders(40))

    assert LiabilityLeaf.objects.filter(snapshot_id=snapshot).count() == 40
    assert LiabilityChunk.objects.filter(snapshot_id=snapshot, level=0).count() == 2
