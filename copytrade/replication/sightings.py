"""What is seen of a master's order, by whichever way, becomes fills, its state, and signals.

The one place where a master's order changes by what the exchange tells: answers to our own
requests, look-ups and polls all end here. They may come twice and out of order: trades count once
by their id, the filled quantity never goes down, and a state that ended is left only by a fill that
nobody had told of, which is alarmed (research 2.3).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.conf import settings
from django.db.models import Sum

from compliance import audit
from copytrade.exchange.types import OrderReport, Trade
from copytrade.ledger.booking import Booking, book, lock_accounts
from copytrade.models import (
    CopyOrder,
    Fill,
    MasterOrder,
    MasterPosition,
    OrderType,
    Side,
    Signal,
    Strategy,
)
from copytrade.replication.publish import publish
from copytrade.states import MASTER_ORDER_MOVES, LegState, MasterOrderState, StrategyState

log = structlog.get_logger(__name__)
ACTOR = audit.system("desk")

_ZERO = Decimal(0)
_SLOWEST_POLL = timedelta(seconds=30)
_ENDED_UNFILLED = frozenset({"CANCELLED", "EXPIRED", "REJECTED"})


@dataclass(frozen=True)
class _Before:
    """What was known of an order before it was looked at this time."""

    state: str
    filled: Decimal
    quote_filled: Decimal


def record(
    *, order: MasterOrder, report: OrderReport | None, trades: Iterable[Trade], now: datetime
) -> MasterOrder:
    """Take in what was seen of an order, and publish what followers have to copy; the order as now.

    Inside the caller's transaction, which then holds the row of the master's account: whoever looks
    at orders of one account does so one after the other, so that positions before an order are
    exact. `report` None: only trades were seen. Trades of other orders must not be among `trades`.
    """
    lock_accounts([order.account_id])
    seen = MasterOrder.objects.select_related("strategy").get(pk=order.pk)
    before = _Before(seen.state, seen.filled, seen.quote_filled)
    found = sorted({trade.id: trade for trade in trades}.values(), key=lambda t: (t.at, t.id))
    if not before.filled and (found or (report and report.filled)):
        seen.position_before = _position_before(seen, report, found)
    book(
        [
            Booking(
                account_id=seen.account_id,
                trade=trade,
                master_order_id=seen.pk,
                strategy_id=seen.strategy_id,
            )
            for trade in found
        ],
        now=now,
    )
    _count_fills(seen, report)
    _move(seen, before=before, report=report, now=now)
    seen.updated_at = now
    seen.save(update_fields=_COLUMNS)
    _publish(seen, before=before, at=_moment(report, found, now), now=now)
    return seen


_COLUMNS = [
    "exchange_order_id",
    "state",
    "reason",
    "filled",
    "quote_filled",
    "position_before",
    "attention",
    "updated_at",
]


def _position_before(
    order: MasterOrder, report: OrderReport | None, trades: list[Trade]
) -> Decimal:
    """What the ledger holds as the first fill is booked; at least what is sold now.

    Less can only stand there after a deposit that nobody booked yet.
    """
    position = MasterPosition.objects.filter(strategy=order.strategy_id, symbol=order.symbol)
    held = position.values_list("quantity", flat=True).first() or _ZERO
    if order.side != Side.SELL:
        return held
    sold = max(sum((t.quantity for t in trades), _ZERO), report.filled if report else _ZERO)
    return max(held, sold)


def _count_fills(order: MasterOrder, report: OrderReport | None) -> None:
    """The largest of what was known, what is told, and what is booked."""
    told = [(order.filled, order.quote_filled), _booked(order)]
    if report is not None:
        order.exchange_order_id = order.exchange_order_id or report.id
        told.append((report.filled, report.quote_filled))
    order.filled, order.quote_filled = max(told, key=lambda pair: pair[0])


def _booked(order: MasterOrder) -> tuple[Decimal, Decimal]:
    sums = Fill.objects.filter(master_order=order).aggregate(
        base=Sum("quantity"), quote=Sum("quote_quantity")
    )
    return sums["base"] or _ZERO, sums["quote"] or _ZERO


def _move(
    order: MasterOrder, *, before: _Before, report: OrderReport | None, now: datetime
) -> None:
    to = _state_of(order, report)
    if before.state in MASTER_ORDER_MOVES.terminal:
        if order.filled > before.filled:
            _alarm(order, before=before, now=now)
        return
    if to != before.state:
        MASTER_ORDER_MOVES.check(before.state, to)
        order.state = to
        if to == MasterOrderState.REJECTED:
            order.reason = "rejected"
        _note(order, action=f"master_order.{to.lower()}", evidence=_figures(order), now=now)


def _state_of(order: MasterOrder, report: OrderReport | None) -> MasterOrderState:
    if order.filled >= order.quantity or (report and report.status == "FILLED"):
        return MasterOrderState.FILLED
    if report is None or report.status not in _ENDED_UNFILLED:
        return MasterOrderState.WORKING
    if report.status == "REJECTED" and not order.filled:
        return MasterOrderState.REJECTED
    return MasterOrderState.CANCELLED


def _alarm(order: MasterOrder, *, before: _Before, now: datetime) -> None:
    """A fill after the end: count it, and have a person look."""
    full = order.filled >= order.quantity
    order.state = MasterOrderState.FILLED if full else MasterOrderState.CANCELLED
    order.attention = True
    evidence = {**_figures(order), "was": before.state, "filled_before": str(before.filled)}
    log.error("master_order.filled_after_end", order_id=str(order.pk), **evidence)
    _note(order, action="master_order.filled_after_end", evidence=evidence, now=now)


def _figures(order: MasterOrder) -> dict[str, object]:
    return {
        "state": str(order.state),
        "exchange_order_id": order.exchange_order_id or "",
        "filled": f"{order.filled:f}",
        "quantity": f"{order.quantity:f}",
    }


def _note(
    order: MasterOrder, *, action: str, evidence: Mapping[str, object], now: datetime
) -> None:
    audit.record(
        actor=ACTOR,
        action=action,
        object_type="master_order",
        object_id=str(order.pk),
        evidence=evidence,
        now=now,
    )


def _moment(report: OrderReport | None, trades: list[Trade], now: datetime) -> datetime:
    """When it happened at the exchange: stale opens are told by it."""
    if trades:
        return max(trade.at for trade in trades)
    return report.at if report else now


# --- Signals --------------------------------------------------------------------------------------


def _publish(order: MasterOrder, *, before: _Before, at: datetime, now: datetime) -> None:
    """The signals that follow from the change: fills by cumulative quantity, rests, cancellations.

    Pairs outside the strategy give none. A buy that was there before the strategy was published is
    not news either; a sale always is, because a close must not be lost.
    """
    strategy = order.strategy
    if order.symbol not in strategy.symbols or strategy.state == StrategyState.DELETED:
        return
    if order.side == Side.SELL:
        if order.filled > before.filled:
            _publish_fill(order, kind=Signal.Kind.CLOSE, before=before, at=at, now=now)
            if order.filled >= order.position_before:
                _cancel_left_behind(order, at=at, now=now)
        return
    if order.placed_at < strategy.created_at:
        return
    resting = _is_copied_resting(order)
    if not resting and _rests(order, strategy):
        _publish_rest(order, at=order.placed_at, now=now)
    elif not resting and order.filled > before.filled:
        _publish_fill(order, kind=Signal.Kind.OPEN, before=before, at=at, now=now)
    elif resting and order.state == MasterOrderState.CANCELLED != before.state:
        _publish_cancel(order, at=at, now=now)


def _rests(order: MasterOrder, strategy: Strategy) -> bool:
    return (
        strategy.copy_on == Strategy.CopyOn.ACCEPT
        and order.type == OrderType.LIMIT
        and order.state == MasterOrderState.WORKING
    )


def _is_copied_resting(order: MasterOrder) -> bool:
    return Signal.objects.filter(
        master_order=order, kind=Signal.Kind.OPEN, type=OrderType.LIMIT
    ).exists()


def _publish_fill(
    order: MasterOrder, *, kind: str, before: _Before, at: datetime, now: datetime
) -> None:
    slice_quote, slice_base = (
        order.quote_filled - before.quote_filled,
        order.filled - before.filled,
    )
    price = slice_quote / slice_base if slice_quote > 0 else order.quote_filled / order.filled
    publish(
        strategy=order.strategy,
        kind=kind,
        symbol=order.symbol,
        type=OrderType.MARKET,
        price=price,
        at=at,
        now=now,
        master_order=order,
        cumulative=order.filled,
        order_quantity=order.quantity,
        position_before=order.position_before,
        equity_before=order.equity_before,
    )


def _publish_rest(order: MasterOrder, *, at: datetime, now: datetime) -> None:
    publish(
        strategy=order.strategy,
        kind=Signal.Kind.OPEN,
        symbol=order.symbol,
        type=OrderType.LIMIT,
        price=order.price or _ZERO,
        at=at,
        now=now,
        master_order=order,
        cumulative=order.quantity,
        order_quantity=order.quantity,
        position_before=order.position_before,
        equity_before=order.equity_before,
    )


def _publish_cancel(order: MasterOrder, *, at: datetime, now: datetime) -> None:
    publish(
        strategy=order.strategy,
        kind=Signal.Kind.CANCEL,
        symbol=order.symbol,
        type=OrderType.LIMIT,
        price=order.price or _ZERO,
        at=at,
        now=now,
        master_order=order,
        cumulative=order.filled,
        order_quantity=order.quantity,
    )


def _cancel_left_behind(close: MasterOrder, *, at: datetime, now: datetime) -> None:
    """Cancel what still rests of the followers although the master's own order had ended.

    Theirs stood later in the queue. Filled after the master sold all, they would hold what nobody
    sells.
    """
    left = CopyOrder.objects.filter(
        subscription__strategy=close.strategy,
        symbol=close.symbol,
        kind=Signal.Kind.OPEN,
        state__in=[LegState.PLANNED, LegState.SENDING, LegState.WORKING],
        signal__type=OrderType.LIMIT,
        master_order__state__in=MASTER_ORDER_MOVES.terminal,
    )
    ended = MasterOrder.objects.filter(pk__in=left.values("master_order"))
    for order in ended.select_related("strategy").order_by("placed_at"):
        _publish_cancel(order, at=at, now=now)


# --- What is left to do ---------------------------------------------------------------------------


def due_again(*, order: MasterOrder, now: datetime) -> datetime | None:
    """When the order's own job has to look at the exchange again; None: the rest comes by itself.

    An open order that was placed here is followed with growing patience, one of the exchange by the
    poll of its account. Any order is looked at until all of its trades are booked.
    """
    if order.state == MasterOrderState.PENDING:
        return now
    ended = order.state in MASTER_ORDER_MOVES.terminal
    if order.cancel_requested_at and not ended:
        return now
    followed_elsewhere = ended or order.source == MasterOrder.Source.EXCHANGE
    if followed_elsewhere and _booked(order)[0] >= order.filled:
        return None
    shortest = timedelta(seconds=settings.POLL_SECONDS)
    return now + min(max(shortest, (now - order.placed_at) / 10), _SLOWEST_POLL)
