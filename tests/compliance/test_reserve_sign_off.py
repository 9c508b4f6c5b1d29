"""A snapshot never changes once it is ready, two people sign it, and any tampering is found (PRE-1)."""

import re
from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from accounts.models import User
from agora.sandbox.client import SandboxControl
from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import (
    AuditRow,
    Proposal,
    ReserveSignature,
    ReserveSnapshot,
)
from compliance.reserves import content, liabilities, sign_off
from compliance.reserves.liabilities import Holder
from compliance.reserves.verification import verify
from tests.conftest import Chain
from tests.people import new_address, new_officer, onboarded
from tests.reserving import (
    a_signer,
    a_snapshot,
    a_stored_snapshot,
    explained,
    reorganise,
    signed,
)
from tests.settling import place, settle
from trading.states import State

pytestmark = pytest.mark.django_db


@pytest.fixture
def snapshot(sandbox: SandboxControl, chain: Chain) -> ReserveSnapshot:
    """One with an order on every leg, one of them in flight."""
    settle(place(onboarded(), quantity="0.5"), chain=chain)
    settle(place(onboarded(), quantity="0.25"), chain=chain, until={State.CUSTODY_CONFIRMED})
    chain.mine(3)
    return a_snapshot()


def proposed(snapshot: ReserveSnapshot, maker: User) -> Proposal:
    """The sign-off, proposed with words for each difference."""
    return sign_off.propose(
        snapshot_id=snapshot.pk,
        reason="Compared.",
        explanations=explained(snapshot),
        maker=maker,
        now=timezone.now(),
    )


def refused(statement: str, *params: str | UUID) -> str:
    """Run SQL that the database must refuse; its words, or that it was done."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, params)
    except DatabaseError as error:
        return str(error)
    return "done"


CHANGES = [
    "UPDATE compliance_reservesnapshot SET difference = 0 WHERE id = %s",
    "UPDATE compliance_reservesnapshot SET state = 'REQUESTED' WHERE id = %s",
    "DELETE FROM compliance_reservesnapshot WHERE id = %s",
    "UPDATE compliance_reserverow SET chain = 1 WHERE snapshot_id = %s",
    "DELETE FROM compliance_reserverow WHERE snapshot_id = %s",
    "UPDATE compliance_reservesource SET evidence = '{}' WHERE snapshot_id = %s",
    "DELETE FROM compliance_reservesource WHERE snapshot_id = %s",
    "UPDATE compliance_reservesignature SET statement = '' WHERE snapshot_id = %s",
    "DELETE FROM compliance_reservesignature WHERE snapshot_id = %s",
]


def test_the_database_refuses_to_change_what_is_ready(snapshot: ReserveSnapshot) -> None:
    signed(snapshot)

    told = {statement: refused(statement, snapshot.pk) for statement in CHANGES}

    assert [
        (statement, words)
        for statement, words in told.items()
        if "refused" not in words and "does not change" not in words
    ] == []


def test_nothing_is_added_to_what_is_ready(snapshot: ReserveSnapshot) -> None:
    row = snapshot.rows.get(kind="to_mint")
    row.pk, row.number = None, 99

    with pytest.raises(DatabaseError, match="nothing is added"), transaction.atomic():
        row.save(force_insert=True)


def test_a_whole_snapshot_verifies_with_the_chain_and_without(snapshot: ReserveSnapshot) -> None:
    assert verify(snapshot=snapshot).faults == []
    assert verify(snapshot=snapshot, offline=True).faults == []


@pytest.fixture
def superuser() -> Callable[..., None]:
    """Runs SQL with every trigger off, as the database's owner can."""

    def run(statement: str, *params: str | UUID) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(statement, params)
            cursor.execute("SET LOCAL session_replication_role = origin")

    return run


TAMPERINGS = [
    (
        "UPDATE compliance_reserverow SET broker = broker + 1 WHERE snapshot_id = %s",
        "broker_position is",
    ),
    ("DELETE FROM compliance_reserverow WHERE snapshot_id = %s", "add up to"),
    (
        "UPDATE compliance_reservesnapshot SET difference = difference + 1 WHERE id = %s",
        "the breaks add up to",
    ),
    (
        "UPDATE compliance_reservesource SET evidence = '{}' WHERE snapshot_id = %s",
        "the content hashes to",
    ),
    (
        "UPDATE compliance_reservesnapshot SET block_hash = '0xff' WHERE id = %s",
        "has another hash on the chain",
    ),
    (
        "UPDATE compliance_reservesnapshot SET tree_root = repeat('0', 64) WHERE id = %s",
        "the snapshot's root is not that of its tree",
    ),
    (
        (
            "UPDATE compliance_reservesnapshot"
            """ SET figures = jsonb_set(figures, '{total_supply}', '"0.123"') WHERE id = %s"""
        ),
        "the chain's supply at the block is",
    ),
    (
        "UPDATE compliance_reserverow SET is_break = NOT is_break WHERE snapshot_id = %s",
        "its mark does not fit",
    ),
    (
        "UPDATE compliance_reserverow SET kind = 'no_such' WHERE snapshot_id = %s",
        "its mark does not fit",
    ),
    *(
        (
            f"UPDATE compliance_reservesnapshot SET figures = {figures} WHERE id = %s",
            "the figures cannot be read",
        )
        for figures in (
            "figures - 'matched'",
            """jsonb_set(figures, '{total_supply}', '"a few"')""",
            """jsonb_set(figures, '{in_flight}', '"NaN"')""",
            "jsonb_set(figures, '{holders}', 'null')",
            "'[]'",
        )
    ),
]


def test_what_somebody_changes_past_the_triggers_is_found(
    snapshot: ReserveSnapshot, superuser: Callable[..., None]
) -> None:
    missed = {}
    for statement, fault in TAMPERINGS:
        with transaction.atomic():
            superuser(statement, snapshot.pk)
            faults = verify(snapshot=ReserveSnapshot.objects.get(pk=snapshot.pk)).faults
            transaction.set_rollback(True)
        expected = (fault, "the content is not what the audit trail says")
        if not all(any(words in found for found in faults) for words in expected):
            missed[statement] = faults

    assert missed == {}
    assert verify(snapshot=snapshot).faults == []


def test_a_change_with_a_hash_to_fit_is_found_by_the_trail_and_the_signature(
    snapshot: ReserveSnapshot, superuser: Callable[..., None]
) -> None:
    signed(snapshot)
    superuser(
        "UPDATE compliance_reservesource SET evidence = '{}' WHERE snapshot_id = %s", snapshot.pk
    )
    fits = content.digest(content.stored(snapshot))
    superuser(
        "UPDATE compliance_reservesnapshot SET content_hash = %s WHERE id = %s", fits, snapshot.pk
    )

    changed = ReserveSnapshot.objects.get(pk=snapshot.pk)

    assert verify(snapshot=changed, offline=True).faults == [
        "the content is not what the audit trail says was built",
        "the content is not what was signed",
    ]


def test_a_reorganised_block_no_longer_verifies(snapshot: ReserveSnapshot, chain: Chain) -> None:
    assert snapshot.block_number is not None
    reorganise(chain, chain.height - snapshot.block_number + 1)

    assert verify(snapshot=snapshot).faults == [
        f"block {snapshot.block_number} has another hash on the chain now"
    ]


def test_a_tree_in_which_two_holders_changed_places_is_found(
    sandbox: SandboxControl, chain: Chain, superuser: Callable[..., None]
) -> None:
    """Its sum and its count are right, and each of its hashes."""
    addresses = []
    for quantity in ("0.5", "0.25"):
        person = onboarded()
        settle(place(person, quantity=quantity), chain=chain)
        addresses.append(person.wallet.address.lower())
    chain.mine(3)
    snapshot = a_snapshot()
    owed = liabilities.units_of(snapshot_id=snapshot.pk)
    first, second = addresses
    assert (owed[first], owed[second]) == (5 * 10**17, 25 * 10**16)
    for table in ("tree", "chunk", "leaf"):
        superuser(f"DELETE FROM compliance_liability{table} WHERE snapshot_id = %s", snapshot.pk)
    swapped = {**owed, first: owed[second], second: owed[first]}
    root = liabilities.build(
        holders=[Holder(address, None, units) for address, units in swapped.items()],
        snapshot_id=snapshot.pk,
        now=timezone.now(),
    )
    superuser(
        "UPDATE compliance_reservesnapshot SET tree_root = %s WHERE id = %s", root.hash, snapshot.pk
    )
    changed = ReserveSnapshot.objects.get(pk=snapshot.pk)

    faults = verify(snapshot=changed).faults

    assert [fault for fault in faults if fault.startswith("tree: ")] == [
        f"tree: {address} has {swapped[address]} units; the chain says {owed[address]}"
        for address in sorted(addresses)
    ]
    assert not any("tree" in fault for fault in verify(snapshot=changed, offline=True).faults)


def test_of_many_accounts_that_differ_ten_are_named(
    snapshot: ReserveSnapshot, superuser: Callable[..., None]
) -> None:
    for table in ("tree", "chunk", "leaf"):
        superuser(f"DELETE FROM compliance_liability{table} WHERE snapshot_id = %s", snapshot.pk)
    strangers = [Holder(new_address(), None, 1) for _ in range(12)]
    liabilities.build(holders=strangers, snapshot_id=snapshot.pk, now=timezone.now())

    faults = [fault for fault in verify(snapshot=snapshot).faults if fault.startswith("tree: ")]

    assert len(faults) == 11
    assert re.fullmatch(r"tree: \d+ more accounts differ from the chain", faults[-1])


def test_a_snapshot_of_another_chain_is_not_called_wrong(
    snapshot: ReserveSnapshot, chain: Chain, settings: Any
) -> None:
    """After a move the node of the other chain has another block of that number."""
    assert snapshot.block_number is not None
    reorganise(chain, chain.height - snapshot.block_number + 1)
    settings.CHAIN_ID += 1
    told = StringIO()

    with pytest.raises(CommandError, match=r"another chain .* --offline verifies") as refusal:
        call_command("proof_of_reserve", "verify", "--id", snapshot.pk, stdout=told)
    call_command("proof_of_reserve", "verify", "--id", snapshot.pk, "--offline", stdout=told)

    assert refusal.value.returncode == 4
    assert "verified without the chain" in told.getvalue()


def test_two_people_sign_the_words_with_the_figures(snapshot: ReserveSnapshot) -> None:
    maker, checker, now = a_signer(), a_signer(), timezone.now()
    proposal = proposed(snapshot, maker)
    assert not ReserveSignature.objects.exists()

    four_eyes.approve(proposal_id=proposal.pk, checker=checker, now=now)

    signature = ReserveSignature.objects.get(pk=snapshot.pk)
    assert (signature.maker_id, signature.checker_id) == (maker.pk, checker.pk)
    for figure in (
        snapshot.content_hash,
        snapshot.tree_root,
        snapshot.block_hash,
        snapshot.figures["total_supply"],
        snapshot.figures["broker_position"],
    ):
        assert figure in signature.statement
    assert "WHAT THIS DOES NOT PROVE" in signature.statement
    row = AuditRow.objects.get(action="reserve.signed")
    assert (row.actor, row.evidence["maker"]) == (f"user:{checker.pk}", str(maker.pk))


def test_one_alone_signs_nothing(snapshot: ReserveSnapshot) -> None:
    maker, now = a_signer(), timezone.now()
    proposal = proposed(snapshot, maker)

    with pytest.raises(Refused, match="second person"):
        four_eyes.approve(proposal_id=proposal.pk, checker=maker, now=now)
    assert not ReserveSignature.objects.exists()


def test_the_second_person_must_be_one_who_may_sign(snapshot: ReserveSnapshot) -> None:
    now = timezone.now()
    proposal = proposed(snapshot, a_signer())
    other = new_officer("decide_proposal")

    with pytest.raises(Refused) as refusal:
        four_eyes.approve(proposal_id=proposal.pk, checker=other, now=now)
    assert refusal.value.code == "may_not_sign"
    assert not ReserveSignature.objects.exists()
    assert proposal not in four_eyes.waiting_for(other, now=now)
    assert proposal in four_eyes.waiting_for(a_signer(), now=now)


def test_who_may_only_look_proposes_nothing(snapshot: ReserveSnapshot) -> None:
    looker = new_officer("view_reservesnapshot", "add_reservesnapshot")

    with pytest.raises(PermissionDenied):
        sign_off.propose(snapshot_id=snapshot.pk, reason="-", maker=looker, now=timezone.now())


def test_a_snapshot_is_signed_once(snapshot: ReserveSnapshot) -> None:
    signed(snapshot)

    with pytest.raises(Refused) as refusal:
        sign_off.propose(
            snapshot_id=snapshot.pk, reason="Again.", maker=a_signer(), now=timezone.now()
        )
    assert refusal.value.code == "signed"


def test_what_was_changed_since_it_was_proposed_is_not_signed(
    snapshot: ReserveSnapshot, superuser: Callable[..., None]
) -> None:
    now = timezone.now()
    proposal = proposed(snapshot, a_signer())
    superuser(
        "UPDATE compliance_reserverow SET chain = chain + 1 WHERE snapshot_id = %s", snapshot.pk
    )

    with pytest.raises(Refused) as refusal:
        four_eyes.approve(proposal_id=proposal.pk, checker=a_signer(), now=now)
    assert refusal.value.code == "changed"
    assert not ReserveSignature.objects.exists()


def test_a_snapshot_that_is_not_ready_is_not_signed() -> None:
    waiting = ReserveSnapshot.objects.create(
        requested_by="user:officer", requested_at=timezone.now()
    )

    with pytest.raises(Refused) as refusal:
        sign_off.propose(snapshot_id=waiting.pk, reason="-", maker=a_signer(), now=timezone.now())
    assert refusal.value.code == "not_ready"


def test_a_statement_of_figures_that_do_not_agree_says_so() -> None:
    differing = a_stored_snapshot(difference=Decimal("1.5"), breaks=1)
    agreeing = a_stored_snapshot()

    assert "THE FIGURES DO NOT AGREE" in sign_off.statement_of(differing)
    assert "1.5" in sign_off.statement_of(differing)
    assert "THE FIGURES DO NOT AGREE" not in sign_off.statement_of(agreeing)
