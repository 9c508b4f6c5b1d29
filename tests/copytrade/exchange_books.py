"""What the exchange sandbox's own books say of accounts, to judge our tables by."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

Json = dict[str, Any]


def net_base(orders: Iterable[Json], *, base: str = "BTC") -> Decimal:
    """Bought less sold of an asset, less the fees that were taken in it."""
    net = Decimal(0)
    for order in orders:
        for trade in order["trades"]:
            net += Decimal(trade["qty"]) if order["side"] == "BUY" else -Decimal(trade["qty"])
            if trade["commission_asset"] == base:
                net -= Decimal(trade["commission"])
    return net


def placed_twice(orders: Iterable[Json]) -> list[str]:
    """Client ids under which more than one order was taken."""
    counts = Counter(order["client_id"] for order in orders)
    return [client_id for client_id, count in counts.items() if count > 1]
