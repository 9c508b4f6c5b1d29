"""Trees of holders are thinned out by a retention rule; roots and downloaded proofs stay good."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from compliance import retention
from compliance.four_eyes import Refused
from compliance.models import (
    AuditRow,
    LiabilityChunk,
    LiabilityLeaf,
    LiabilityTree,
    Proposal,
    ReserveSnapshot,
    RetentionRule,
)
from compliance.reserves import holdings, liabilities, sign_off, verification
from compliance.retention_decisions import propose_retention
from tests.people import new_officer, onboarded
from tests.proofs import a_published_snapshot
from tests.reserving import a_signer

pytestmark = pytest.mark.django_db


@pytest.fixture
def holder() -> User:
    return onboarded()


def thin_out(*, dry_run: bool = False) -> int:
    (outcome,) = retention.run(now=timezone.now(), kind="liability_tree", dry_run=dry_run)
    return outcome.rows


def kept() -> set[object]:
    return set(LiabilityTree.objects.values_list("pk", flat=True))


def on(day: int, *, month: int = 3) -> datetime:
    return datetime(2026, month, day, 7, tzinfo=UTC)


def test_the_last_signed_tree_of_each_month_and_the_young_ones_stay(holder: User) -> None:
    gone = [
        a_published_snapshot(holder, now=on(1)),
        a_published_snapshot(holder, now=on(31), signed=False),
    ]
    stays = [
        a_published_snapshot(holder, now=on(30)),
        a_published_snapshot(holder, now=on(1, month=4)),
        a_published_snapshot(holder, signed=False),
        a_published_snapshot(holder),
    ]

    assert thin_out(dry_run=True) == 2
    assert kept() == {each.pk for each in (*gone, *stays)}
    assert thin_out() == 2

    assert kept() == {each.pk for each in stays}
    for parts in (LiabilityChunk, LiabilityLeaf):
        there = set(parts._default_manager.values_list("snapshot_id", flat=True))
        assert there == {each.pk for each in stays}
    rows = AuditRow.objects.filter(action="retention.removed")
    assert {each for row in rows for each in row.evidence["ids"]} == {str(each.pk) for each in gone}


def test_a_proof_from_before_leads_to_the_root_that_stays(holder: User) -> None:
    snapshot = a_published_snapshot(holder, now=on(1))
    a_published_snapshot(holder, now=on(2))
    proof = liabilities.proof_of(snapshot_id=snapshot.pk, address=holder.wallet.address)

    thin_out()

    snapshot.refresh_from_db()
    assert proof.holds
    assert (proof.root.hash, Decimal(proof.root.sum)) == (snapshot.tree_root, snapshot.tree_sum)


def test_page_and_file_say_that_the_tree_is_not_kept(client: Client, holder: User) -> None:
    snapshot = a_published_snapshot(holder, now=on(1))
    newer = a_published_snapshot(holder, now=on(2))
    thin_out()
    client.force_login(holder)

    page = client.get(reverse("my_reserves_in", args=[snapshot.pk]))

    assert page.status_code == 200
    assert "The tree of this snapshot is not kept any more" in page.text
    assert snapshot.tree_root in page.text
    assert client.get(reverse("proof_file", args=[snapshot.pk, 1])).status_code == 404
    assert [each.signature.snapshot_id for each in holdings.holdings_of(holder)] == [newer.pk]


def tree_faults(snapshot: ReserveSnapshot) -> list[str]:
    faults = verification.verify(snapshot=snapshot, offline=True).faults
    return [fault for fault in faults if "tree" in fault]


def test_verifying_tells_a_tree_that_expired_from_one_that_somebody_removed(holder: User) -> None:
    expired = a_published_snapshot(holder, now=on(1))
    removed = a_published_snapshot(holder, now=on(2))
    thin_out()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in ("chunk", "leaf", "tree"):
            cursor.execute(
                f"DELETE FROM compliance_liability{table} WHERE snapshot_id = %s",
                [removed.pk],
            )
        cursor.execute("SET LOCAL session_replication_role = origin")

    assert tree_faults(expired) == []
    assert not verification.verify(snapshot=expired, offline=True).tree_kept
    assert tree_faults(removed) != []


def test_what_nobody_could_check_any_more_is_not_signed(holder: User) -> None:
    snapshot = a_published_snapshot(holder, now=on(1), signed=False)
    thin_out()

    with pytest.raises(Refused) as refused:
        sign_off.propose(snapshot_id=snapshot.pk, reason="-", maker=a_signer(), now=timezone.now())
    assert refused.value.code == "tree_gone"


@pytest.mark.parametrize("table", ["chunk", "leaf", "tree"])
def test_the_database_keeps_young_trees_whatever_the_rule_says(holder: User, table: str) -> None:
    a_published_snapshot(holder, now=on(1))
    a_published_snapshot(holder)
    statement = f"DELETE FROM compliance_liability{table}"

    with (
        pytest.raises(DatabaseError, match="append-only for thirty days"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_no_rule_goes_below_thirty_days() -> None:
    rule = RetentionRule.objects.get(kind="liability_tree")
    assert rule.days == 90

    with pytest.raises(Refused) as refused:
        propose_retention(
            kind="liability_tree",
            days=29,
            legal_basis="-",
            reason="-",
            maker=new_officer("propose_retention"),
            now=timezone.now(),
        )
    assert refused.value.code == "days_invalid"
    assert not Proposal.objects.exists()
