"""An Alpaca order: what a request may ask for, and how it looks on the wire and on disk."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field, fields
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from agora.sandbox.alpaca import errors
from agora.sandbox.alpaca.market import ASSETS, Market, Script
from agora.sandbox.wire import Json, plain, rfc3339

NANO = Decimal("0.000000001")
MICRO = Decimal("0.000001")
SIDES = ("buy", "sell")
TYPES = ("market", "limit")
TIMES_IN_FORCE = ("day", "gtc", "ioc", "fok", "opg", "cls")
MAX_CLIENT_ID = 128
MINIMUM_VALUE = Decimal(1)
OPEN_STATUSES = (
    "accepted",
    "new",
    "partially_filled",
    "pending_cancel",
    "done_for_day",
)


@dataclass(kw_only=True)
class Order:
    """One order in the books. Times are Unix seconds, money is USD, quantities are shares."""

    id: str
    client_order_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    qty: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    extended_hours: bool
    submitted_at: float
    updated_at: float
    status: str = "accepted"
    filled_qty: Decimal = Decimal(0)
    filled_value: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    filled_at: float | None = None
    canceled_at: float | None = None
    expired_at: float | None = None
    failed_at: float | None = None
    # Steps still to come, each [seconds to wait, action, quantity or None].
    steps: list[list[Any]] = field(default_factory=list)
    fills: list[Json] = field(default_factory=list)
    hold: str | None = None

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    def row(self) -> Json:
        return {
            name: str(value) if isinstance(value, Decimal) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_row(cls, row: Json) -> Order:
        decimals = {f.name for f in fields(cls) if "Decimal" in str(f.type)}
        values: Json = {
            name: Decimal(value) if name in decimals and value is not None else value
            for name, value in row.items()
        }
        return cls(**values)

    def wire(self) -> Json:
        """The order as the vendor answers it: decimals are strings, absent values null."""
        average = None
        if self.filled_qty:
            average = plain((self.filled_value / self.filled_qty).quantize(MICRO, ROUND_HALF_EVEN))
        return {
            "id": self.id,
            "client_order_id": self.client_order_id,
            "created_at": rfc3339(self.submitted_at),
            "updated_at": rfc3339(self.updated_at),
            "submitted_at": rfc3339(self.submitted_at),
            "filled_at": _time(self.filled_at),
            "expired_at": _time(self.expired_at),
            "canceled_at": _time(self.canceled_at),
            "failed_at": _time(self.failed_at),
            "replaced_at": None,
            "replaced_by": None,
            "replaces": None,
            "asset_id": ASSETS[self.symbol].id,
            "symbol": self.symbol,
            "asset_class": "us_equity",
            "notional": _text(self.notional),
            "qty": _text(self.qty),
            "filled_qty": plain(self.filled_qty),
            "filled_avg_price": average,
            "order_class": "",
            "order_type": self.type,
            "type": self.type,
            "side": self.side,
            "time_in_force": self.time_in_force,
            "limit_price": _text(self.limit_price),
            "stop_price": None,
            "status": self.status,
            "extended_hours": self.extended_hours,
            "legs": None,
            "trail_percent": None,
            "trail_price": None,
            "hwm": None,
            "subtag": None,
            "source": None,
            "position_intent": f"{self.side}_to_open" if self.side == "buy" else "sell_to_close",
        }


def read_request(*, body: Json, market: Market) -> Order:
    """The order a request asks for, checked as the vendor does. Raises VendorError."""
    symbol = str(body.get("symbol") or "").upper()
    asset = ASSETS.get(symbol)
    if asset is None:
        raise errors.unprocessable(f'asset "{symbol}" not found')
    if not asset.tradable:
        raise errors.unprocessable(f"asset {symbol} is not active")
    side = _choice(body=body, name="side", allowed=SIDES)
    kind = _choice(body=body, name="type", allowed=TYPES)
    tif = _choice(body=body, name="time_in_force", allowed=TIMES_IN_FORCE)
    client_id = body.get("client_order_id") or str(uuid.uuid4())
    if not isinstance(client_id, str) or len(client_id) > MAX_CLIENT_ID:
        raise errors.invalid("client_order_id must be no more than 128 characters")
    now = market.now().timestamp()
    order = Order(
        id=str(uuid.uuid4()), client_order_id=client_id, symbol=symbol, side=side, type=kind,
        time_in_force=tif, qty=_decimal(body=body, name="qty"),
        notional=_decimal(body=body, name="notional"),
        limit_price=_decimal(body=body, name="limit_price"),
        extended_hours=bool(body.get("extended_hours", False)), submitted_at=now, updated_at=now,
    )  # fmt: skip
    _check_size(order=order, fractionable=asset.fractionable)
    _check_price(order)
    if cost_of(order=order, market=market) < MINIMUM_VALUE:
        raise errors.forbidden("cost basis must be >= minimal amount of order 1")
    order.steps = plan(market.script_for(client_id))
    return order


def plan(script: Script) -> list[list[Any]]:
    """The steps of an order: becomes `new`, fills in parts, ends as the script says."""
    if script.outcome == "reject":
        return [[script.delay, "reject", None]]
    steps: list[list[Any]] = [[script.delay * 0.3, "new", None]]
    wait = script.delay * 0.7
    for part in script.partial:
        steps.append([wait, "fill", part])
        wait = script.delay
    if script.outcome != "never":
        steps.append([wait, script.outcome, None])
    return steps


def part_of(*, order: Order, part: str, price: Decimal) -> Decimal:
    """The shares meant by "0.2" or "40%", never more than what is left to fill."""
    whole = total_of(order=order, price=price)
    size = whole * Decimal(part[:-1]) / 100 if part.endswith("%") else Decimal(part)
    left = whole - order.filled_qty
    return min(size.quantize(NANO, ROUND_DOWN), left)


def total_of(*, order: Order, price: Decimal) -> Decimal:
    """The shares the whole order is for; a notional order counts what it has plus what is left."""
    if order.notional is None:
        return order.qty or Decimal(0)
    left = (order.notional - order.filled_value) / price
    return order.filled_qty + left.quantize(NANO, ROUND_DOWN)


def cost_of(*, order: Order, market: Market) -> Decimal:
    """USD that the order may cost at most: its limit, or the ask of now."""
    if order.notional is not None:
        return order.notional
    return (order.qty or Decimal(0)) * (order.limit_price or market.ask(order.symbol))


def _choice(*, body: Json, name: str, allowed: tuple[str, ...]) -> str:
    value = body.get(name)
    if value is None or value == "":
        raise errors.invalid(f"{name} is required")
    if value not in allowed:
        raise errors.invalid(f"invalid {name}: {value}")
    return str(value)


def _decimal(*, body: Json, name: str) -> Decimal | None:
    value = body.get(name)
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise errors.malformed(f"{name} must be a number") from None
    if isinstance(value, bool) or not number.is_finite():
        raise errors.malformed(f"{name} must be a number")
    return number


def _check_size(*, order: Order, fractionable: bool) -> None:
    if order.qty is not None and order.notional is not None:
        raise errors.malformed("only one of qty or notional is accepted")
    size = order.qty if order.qty is not None else order.notional
    if size is None:
        raise errors.invalid("qty or notional is required")
    name, places = ("qty", 9) if order.qty is not None else ("notional", 2)
    if size <= 0:
        raise errors.invalid(f"{name} must be > 0")
    if _places(size) > places:
        raise errors.unprocessable(f"{name} increments must be {plain(Decimal(1).scaleb(-places))}")
    if order.notional is None and size == size.to_integral_value():
        return
    if not fractionable:
        raise errors.forbidden(f'asset "{order.symbol}" is not fractionable')
    if order.time_in_force != "day":
        raise errors.unprocessable("fractional orders must be DAY orders")


def _check_price(order: Order) -> None:
    price = order.limit_price
    if order.type == "market":
        if price is not None:
            raise errors.invalid("market orders require no stop or limit price")
        return
    if price is None:
        raise errors.invalid("limit orders require a limit price")
    if price <= 0:
        raise errors.invalid("limit_price must be > 0")
    if _places(price) > (2 if price >= 1 else 4):
        raise errors.unprocessable(
            f"invalid limit_price {plain(price)}. "
            "sub-penny increment does not fulfill minimum pricing criteria"
        )


def _places(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _time(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)
