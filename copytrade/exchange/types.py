"""What the exchange tells and is told. Money and quantities are Decimal, times aware and in UTC.

Symbols are written BASE/QUOTE ("BTC/USDT"); quantities are in the base asset, prices and quote
quantities in the quote asset.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

Side = Literal["BUY", "SELL"]
OrderType = Literal["MARKET", "LIMIT"]
TimeInForce = Literal["GTC", "IOC"]
OrderStatus = Literal["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELLED", "EXPIRED", "REJECTED"]

# How long after its signature the exchange takes a request. Stands here, and not beside ccxt, which takes a
# second to import: whoever plans an order needs the figure, whoever sends it needs ccxt.
RECEIVE_WINDOW_MS = 5_000
OPEN_STATUSES: frozenset[OrderStatus] = frozenset({"NEW", "PARTIALLY_FILLED"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key of one account. Its repr shows neither key nor secret."""

    account_id: uuid.UUID
    api_key: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRights:
    """What an API key may do. None: the exchange does not tell (Binance's testnet)."""

    can_read: bool
    can_trade: bool
    can_withdraw: bool | None
    ip_restricted: bool | None


@dataclass(frozen=True, slots=True)
class Market:
    """A symbol and the rules its orders must keep (Binance: exchangeInfo, filters).

    A quantity is a multiple of `step` (`market_step` for MARKET orders) between the bounds, a price
    one of `tick`; price × quantity reaches `min_notional`. A step or tick of 0 means: any. A price
    of a BUY lies between the `buy` multipliers of the weighted average price, a SELL's between the
    `sell` ones.
    """

    symbol: str
    id: str
    base: str
    quote: str
    trading: bool
    step: Decimal
    market_step: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    market_min_quantity: Decimal
    market_max_quantity: Decimal
    tick: Decimal
    min_price: Decimal
    max_price: Decimal
    min_notional: Decimal
    max_notional: Decimal | None
    min_notional_applies_to_market: bool
    max_notional_applies_to_market: bool
    buy_multiplier_up: Decimal | None
    buy_multiplier_down: Decimal | None
    sell_multiplier_up: Decimal | None
    sell_multiplier_down: Decimal | None
    max_open_orders: int | None
    order_types: frozenset[str]


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order to be sent.

    `signed_at` is the time that the request is signed with, committed by the caller before it is
    sent: after the receive window (RECEIVE_WINDOW_MS) the exchange refuses whatever comes late.
    """

    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    signed_at: datetime
    price: Decimal | None = None
    time_in_force: TimeInForce | None = None


@dataclass(frozen=True, slots=True)
class Trade:
    """One fill. `id` is the exchange's trade id, unique within the symbol of one account."""

    id: str
    order_id: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    fee: Decimal
    fee_asset: str
    at: datetime
    maker: bool


@dataclass(frozen=True, slots=True)
class OrderReport:
    """An order as the exchange tells it. `price` is None for a MARKET order.

    `type` may be another than this adapter sends: a master trades at the exchange as well.
    `created_at` is when the exchange took the order, `at` when it last changed. `trades` may lag
    behind `filled` (`has_all_trades`); answers about many orders carry none.
    """

    id: str
    client_order_id: str
    symbol: str
    side: Side
    type: str
    status: OrderStatus
    quantity: Decimal
    price: Decimal | None
    filled: Decimal
    quote_filled: Decimal
    created_at: datetime
    at: datetime
    trades: tuple[Trade, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def average_price(self) -> Decimal | None:
        """Quote quantity by base quantity; None while nothing is filled."""
        return self.quote_filled / self.filled if self.filled else None

    @property
    def has_all_trades(self) -> bool:
        """Whether `trades` account for all of `filled`."""
        return sum((trade.quantity for trade in self.trades), Decimal(0)) >= self.filled


@dataclass(frozen=True, slots=True)
class Replacement:
    """What became of a cancel-and-replace, whose halves may end differently.

    `cancelled` is the old order as it really ended, None when it never existed. `placed` is the new
    order, None when it was not attempted (the old one was not cancelled) or was refused, then with
    the refusal in `refusal`.
    """

    cancelled: OrderReport | None
    placed: OrderReport | None
    refusal: Exception | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """Units of one asset: free to use, and locked in open orders."""

    free: Decimal
    locked: Decimal

    @property
    def total(self) -> Decimal:
        return self.free + self.locked


@dataclass(frozen=True, slots=True)
class Holdings:
    """What an account holds, by asset; `owner` is the exchange's number of it, "" when not told."""

    owner: str = field(repr=False)
    balances: Mapping[str, Balance]

    @property
    def totals(self) -> dict[str, Decimal]:
        """Units of each asset, locked ones included."""
        return {asset: balance.total for asset, balance in self.balances.items()}
