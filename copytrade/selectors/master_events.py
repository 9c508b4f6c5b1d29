"""What a master did, order by order, with what the account held and was worth before each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from django.db.models import Case, F, Min, Sum, Value, When
from django.db.models.functions import StrIndex, Substr

from copytrade.models import Fill, MasterPosition, NavPoint, Strategy
from copytrade.selectors.equity import strategy_equity

MOST_EVENTS = 1000
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Event:
    """One order of the master as far as it filled. `price` is its average, `at` its first fill."""

    at: datetime
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    position_before: Decimal
    equity_before: Decimal


def events_of(strategy: Strategy, *, since: datetime) -> list[Event]:
    """The master's filled orders since then, oldest first; at most the newest thousand.

    Positions are counted back from what is held now, equity is that of the evening before where no
    order says it. Reads the ledger only.
    """
    rows = list(_orders(strategy, since=since))
    held = _held_at_start(strategy, rows)
    equity = _Equity(strategy, since=since)
    events = []
    for row in rows:
        before = held.get(row.symbol, _ZERO)
        if row.side == "SELL":
            before = max(before, row.quantity)  # what came in from outside is not in the fills
        events.append(
            Event(
                at=row.at,
                symbol=row.symbol,
                side=row.side,
                quantity=row.quantity,
                price=row.value / row.quantity,
                position_before=before,
                equity_before=row.equity_before or equity.before(row.at),
            )
        )
        held[row.symbol] = before + row.net
    return events


@dataclass(frozen=True, slots=True)
class _Order:
    symbol: str
    side: str
    at: datetime
    quantity: Decimal
    value: Decimal
    base_fee: Decimal
    equity_before: Decimal | None

    @property
    def net(self) -> Decimal:
        """What it changed the position by."""
        return (self.quantity if self.side == "BUY" else -self.quantity) - self.base_fee


def _orders(strategy: Strategy, *, since: datetime) -> Sequence[_Order]:
    base = Substr("symbol", 1, StrIndex("symbol", Value("/")) - 1)
    found = (
        Fill.objects.filter(strategy=strategy, at__gte=since)
        .annotate(base=base)
        .values("symbol", "side", "exchange_order_id")
        .annotate(
            first=Min("at"),
            total=Sum("quantity"),
            value=Sum("quote_quantity"),
            base_fee=Sum(Case(When(fee_asset=F("base"), then="fee"), default=_ZERO)),
            equity=Min("master_order__equity_before"),
        )
        .order_by("-first", "exchange_order_id")[:MOST_EVENTS]
    )
    return [
        _Order(
            symbol=row["symbol"],
            side=row["side"],
            at=row["first"],
            quantity=row["total"],
            value=row["value"],
            base_fee=row["base_fee"],
            equity_before=row["equity"] or None,
        )
        for row in reversed(found)
    ]


def _held_at_start(strategy: Strategy, orders: Sequence[_Order]) -> dict[str, Decimal]:
    held = dict(MasterPosition.objects.filter(strategy=strategy).values_list("symbol", "quantity"))
    for order in orders:
        held[order.symbol] = held.get(order.symbol, _ZERO) - order.net
    return {symbol: max(quantity, _ZERO) for symbol, quantity in held.items()}


class _Equity:
    """The strategy's equity on the evening before a day."""

    def __init__(self, strategy: Strategy, *, since: datetime) -> None:
        points = NavPoint.objects.filter(strategy=strategy, equity__gt=0).order_by("day")
        self._points: list[tuple[date, Decimal]] = list(points.values_list("day", "equity"))
        self._now = strategy_equity(strategy=strategy).total

    def before(self, at: datetime) -> Decimal:
        """The newest known before that day; the oldest known where there is none before."""
        day = at.astimezone(UTC).date()
        earlier = [equity for known, equity in self._points if known < day]
        if earlier:
            return earlier[-1]
        return self._points[0][1] if self._points else self._now
