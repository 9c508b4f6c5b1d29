"""Drift: what the exchange says a subscription holds, less what Agora says it holds."""

from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from typing import TypeVar

from copytrade.exchange import runner
from copytrade.exchange.credentials import credentials_of
from copytrade.exchange.types import OrderReport, Trade
from copytrade.models import CopyOrder, CopyPosition, Subscription

_PAGE = 1000
_SECONDS = 60.0
_ZERO = Decimal(0)
R = TypeVar("R", OrderReport, Trade)


def drift(*, subscription: Subscription, symbol: str) -> Decimal:
    """The exchange's own net of our client ids for a subscription and pair, less our position.

    In the base asset; 0 when both agree. Bought less sold less fees taken in the base asset, summed
    over the trades of every order at the exchange whose client order id is one of the
    subscription's. Reads all orders and trades of the pair (weight 20 a page of 1,000 each).
    Raises Temporary or Rejected.
    """
    creds = credentials_of(subscription.account)
    venue = runner.venue()
    ids = set(
        CopyOrder.objects.filter(subscription=subscription, symbol=symbol).values_list(
            "client_order_id", flat=True
        )
    )

    async def read() -> tuple[list[OrderReport], list[Trade]]:
        return (
            await _all(lambda first: venue.orders(creds, symbol=symbol, from_id=first)),
            await _all(lambda first: venue.trades(creds, symbol=symbol, from_id=first)),
        )

    orders, trades = runner.run(read(), timeout=_SECONDS)
    ours = {order.id for order in orders if order.client_order_id in ids}
    position = CopyPosition.objects.filter(subscription=subscription, symbol=symbol)
    held = position.values_list("quantity", flat=True).first() or _ZERO
    return net_base(t for t in trades if t.order_id in ours) - held


async def _all(read: Callable[[str], Awaitable[list[R]]]) -> list[R]:
    """All pages, from the first."""
    found: list[R] = []
    first = 0
    while True:
        page = await read(str(first))
        found += page
        if len(page) < _PAGE:
            return found
        first = max(int(entry.id) for entry in page) + 1


def drifts(*, subscription: Subscription) -> dict[str, Decimal]:
    """The drift of every pair that the subscription ever traded, those of 0 left out."""
    symbols = CopyOrder.objects.filter(subscription=subscription).values_list("symbol", flat=True)
    found = {s: drift(subscription=subscription, symbol=s) for s in sorted(set(symbols))}
    return {symbol: difference for symbol, difference in found.items() if difference}


def net_base(trades: Iterable[Trade]) -> Decimal:
    """What trades of one pair changed of its base asset, fees taken in it included."""
    total = _ZERO
    for trade in trades:
        total += trade.quantity if trade.side == "BUY" else -trade.quantity
        if trade.fee_asset == trade.symbol.partition("/")[0]:
            total -= trade.fee
    return total
