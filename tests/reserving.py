"""Reserve snapshots for tests: built in this process, compared with the ones before."""

from collections import Counter
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

from django.utils import timezone

from accounts.models import User
from compliance import four_eyes
from compliance.models import ReserveRow, ReserveSignature, ReserveSnapshot
from compliance.reserves import sign_off, snapshots
from tests.approvals import approved
from tests.conftest import Chain
from tests.people import new_address, new_officer
from trading.models import Order

SUMS = (
    "total_supply",
    "holders_sum",
    "minted_records",
    "custody_records",
    "vault_balance",
    "broker_position",
    "orders_filled",
    "matched",
    "in_flight",
    "in_flight_in_custody",
    "not_minted",
    "not_minted_in_custody",
    "kept",
    "kept_in_custody",
)


def a_snapshot() -> ReserveSnapshot:
    """One asked for by an officer and built as far as it can be now."""
    now = timezone.now()
    asked = snapshots.request(actor="user:officer", now=now)
    snapshots.build(snapshot_id=asked.pk, now=now)
    return ReserveSnapshot.objects.get(pk=asked.pk)


def change(before: ReserveSnapshot, after: ReserveSnapshot) -> dict[str, Decimal]:
    """What differs between the totals of two snapshots."""
    moved = {
        name: Decimal(after.figures[name]) - Decimal(before.figures[name])
        for name in (*SUMS, "custody_difference")
    }
    return {name: by for name, by in moved.items() if by}


def kinds(snapshot: ReserveSnapshot) -> "Counter[str]":
    """How many rows of each kind."""
    return Counter(snapshot.rows.values_list("kind", flat=True))


def row_of(snapshot: ReserveSnapshot, order: Order) -> ReserveRow:
    """The row of an order that is not alike on every leg."""
    return snapshot.rows.get(order_id=order.pk)


def quantities(row: ReserveRow) -> list[str]:
    """The six figures of a row: order, broker, record, custodian, mint, chain."""
    told = (row.ordered, row.broker, row.recorded, row.custody, row.minted, row.chain)
    return [f"{each.normalize():f}" for each in told]


def a_signer() -> User:
    """An officer who may propose and approve sign-offs."""
    return new_officer("view_reservesnapshot", "sign_reservesnapshot", "decide_proposal")


def explained(snapshot: ReserveSnapshot) -> dict[str, str]:
    """Words for each difference of a snapshot: what others left at the vendors of the tests."""
    numbers = snapshot.rows.filter(is_break=True).values_list("number", flat=True)
    return {str(number): f"Left there by another test ({number})." for number in numbers}


def signed(snapshot: ReserveSnapshot, *, now: datetime | None = None) -> ReserveSignature:
    """Sign a snapshot by two officers."""
    at = now or timezone.now()
    proposal = sign_off.propose(
        snapshot_id=snapshot.pk,
        reason="Compared.",
        explanations=explained(snapshot),
        maker=a_signer(),
        now=at,
    )
    four_eyes.approve(proposal_id=proposal.pk, checker=a_signer(), now=at)
    return ReserveSignature.objects.get(pk=snapshot.pk)


def no_figures() -> dict[str, str]:
    """The figures of a snapshot of nothing."""
    counts = ("holders", "balances_asked", "matched_orders", "in_flight_orders")
    return dict.fromkeys((*SUMS, "custody_difference", *counts), "0")


def a_stored_snapshot(**changes: object) -> ReserveSnapshot:
    """A ready snapshot of made-up figures, for what only reads it: nothing outside is asked."""
    now = timezone.now()
    values: dict[str, object] = {
        "state": "READY",
        "requested_by": "system:test",
        "requested_at": now,
        "built_at": now,
        "chain_id": 31337,
        "contract": "0x" + "1" * 40,
        "block_number": 7,
        "block_hash": "0x" + "2" * 64,
        "block_time": now,
        "finality": "finalized",
        "figures": no_figures(),
        "difference": Decimal(0),
        "tree_root": "3" * 64,
        "tree_sum": Decimal(0),
        "content_hash": "4" * 64,
    }
    values |= changes
    state = values.pop("state")  # one is asked for before it is built
    snapshot = ReserveSnapshot.objects.create(**values)
    ReserveSnapshot.objects.filter(pk=snapshot.pk).update(state=state)
    return ReserveSnapshot.objects.get(pk=snapshot.pk)


def a_sign_off(snapshot: ReserveSnapshot) -> UUID:
    """The id of an approved decision to sign it, of which nothing has followed."""
    return approved(kind=sign_off.SIGN_OFF, object_type=snapshots.OBJECT, object_id=snapshot.pk)


def with_signature(snapshot: ReserveSnapshot) -> ReserveSnapshot:
    """The snapshot with a signature of two people who do not matter."""
    ReserveSignature.objects.create(
        snapshot=snapshot,
        proposal_id=a_sign_off(snapshot),
        content_hash=snapshot.content_hash,
        statement="Words.",
        maker_id=uuid4(),
        checker_id=uuid4(),
        signed_at=timezone.now(),
    )
    return snapshot


def reorganise(chain: Chain, depth: int) -> None:
    """Replace the newest blocks by empty ones of another miner: with the same they would be the same."""
    chain.rpc("anvil_setCoinbase", new_address())
    chain.rpc("anvil_reorg", depth, [])


def send(chain: Chain, address: str, *, to: str, units: int) -> None:
    """Move tokens from an address to another, as its owner would."""
    chain.rpc("anvil_setBalance", address, hex(10**18))
    chain.rpc("anvil_impersonateAccount", address)
    data = f"0xa9059cbb{to[2:].zfill(64)}{units:064x}"  # transfer(address,uint256)
    chain.rpc("eth_sendTransaction", {"from": address, "to": chain.contract, "data": data})
    chain.rpc("anvil_stopImpersonatingAccount", address)
