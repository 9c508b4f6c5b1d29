"""What the outside world has of an order: read from the sandbox's books and the chain alone."""

from dataclasses import dataclass
from decimal import Decimal

from agora.sandbox.client import SandboxControl
from tokens import chain
from trading.models import Order


@dataclass(frozen=True)
class Evidence:
    """How often each leg of one order was done outside, and for how much."""

    broker_orders: int
    filled: Decimal
    custody_transfers: int
    in_custody: Decimal
    mints: int
    minted_units: int


class Books:
    """The sandbox's books and the chain's events, read once for many orders."""

    def __init__(self, sandbox: SandboxControl) -> None:
        books = sandbox.books()
        self._orders = books["alpaca"]["orders"]
        self._transfers = [
            tx
            for tx in books["fireblocks"]["transactions"]
            if tx["operation"] == "TRANSFER" and tx["status"] == "COMPLETED"
        ]
        events = chain._contract().events.Minted().get_logs(from_block=0)
        self._mints = [(e["args"]["brokerTradeId"], int(e["args"]["amount"])) for e in events]

    def of(self, order: Order) -> Evidence:
        """Everything that was done outside for this order."""
        placed = [o for o in self._orders if o["client_order_id"] == f"buy-{order.pk.hex}"]
        moved = [t for t in self._transfers if _is_transfer(t["externalTxId"], order)]
        ids = {o["id"] for o in placed}
        minted = [units for trade_id, units in self._mints if trade_id in ids]
        return Evidence(
            broker_orders=len(placed),
            filled=sum((Decimal(o["filled_qty"]) for o in placed), Decimal(0)),
            custody_transfers=len(moved),
            in_custody=sum((Decimal(t["amountInfo"]["amount"]) for t in moved), Decimal(0)),
            mints=len(minted),
            minted_units=sum(minted),
        )


def _is_transfer(external_id: str | None, order: Order) -> bool:
    """Whether the id is one of the order's custody transfers, the first or a repeated one."""
    known = external_id or ""  # a transfer that somebody else asked for may have none
    return known.startswith("cus") and known.endswith(order.pk.hex)
