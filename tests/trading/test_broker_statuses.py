"""What the broker may say of an order, and what becomes of it (RAT-005, RAT-006).

Terminal is not filled: what was filled is minted, the rest goes back to the day's limit.
"""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from agora.lib.money import token_units
from agora.sandbox.client import SandboxControl
from compliance.models import AuditRow
from kyc.limits import limit_status
from kyc.models import Application, DailyLimit
from tests.conftest import Chain
from tests.faults.evidence import Books
from tests.people import with_limit_used
from tests.quoting import a_quote
from tests.settling import place, settle
from trading import settlement
from trading.models import Order
from trading.services import place_order
from trading.states import State

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("chain")]
POLL = "GET /alpaca/v2/orders/*"


def step(order: Order, *, now: datetime | None = None) -> Order:
    settlement.advance(order_id=order.pk, now=now or timezone.now())
    return Order.objects.get(pk=order.pk)


def until_broker_says(status: str, order: Order, chain: Chain, sandbox: SandboxControl) -> Order:
    """The order once we have read this status from the broker."""
    order = settle(order, chain=chain, until={State.SUBMITTED})
    sandbox.wait_for(lambda books: status_in(books, order) == status)
    for _ in range(20):
        order = settle(order, chain=chain, until=set(State))
        if order.broker_status == status:
            return order
    raise AssertionError(f"{order.broker_status} is not {status}")


def status_in(books: dict[str, Any], order: Order) -> str:
    found = [
        o["status"]
        for o in books["alpaca"]["orders"]
        if o["client_order_id"] == order.client_order_id
    ]
    return str(found[0]) if found else ""


def used() -> Decimal:
    return DailyLimit.objects.get().used_usd


def spent_on(order: Order) -> Decimal:
    assert order.filled_avg_price is not None
    return round(order.filled_quantity * order.filled_avg_price, 2)


def test_parts_are_followed_until_the_order_is_filled(
    sandbox: SandboxControl, chain: Chain, buyer: User
) -> None:
    sandbox.market(fill={"partial": ["0.1", "0.25"], "delay": 0.3})

    order = settle(place(buyer, quantity="0.5"), chain=chain)

    seen = [
        row.evidence["filled_quantity"]
        for row in AuditRow.objects.filter(action="order.broker_progress").order_by("id")
    ]
    assert [quantity for quantity in seen if quantity != "0"] == ["0.1", "0.35"]
    assert (order.state, order.filled_quantity) == (State.MINT_CONFIRMED, Decimal("0.5"))
    assert Books(sandbox).of(order).minted_units == token_units(Decimal("0.5"))


@pytest.mark.parametrize("outcome", ["cancel_partial", "expire"])
def test_a_part_of_an_order_that_ended_is_minted_and_the_rest_is_released(
    sandbox: SandboxControl, chain: Chain, buyer: User, outcome: str
) -> None:
    sandbox.market(fill={"partial": ["0.123456789"], "outcome": outcome, "delay": 0.1})

    order = settle(place(buyer, quantity="0.5"), chain=chain)

    evidence = Books(sandbox).of(order)
    assert (order.state, order.filled_quantity) == (State.MINT_CONFIRMED, Decimal("0.123456789"))
    assert order.broker_status == {"cancel_partial": "canceled", "expire": "expired"}[outcome]
    assert evidence.in_custody == Decimal("0.123456789")
    assert evidence.minted_units == 123_456_789 * 10**9
    assert used() == order.reserved_usd == spent_on(order)


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [
        ("reject", State.REJECTED, "broker_rejected"),
        ("cancel_partial", State.CANCELLED, "broker_canceled"),
        ("expire", State.CANCELLED, "broker_expired"),
    ],
)
def test_an_order_that_ended_without_a_fill_is_closed_and_all_is_released(
    sandbox: SandboxControl, chain: Chain, buyer: User, outcome: str, state: State, reason: str
) -> None:
    sandbox.market(fill={"outcome": outcome, "delay": 0.05})

    order = settle(place(buyer), chain=chain)

    evidence = Books(sandbox).of(order)
    assert (order.state, order.reason, order.next_attempt_at) == (state, reason, None)
    assert (evidence.custody_transfers, evidence.mints) == (0, 0)
    assert (order.custody, order.mint) == (None, None)
    assert used() == 0
    assert AuditRow.objects.get(action=f"order.{state.lower()}").evidence["reason"] == reason


def test_a_refusal_at_once_closes_the_order_with_the_brokers_code(
    sandbox: SandboxControl, chain: Chain, buyer: User
) -> None:
    cash = sandbox.account()["cash"]
    sandbox.account(cash="0.50")
    try:
        order = settle(place(buyer), chain=chain)
    finally:
        sandbox.account(cash=cash)

    assert (order.state, order.reason) == (State.REJECTED, "broker_40310000")
    assert Books(sandbox).of(order).broker_orders == 0
    assert used() == 0


def test_done_for_day_is_not_the_end_of_an_order(
    sandbox: SandboxControl, chain: Chain, buyer: User
) -> None:
    sandbox.market(fill={"partial": ["0.1"], "outcome": "done_for_day", "delay": 0.05})

    order = until_broker_says("done_for_day", place(buyer), chain, sandbox)

    assert (order.state, order.filled_quantity) == (State.SUBMITTED, Decimal("0.1"))
    assert order.next_attempt_at is not None


def test_an_order_that_never_fills_stays_with_the_broker_and_is_polled_less_and_less(
    sandbox: SandboxControl, chain: Chain, buyer: User
) -> None:
    sandbox.market(fill={"outcome": "never", "delay": 0.05})
    order = until_broker_says("new", place(buyer), chain, sandbox)
    hour_later = order.updated_at + timedelta(hours=1)
    Order.objects.filter(pk=order.pk).update(next_attempt_at=timezone.now())

    order = step(order, now=hour_later)

    assert order.state == State.SUBMITTED
    assert order.next_attempt_at == hour_later + timedelta(seconds=30)
    assert (order.attempts, order.attention, used()) == (0, False, order.reserved_usd)


@pytest.mark.parametrize("quantity", ["0.1", "0.010000001", "0.3", "1.123456789", "2"])
def test_the_quantity_goes_out_as_its_exact_text(
    sandbox: SandboxControl, chain: Chain, buyer: User, quantity: str
) -> None:
    order = settle(place(buyer, quantity=quantity), chain=chain, until={State.SUBMITTED})

    (held,) = [o for o in sandbox.orders() if o["client_order_id"] == order.client_order_id]
    assert (held["qty"], held["time_in_force"], held["type"]) == (quantity, "day", "limit")
    assert Decimal(held["limit_price"]) == order.limit_price


def test_the_brokers_answer_is_kept_word_for_word(
    sandbox: SandboxControl, chain: Chain, buyer: User
) -> None:
    order = settle(place(buyer), chain=chain)

    (held,) = [o for o in sandbox.orders() if o["client_order_id"] == order.client_order_id]
    held.pop("fills")
    assert order.broker_raw == held


def answer_of(order: Order, sandbox: SandboxControl, **changes: Any) -> str:
    """The broker's own answer about an order, with something else in it."""
    (held,) = [o for o in sandbox.orders() if o["client_order_id"] == order.client_order_id]
    return json.dumps({**held, **changes})


@pytest.mark.parametrize(
    "told",
    [
        {"status": "trade_busted"},
        {"status": "filled", "filled_qty": "0.6", "filled_avg_price": "230"},
    ],
    ids=["unknown status", "more than ordered"],
)
def test_an_answer_nobody_foresaw_is_left_to_a_person(
    sandbox: SandboxControl, chain: Chain, buyer: User, told: dict[str, str]
) -> None:
    order = settle(place(buyer), chain=chain, until={State.SUBMITTED})
    sandbox.fault(POLL, "status", status=200, body=answer_of(order, sandbox, **told))

    order = settle(order, chain=chain)

    assert (order.state, order.attention) == (State.SUBMITTED, True)
    assert AuditRow.objects.filter(action="order.needs_attention").count() == 1
    assert used() == order.reserved_usd
    assert Books(sandbox).of(order).custody_transfers == 0


@pytest.mark.parametrize(
    "told",
    [
        {"status": "filled", "filled_qty": "0", "filled_avg_price": None},
        {"status": "filled", "filled_qty": "0.5", "filled_avg_price": None},
        {"status": "filled", "filled_qty": "NaN"},
        {"id": None},
    ],
    ids=["no quantity", "no price", "no number", "no order"],
)
def test_half_an_answer_is_asked_for_again(
    sandbox: SandboxControl, chain: Chain, buyer: User, told: dict[str, Any]
) -> None:
    order = settle(place(buyer), chain=chain, until={State.SUBMITTED})
    sandbox.fault(POLL, "status", status=200, body=answer_of(order, sandbox, **told))

    order = settle(order, chain=chain)

    assert (order.state, order.filled_quantity) == (State.MINT_CONFIRMED, Decimal("0.5"))


def test_an_older_answer_takes_no_fill_back(
    sandbox: SandboxControl, chain: Chain, buyer: User
) -> None:
    sandbox.market(fill={"partial": ["0.2"], "outcome": "never", "delay": 0.05})
    order = until_broker_says("partially_filled", place(buyer), chain, sandbox)
    sandbox.fault(
        POLL, "status", status=200, body=answer_of(order, sandbox, status="new", filled_qty="0")
    )

    order = settle(order, chain=chain, until=set(State))

    assert (order.state, order.filled_quantity) == (State.SUBMITTED, Decimal("0.2"))


def test_in_a_closed_market_the_order_is_queued_and_said_to_be(
    sandbox: SandboxControl, buyer: User
) -> None:
    sandbox.market(mode="closed")

    order = step(place(buyer))

    row = AuditRow.objects.get(action="order.queued")
    assert (order.state, order.sent_at, order.next_attempt_at) == (
        State.PENDING,
        None,
        order.queued_until,
    )
    assert order.queued_until is not None
    assert datetime.fromisoformat(row.evidence["queued_until"]) == order.queued_until
    assert [o for o in sandbox.orders() if o["client_order_id"] == order.client_order_id] == []
    assert used() == order.reserved_usd


def test_when_the_market_opens_a_queued_order_goes_on(
    sandbox: SandboxControl, chain: Chain, buyer: User
) -> None:
    # The price of the last close may be far from today's by the time the market opens.
    sandbox.market(mode="closed", price="230.00")
    order = step(place(buyer))
    sandbox.market(mode="open")
    the_bell_rings(order)

    order = settle(order, chain=chain)

    assert (order.state, order.queued_until) == (State.MINT_CONFIRMED, None)


def the_bell_rings(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(next_attempt_at=timezone.now())


NOON = datetime(2026, 11, 20, 15, tzinfo=UTC)
NEXT_DAY = NOON + timedelta(days=1)


def placed_yesterday(user: User) -> Order:
    """An order of 101.00 USD that waits since the day before."""
    order = place_order(
        user=user,
        quantity=Decimal("0.5"),
        quote=a_quote(now=NOON, market_open=False, next_open=NEXT_DAY),
        source="page",
        placement_key=None,
        now=NOON,
    )
    the_bell_rings(order)
    return order


def test_an_order_that_waited_overnight_counts_for_the_day_it_is_sent(
    sandbox: SandboxControl, buyer: User
) -> None:
    DailyLimit.objects.update(day=NOON.date())
    order = step(placed_yesterday(buyer), now=NEXT_DAY)

    status = limit_status(user=buyer, now=NEXT_DAY)
    assert (order.state, order.limit_day) == (State.SUBMITTED, NEXT_DAY.date())
    assert status is not None
    assert status.used_usd == Decimal("101.00")


def test_an_order_that_fits_no_more_in_the_morning_is_rejected_and_not_sent(
    sandbox: SandboxControl, buyer: User
) -> None:
    DailyLimit.objects.update(day=NOON.date())
    order = placed_yesterday(buyer)
    DailyLimit.objects.update(day=NEXT_DAY.date())
    with_limit_used(User.objects.get(pk=buyer.pk), Decimal("950.00"))

    order = step(order, now=NEXT_DAY)

    assert (order.state, order.reason) == (State.REJECTED, "limit_exceeded_at_open")
    assert used() == Decimal("950.00")
    assert [o for o in sandbox.orders() if o["client_order_id"] == order.client_order_id] == []


def test_an_order_that_waits_is_not_sent_for_a_buyer_who_was_suspended(
    sandbox: SandboxControl, buyer: User
) -> None:
    DailyLimit.objects.update(day=NOON.date())
    order = placed_yesterday(buyer)
    Application.objects.filter(user=buyer).update(status=Application.Status.SUSPENDED)

    order = step(order, now=NEXT_DAY)

    assert (order.state, order.reason) == (State.REJECTED, "buyer_suspended")
    assert (order.reserved_usd, used()) == (Decimal(0), Decimal(0))
    assert [o for o in sandbox.orders() if o["client_order_id"] == order.client_order_id] == []


def test_what_the_broker_has_of_a_suspended_buyer_is_settled(
    sandbox: SandboxControl, buyer: User, chain: Chain
) -> None:
    order = settle(place(buyer), chain=chain, until={State.SUBMITTED})
    Application.objects.filter(user=buyer).update(status=Application.Status.SUSPENDED)

    assert settle(order, chain=chain).state == State.MINT_CONFIRMED
