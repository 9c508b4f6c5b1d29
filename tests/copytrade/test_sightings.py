"""Events of one order may come twice and in any order: the end is always the same (research 2.3)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from copytrade.exchange.types import OrderReport, OrderStatus, Trade
from copytrade.models import Fill, LedgerEntry, MasterOrder, MasterPosition, Strategy
from copytrade.replication.sightings import record
from tests.copying import hold, new_strategy
from tests.copytrade.deskwork import signals

pytestmark = pytest.mark.django_db
D = Decimal
# The database's zero belongs to each example: rows of earlier ones do not matter to it.
RELAXED = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
Event = OrderReport | Trade


def _order(strategy: Strategy, *, side: str, quantity: Decimal) -> MasterOrder:
    return MasterOrder.objects.create(
        strategy=strategy,
        account=strategy.account,
        source="exchange",
        client_order_id="web1",
        exchange_order_id="7",
        symbol="BTC/USDT",
        side=side,
        type="LIMIT",
        quantity=quantity,
        price=D(50_000),
        placed_at=timezone.now(),
        updated_at=timezone.now(),
    )


def _story(side: str, slices: list[int], *, ends_full: bool) -> list[Event]:
    """What happens at the exchange, in order: acknowledged, filled slice by slice, ended."""
    total = D(sum(slices)) if ends_full else D(sum(slices) + 1)
    events: list[Event] = [_report(side, total, D(0), "NEW", at=0)]
    filled = D(0)
    for number, size in enumerate(slices, start=1):
        filled += size
        events.append(_trade(side, number, D(size)))
        status: OrderStatus = "FILLED" if filled == total else "PARTIALLY_FILLED"
        events.append(_report(side, total, filled, status, at=number))
    if not ends_full:
        events.append(_report(side, total, filled, "CANCELLED", at=len(slices) + 1))
    return events


def _trade(side: str, number: int, size: Decimal) -> Trade:
    return Trade(
        id=str(number),
        order_id="7",
        symbol="BTC/USDT",
        side="SELL" if side == "SELL" else "BUY",
        price=D(50_000),
        quantity=size,
        quote_quantity=size * 50_000,
        fee=D("0.001"),
        fee_asset="BNB",
        at=BEGIN + timedelta(seconds=number),
        maker=True,
    )


def _report(
    side: str, total: Decimal, filled: Decimal, status: OrderStatus, *, at: int
) -> OrderReport:
    return OrderReport(
        id="7",
        client_order_id="web1",
        symbol="BTC/USDT",
        side="SELL" if side == "SELL" else "BUY",
        type="LIMIT",
        status=status,
        quantity=total,
        price=D(50_000),
        filled=filled,
        quote_filled=filled * 50_000,
        created_at=BEGIN,
        at=BEGIN + timedelta(seconds=at),
    )


def _tell(order: MasterOrder, events: list[Event]) -> None:
    for event in events:
        report = event if isinstance(event, OrderReport) else None
        trades = [event] if isinstance(event, Trade) else []
        with transaction.atomic():
            record(order=order, report=report, trades=trades, now=timezone.now())


def _outcome(order: MasterOrder) -> dict[str, object]:
    """All that is left of the order when everything was told."""
    order.refresh_from_db()
    position = MasterPosition.objects.get(strategy=order.strategy)
    fills = Fill.objects.filter(master_order=order).order_by("trade_id")
    return {
        "state": order.state,
        "filled": order.filled,
        "quote": order.quote_filled,
        "before": order.position_before,
        "attention": order.attention,
        "fills": list(fills.values_list("trade_id", "quantity")),
        "entries": LedgerEntry.objects.filter(fill__in=fills).count(),
        # Cost is a quotient, rounded at each sale.
        "position": (position.quantity, round(position.cost, 8), position.fees),
    }


def _told(side: str, quantity: Decimal, events: list[Event]) -> tuple[MasterOrder, Strategy]:
    strategy = new_strategy()
    hold(strategy, quantity="1000")
    order = _order(strategy, side=side, quantity=quantity)
    _tell(order, events)
    return order, strategy


@RELAXED
@given(
    data=st.data(),
    side=st.sampled_from(["BUY", "SELL"]),
    slices=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    ends_full=st.booleans(),
)
def test_any_order_of_the_same_events_ends_the_same(
    data: st.DataObject, side: str, slices: list[int], ends_full: bool
) -> None:
    story = _story(side, slices, ends_full=ends_full)
    twice = story + data.draw(st.lists(st.sampled_from(story), max_size=4))
    mixed = data.draw(st.permutations(twice))
    report = story[0]
    assert isinstance(report, OrderReport)

    straight, _ = _told(side, report.quantity, story)
    shuffled, strategy = _told(side, report.quantity, list(mixed))

    assert _outcome(shuffled) == _outcome(straight)
    told = [quantity for _kind, _type, quantity in signals(strategy)]
    assert told == sorted(set(told))
    assert told[-1] == sum(slices)


@RELAXED
@given(slices=st.lists(st.integers(1, 5), min_size=1, max_size=4), ends_full=st.booleans())
def test_the_same_events_again_change_nothing(slices: list[int], ends_full: bool) -> None:
    story = _story("BUY", slices, ends_full=ends_full)
    report = story[0]
    assert isinstance(report, OrderReport)
    order, strategy = _told("BUY", report.quantity, story)
    outcome, published = _outcome(order), signals(strategy)

    _tell(order, story)

    assert (_outcome(order), signals(strategy)) == (outcome, published)


def test_a_status_that_is_older_than_a_fill_takes_nothing_back() -> None:
    story = _story("BUY", [2, 3], ends_full=True)

    order, strategy = _told("BUY", D(5), [story[4], story[2], story[0]])

    assert (order.state, order.filled) == ("PENDING", 0)  # the row as it was created
    order.refresh_from_db()
    assert (order.state, order.filled) == ("FILLED", 5)
    assert signals(strategy) == [("OPEN", "MARKET", D(5))]


def test_nothing_is_copied_of_a_pair_that_left_the_strategy() -> None:
    strategy = new_strategy(symbols=["ETH/USDT"])
    order = _order(strategy, side="BUY", quantity=D(2))

    _tell(order, _story("BUY", [2], ends_full=True))

    assert signals(strategy) == []
    assert MasterPosition.objects.get(strategy=strategy).quantity == 2
