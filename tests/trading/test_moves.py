"""Every move of an order is in the table, and leaves exactly one audit row with its state (RAT-005)."""

import uuid
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from itertools import product

import pytest
from django.utils import timezone

from accounts.models import User
from agora.lib import work
from agora.lib.states import IllegalMove
from agora.lib.work import LeaseLost
from agora.sandbox.client import SandboxControl
from compliance.audit import history
from compliance.models import AuditRow
from custody.services import open_record
from tests.conftest import Chain
from tests.quoting import a_quote
from tests.settling import place, settle
from tests.trading.conftest import Untouched
from tokens.services import open_mint
from trading.models import Order
from trading.services import place_order
from trading.settlement.moves import OrderLease, move
from trading.states import MOVES, State

pytestmark = pytest.mark.django_db


def leased_in(state: State, user: User) -> OrderLease:
    """An order in a state, with all the evidence that the database asks of it, under lease."""
    now = timezone.now()
    order = place_order(
        user=user,
        quantity=Decimal("0.5"),
        quote=a_quote(),
        source="page",
        placement_key=None,
        now=now,
    )
    trade_id = str(uuid.uuid4())
    mint = open_mint(
        reference=order.pk,
        broker_trade_id=trade_id,
        to_address=order.wallet_address,
        units=5 * 10**17,
        contract=order.wallet_address,
        sender=order.wallet_address,
        nonce=0,
        now=now,
    )
    Order.objects.filter(pk=order.pk).update(
        state=state,
        broker_order_id=trade_id,
        filled_quantity="0.5",
        filled_avg_price="200",
        custody=open_record(reference=order.pk, symbol="AAPL", quantity=order.quantity, now=now),
        mint=mint,
    )
    lease = work.claim(Order, pk=order.pk)
    assert lease is not None
    return lease


def order_rows(order: Order) -> list[AuditRow]:
    return history(object_type="order", object_id=str(order.pk))


def make(lease: OrderLease, to: State, *, also: Callable[[], None] | None = None) -> None:
    move(
        lease,
        to=to,
        action=f"order.{to.lower()}",
        evidence={"why": "test"},
        now=timezone.now(),
        mark="test.move",
        also=also,
    )


@pytest.mark.parametrize(("old", "new"), MOVES.pairs)
def test_an_allowed_move_is_stored_with_one_audit_row(buyer: User, old: str, new: str) -> None:
    lease = leased_in(State(old), buyer)
    before = len(order_rows(lease.row))

    make(lease, State(new))

    order = Order.objects.get(pk=lease.row.pk)
    *earlier, row = order_rows(order)
    assert (order.state, order.version, order.lease_token) == (new, 2, None)
    assert (order.next_attempt_at is None) == (new in MOVES.terminal)
    assert len(earlier) == before
    assert (row.action, row.actor) == (f"order.{new.lower()}", "system:settlement")
    assert row.evidence == {"state": new, "why": "test"}


FORBIDDEN = sorted(set(product(State.values, State.values)) - set(MOVES.pairs))


@pytest.mark.parametrize(("old", "new"), FORBIDDEN)
def test_any_other_move_is_refused_and_changes_nothing(
    buyer: User, untouched: Untouched, old: str, new: str
) -> None:
    lease = leased_in(State(old), buyer)

    with untouched(), pytest.raises(IllegalMove):
        make(lease, State(new))


def test_a_move_of_a_lost_lease_changes_nothing_at_all(buyer: User, untouched: Untouched) -> None:
    lease = leased_in(State.PENDING, buyer)
    Order.objects.update(lease_token=uuid.uuid4())

    def also() -> None:
        User.objects.filter(pk=buyer.pk).update(is_staff=True)

    with untouched(), pytest.raises(LeaseLost):
        make(lease, State.SUBMITTED, also=also)
    assert not User.objects.get(pk=buyer.pk).is_staff


FULL_WAY = [
    "PENDING",
    "SUBMITTED",
    "FILLED",
    "CUSTODY_CONFIRMED",
    "MINTING",
    "MINT_CONFIRMED",
]


@pytest.mark.parametrize(
    ("fill", "states"),
    [
        ({}, FULL_WAY),
        ({"partial": ["0.1"], "outcome": "cancel_partial", "delay": 0.05}, FULL_WAY),
        ({"outcome": "reject", "delay": 0.05}, ["PENDING", "SUBMITTED", "REJECTED"]),
        ({"outcome": "expire", "delay": 0.05}, ["PENDING", "SUBMITTED", "CANCELLED"]),
    ],
    ids=["filled", "partly filled", "rejected", "expired"],
)
def test_a_real_order_leaves_one_row_for_each_state_it_was_in(
    sandbox: SandboxControl,
    chain: Chain,
    buyer: User,
    fill: dict[str, object],
    states: list[str],
) -> None:
    if fill:
        sandbox.market(fill=fill)

    order = settle(place(buyer), chain=chain)

    told = Counter(row.evidence.get("state") for row in order_rows(order))
    del told[None]
    assert order.state == states[-1]
    assert told == Counter(states)
