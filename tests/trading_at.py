"""An account in the exchange sandbox, traded through the product's own adapter, one call at a time."""

import itertools
import secrets
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from copytrade.exchange import runner
from copytrade.exchange.types import Credentials, NewOrder, OrderReport
from tests.copying import sandbox_key

if TYPE_CHECKING:
    from agora.sandbox.client import SandboxControl
    from copytrade.exchange.venue import Venue

T = TypeVar("T")
_numbers = itertools.count(1)


def done(work: Coroutine[Any, Any, T], *, timeout: float = 20) -> T:
    return runner.run(work, timeout=timeout)


def order(
    *,
    side: Any = "BUY",
    quantity: str = "0.01",
    price: str | None = None,
    symbol: str = "BTC/USDT",
    time_in_force: Any = None,
    signed_at: datetime | None = None,
    client_order_id: str = "",
) -> NewOrder:
    """A MARKET order, or a LIMIT order where a price is given."""
    return NewOrder(
        client_order_id=client_order_id or f"t{next(_numbers)}x{secrets.token_hex(6)}",
        symbol=symbol,
        side=side,
        type="MARKET" if price is None else "LIMIT",
        quantity=Decimal(quantity),
        signed_at=signed_at or datetime.now(UTC),
        price=None if price is None else Decimal(price),
        time_in_force=time_in_force,
    )


@dataclass(frozen=True)
class Trading:
    """One account of the sandbox: `label` names it in the books there."""

    venue: "Venue"
    control: "SandboxControl"
    label: str
    credentials: Credentials = field(repr=False)

    def place(self, new: NewOrder | None = None, **fields: Any) -> OrderReport:
        return done(self.venue.place(self.credentials, new or order(**fields)))

    def find(self, client_order_id: str, *, symbol: str = "BTC/USDT") -> OrderReport | None:
        return done(
            self.venue.find(self.credentials, symbol=symbol, client_order_id=client_order_id)
        )

    def cancel(self, client_order_id: str, *, symbol: str = "BTC/USDT") -> OrderReport | None:
        return done(
            self.venue.cancel(self.credentials, symbol=symbol, client_order_id=client_order_id)
        )

    @property
    def books(self) -> list[dict[str, Any]]:
        """The account's orders in the exchange's own books."""
        return self.control.binance.orders(self.label)


def open_account(venue: "Venue", control: "SandboxControl", **rights: Any) -> Trading:
    """An account with 10,000 USDT, unless `balances` says otherwise."""
    label, key = sandbox_key(control, **rights)
    return Trading(venue, control, label, Credentials(uuid.uuid4(), *key))
