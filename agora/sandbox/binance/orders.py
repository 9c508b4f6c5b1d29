"""Orders and trades as the exchange keeps them, and their JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from agora.sandbox.binance.symbols import SYMBOLS, Symbol
from agora.sandbox.wire import Json

ZERO = Decimal(0)
OPEN = ("NEW", "PARTIALLY_FILLED")
BUY, SELL = "BUY", "SELL"


@dataclass(slots=True)
class Trade:
    """One fill. Ids count per symbol, as at the vendor; time in milliseconds."""

    id: int
    order_id: int
    symbol: str
    price: Decimal
    qty: Decimal
    quote: Decimal
    commission: Decimal
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool

    def fill_json(self) -> str:
        """As in the `fills` of a FULL answer."""
        return (
            f'{{"price":"{self.price:.8f}","qty":"{self.qty:.8f}",'
            f'"commission":"{self.commission:.8f}",'
            f'"commissionAsset":"{self.commission_asset}","tradeId":{self.id}}}'
        )

    def json(self) -> str:
        """As in myTrades."""
        return (
            f'{{"symbol":"{self.symbol}","id":{self.id},"orderId":{self.order_id},'
            f'"orderListId":-1,"price":"{self.price:.8f}","qty":"{self.qty:.8f}",'
            f'"quoteQty":"{self.quote:.8f}","commission":"{self.commission:.8f}",'
            f'"commissionAsset":"{self.commission_asset}","time":{self.time},'
            f'"isBuyer":{_bool(self.is_buyer)},"isMaker":{_bool(self.is_maker)},'
            '"isBestMatch":true}'
        )

    def saved(self) -> Json:
        return {
            "id": self.id, "order_id": self.order_id, "symbol": self.symbol,
            "price": str(self.price), "qty": str(self.qty), "quote": str(self.quote),
            "commission": str(self.commission), "commission_asset": self.commission_asset,
            "time": self.time, "is_buyer": self.is_buyer, "is_maker": self.is_maker,
        }  # fmt: skip

    @classmethod
    def load(cls, body: Json) -> Trade:
        amounts = ("price", "qty", "quote", "commission")
        kept: Json = {k: Decimal(v) if k in amounts else v for k, v in body.items()}
        return cls(**kept)


@dataclass(slots=True, eq=False)
class Order:
    """One order of an account. `lock_price` is what each unit of a buy holds back in the quote asset;
    `accepted_at` is Unix seconds by the machine's clock, `time` and `updated` milliseconds by the
    exchange's. A `held` order is not matched until it is released.
    """

    id: int
    account: int
    symbol: Symbol
    client_id: str
    side: str
    type: str
    tif: str
    price: Decimal
    qty: Decimal
    quote_qty: Decimal
    lock_price: Decimal
    time: int
    accepted_at: float
    updated: int = 0
    status: str = "NEW"
    executed: Decimal = ZERO
    spent: Decimal = ZERO
    held: bool = False
    scripted: bool = False
    trades: list[Trade] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def is_buy(self) -> bool:
        return self.side == BUY

    @property
    def left(self) -> Decimal:
        return self.qty - self.executed

    @property
    def key(self) -> tuple[str, int]:
        return (self.symbol.name, self.id)

    @property
    def lock_asset(self) -> str:
        return self.symbol.quote if self.is_buy else self.symbol.base

    @property
    def locked(self) -> Decimal:
        """What the open order holds back of its lock asset."""
        return self.left * self.lock_price if self.is_buy else self.left

    def ack_json(self) -> str:
        return (
            f'"symbol":"{self.symbol.name}","orderId":{self.id},"orderListId":-1,'
            f'"clientOrderId":"{self.client_id}","transactTime":{self.time}'
        )

    def _state_json(self) -> str:
        return (
            f'"price":"{self.price:.8f}","origQty":"{self.qty:.8f}",'
            f'"executedQty":"{self.executed:.8f}","origQuoteOrderQty":"{self.quote_qty:.8f}",'
            f'"cummulativeQuoteQty":"{self.spent:.8f}","status":"{self.status}",'
            f'"timeInForce":"{self.tif}","type":"{self.type}","side":"{self.side}"'
        )

    def placed_json(self, kind: str) -> str:
        """The answer to a new order: ACK, RESULT or FULL."""
        if kind == "ACK":
            return "{" + self.ack_json() + "}"
        text = (
            f'{{{self.ack_json()},{self._state_json()},"workingTime":{self.time},'
            '"selfTradePreventionMode":"NONE"'
        )
        if self.status == "EXPIRED":
            text += ',"expiryReason":"INSUFFICIENT_LIQUIDITY"'
        if kind == "RESULT":
            return text + "}"
        return text + ',"fills":[' + ",".join([t.fill_json() for t in self.trades]) + "]}"

    def json(self) -> str:
        """As in GET order, openOrders and allOrders."""
        expiry = ',"expiryReason":"INSUFFICIENT_LIQUIDITY"' if self.status == "EXPIRED" else ""
        return (
            f'{{"symbol":"{self.symbol.name}","orderId":{self.id},"orderListId":-1,'
            f'"clientOrderId":"{self.client_id}",{self._state_json()},'
            f'"stopPrice":"0.00000000","icebergQty":"0.00000000","time":{self.time},'
            f'"updateTime":{self.updated},"isWorking":true,"workingTime":{self.time},'
            f'"selfTradePreventionMode":"NONE"{expiry}}}'
        )

    def cancelled_json(self, cancel_id: str) -> str:
        """The answer to a cancellation, which has a client id of its own."""
        return (
            f'{{"symbol":"{self.symbol.name}","origClientOrderId":"{self.client_id}",'
            f'"orderId":{self.id},"orderListId":-1,"clientOrderId":"{cancel_id}",'
            f'"transactTime":{self.updated},{self._state_json()},'
            '"selfTradePreventionMode":"NONE"}'
        )

    def saved(self) -> Json:
        return {
            "id": self.id, "account": self.account, "symbol": self.symbol.name,
            "client_id": self.client_id, "side": self.side, "type": self.type, "tif": self.tif,
            "price": str(self.price), "qty": str(self.qty), "quote_qty": str(self.quote_qty),
            "lock_price": str(self.lock_price), "time": self.time,
            "accepted_at": self.accepted_at, "updated": self.updated, "status": self.status,
            "executed": str(self.executed), "spent": str(self.spent), "held": self.held,
            "trades": [trade.saved() for trade in self.trades],
        }  # fmt: skip

    @classmethod
    def load(cls, body: Json) -> Order:
        amounts = ("price", "qty", "quote_qty", "lock_price", "executed", "spent")
        kept: Json = {k: Decimal(v) if k in amounts else v for k, v in body.items()}
        kept["symbol"] = SYMBOLS[body["symbol"]]
        kept["trades"] = [Trade.load(trade) for trade in body["trades"]]
        return cls(**kept)


def _bool(value: object) -> str:
    return "true" if value else "false"
