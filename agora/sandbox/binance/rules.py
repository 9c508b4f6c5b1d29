"""A new order as it was sent, and what must hold of it before the matching engine sees it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from agora.sandbox.binance import errors
from agora.sandbox.binance.orders import BUY, SELL
from agora.sandbox.binance.params import Params
from agora.sandbox.binance.symbols import MAX_NOTIONAL, PERCENT_DOWN, PERCENT_UP, Symbol
from agora.sandbox.wire import VendorError

LIMIT, MARKET, LIMIT_MAKER = "LIMIT", "MARKET", "LIMIT_MAKER"
UNSUPPORTED = {
    "STOP_LOSS": "Stop loss orders",
    "STOP_LOSS_LIMIT": "Stop loss limit orders",
    "TAKE_PROFIT": "Take profit orders",
    "TAKE_PROFIT_LIMIT": "Take profit limit orders",
}
GTC = "GTC"
TIFS = (GTC, "IOC", "FOK")
ANSWERS = ("ACK", "RESULT", "FULL")
SIGNING = {"timestamp", "recvWindow", "signature"}
ORDER_PARAMS = SIGNING | {
    "symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price",
    "newClientOrderId", "strategyId", "strategyType", "stopPrice", "trailingDelta", "icebergQty",
    "newOrderRespType", "selfTradePreventionMode",
}  # fmt: skip
TEST_PARAMS = ORDER_PARAMS | {"computeCommissionRates"}
REPLACE_PARAMS = ORDER_PARAMS | {
    "cancelReplaceMode", "cancelNewClientOrderId", "cancelOrigClientOrderId", "cancelOrderId",
    "cancelRestrictions", "orderRateLimitExceededMode",
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class NewOrder:
    """A well-formed order. `quote_qty` is what a MARKET order spends or earns instead of `qty`."""

    symbol: Symbol
    side: str
    type: str
    tif: str
    price: Decimal | None
    qty: Decimal | None
    quote_qty: Decimal | None
    client_id: str
    answer: str

    @property
    def is_buy(self) -> bool:
        return self.side == BUY


def read_order(params: Params, *, allowed: set[str] = ORDER_PARAMS) -> NewOrder:
    """Raises VendorError (-11xx) in the vendor's words."""
    _all_known(params, allowed)
    symbol = params.symbol()
    side = params.text("side")
    if side not in (BUY, SELL):
        raise errors.refuse(code=-1117, message="Invalid side.")
    kind = params.text("type")
    if kind not in (LIMIT, MARKET, LIMIT_MAKER):
        raise _wrong_type(kind)
    _nothing_unsupported(params)
    price, tif = _price_and_tif(params, kind)
    qty, quote_qty = _quantities(params, kind)
    answer = params.get_text("newOrderRespType") or ("ACK" if kind == LIMIT_MAKER else "FULL")
    if answer not in ANSWERS:
        raise _invalid("newOrderRespType")
    return NewOrder(
        symbol=symbol, side=side, type=kind, tif=tif, price=price, qty=qty, quote_qty=quote_qty,
        client_id=params.get_client_id("newClientOrderId") or random_id(), answer=answer,
    )  # fmt: skip


def random_id() -> str:
    """A client id as the exchange makes one: 22 characters."""
    return secrets.token_hex(11)


def check_filters(order: NewOrder, *, last: Decimal, best: Decimal) -> Decimal:
    """The quantity that the order is for. Raises VendorError -1013 for the first filter it fails.

    `last` is the last price, `best` the price the order would get now.
    """
    symbol = order.symbol
    if order.price is not None:
        _check_price(order.price, symbol=symbol, last=last)
    if order.quote_qty is not None:
        _check_notional(order.quote_qty, symbol=symbol, market=True)
        steps = (order.quote_qty / best / symbol.step).quantize(Decimal(1), rounding=ROUND_FLOOR)
        qty = steps * symbol.step
    else:
        qty = order.qty or Decimal(0)
    if qty < symbol.step or qty > symbol.max_qty or qty % symbol.step:
        raise errors.filter_failure("LOT_SIZE")
    if order.type == MARKET and qty > symbol.market_max_qty:
        raise errors.filter_failure("MARKET_LOT_SIZE")
    if order.quote_qty is None:
        notional = qty * (last if order.price is None else order.price)
        _check_notional(notional, symbol=symbol, market=order.type == MARKET)
    return qty


def _check_price(price: Decimal, *, symbol: Symbol, last: Decimal) -> None:
    if price < symbol.tick or price > symbol.max_price or price % symbol.tick:
        raise errors.filter_failure("PRICE_FILTER")
    if price > last * PERCENT_UP or price < last * PERCENT_DOWN:
        raise errors.filter_failure("PERCENT_PRICE_BY_SIDE")


def _check_notional(notional: Decimal, *, symbol: Symbol, market: bool) -> None:
    if notional < symbol.min_notional or (notional > MAX_NOTIONAL and not market):
        raise errors.filter_failure("NOTIONAL")


def _all_known(params: Params, allowed: set[str]) -> None:
    if not params.keys() <= allowed:
        read = len(params.keys() & allowed)
        raise errors.refuse(
            code=-1104,
            message=f"Not all sent parameters were read; read '{read}' parameter(s) but was sent "
            f"'{len(params)}'.",
        )


def _wrong_type(kind: str) -> VendorError:
    if kind in UNSUPPORTED:
        return errors.rejected(f"{UNSUPPORTED[kind]} are not supported for this symbol.")
    return errors.refuse(code=-1116, message="Invalid orderType.")


def _nothing_unsupported(params: Params) -> None:
    for name in ("stopPrice", "trailingDelta"):
        if name in params:
            raise errors.not_required(name)
    if "icebergQty" in params:
        raise errors.rejected("Iceberg orders are not supported for this symbol.")
    if params.get("selfTradePreventionMode", "NONE") != "NONE":
        raise _invalid("selfTradePreventionMode")


def _price_and_tif(params: Params, kind: str) -> tuple[Decimal | None, str]:
    tif = params.get_text("timeInForce")
    if kind == MARKET:
        for name in ("timeInForce", "price"):
            if name in params:
                raise errors.not_required(name)
        return None, GTC
    if kind == LIMIT_MAKER:
        if tif is not None:
            raise errors.not_required("timeInForce")
        return params.decimal("price"), GTC
    if tif is None:
        raise errors.missing("timeInForce")
    if tif not in TIFS:
        raise errors.refuse(code=-1115, message="Invalid timeInForce.")
    return params.decimal("price"), tif


def _quantities(params: Params, kind: str) -> tuple[Decimal | None, Decimal | None]:
    qty, quote_qty = params.get_decimal("quantity"), params.get_decimal("quoteOrderQty")
    if kind != MARKET:
        if quote_qty is not None:
            raise errors.not_required("quoteOrderQty")
        if qty is None:
            raise errors.missing("quantity")
        return qty, None
    if qty is None and quote_qty is None:
        raise errors.both_missing("quantity", "quoteOrderQty")
    if qty is not None and quote_qty is not None:
        raise errors.refuse(code=-1128, message="Combination of optional parameters invalid.")
    return qty, quote_qty


def _invalid(name: str) -> VendorError:
    return errors.refuse(code=-1130, message=f"Data sent for parameter '{name}' is not valid.")
