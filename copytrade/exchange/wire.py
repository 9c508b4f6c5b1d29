"""Binance's JSON as our types. Everything here raises ValueError for an answer that is odd.

Source: binance-spot-api-docs rest-api.md, enums.md, filters.md (2026-07).
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from agora.lib.money import decimal_of, plain
from copytrade.exchange.types import (
    Balance,
    Holdings,
    KeyRights,
    Market,
    NewOrder,
    OrderReport,
    OrderStatus,
    Side,
    Trade,
)

T = TypeVar("T")
_STATUSES: dict[str, OrderStatus] = {
    "NEW": "NEW",
    "PENDING_NEW": "NEW",
    "PENDING_CANCEL": "NEW",
    "PARTIALLY_FILLED": "PARTIALLY_FILLED",
    "FILLED": "FILLED",
    "CANCELED": "CANCELLED",
    "EXPIRED": "EXPIRED",
    "EXPIRED_IN_MATCH": "EXPIRED",
    "REJECTED": "REJECTED",
}
_SIDES: dict[str, Side] = {"BUY": "BUY", "SELL": "SELL"}
_ANY = Decimal("Infinity")


def read(shape: Callable[[Any], T], answer: object) -> T:
    """Read an answer by `shape`; a part that is missing or of the wrong kind is a ValueError."""
    try:
        return shape(answer)
    except (KeyError, TypeError, AttributeError, ArithmeticError, IndexError) as error:
        raise ValueError(f"odd answer: {type(error).__name__}") from None


def time_of(milliseconds: object) -> datetime:
    """A moment in UTC, to the millisecond; Binance tells times in milliseconds."""
    if not isinstance(milliseconds, int) or isinstance(milliseconds, bool):
        raise ValueError("not a time")
    whole, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=rest * 1000)


def milliseconds_of(moment: datetime) -> int:
    """Whole milliseconds since 1970, cut, not rounded."""
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def order_of(raw: dict[str, Any], *, symbol: str) -> OrderReport:
    """An order of any endpoint; the answer to a new one carries its fills."""
    filled = decimal_of(raw["executedQty"])
    price = decimal_of(raw["price"])
    changed = raw.get("updateTime") or raw.get("transactTime") or raw["time"]
    order_id = str(int(raw["orderId"]))
    return OrderReport(
        id=order_id,
        # The answer to a cancellation has an id of its own in clientOrderId.
        client_order_id=str(raw.get("origClientOrderId") or raw["clientOrderId"]),
        symbol=symbol,
        side=_side(raw["side"]),
        type=str(raw["type"]),
        status=_status(str(raw["status"]), filled=filled),
        quantity=decimal_of(raw["origQty"]),
        price=price or None,
        filled=filled,
        quote_filled=decimal_of(raw["cummulativeQuoteQty"]),
        created_at=time_of(raw.get("time") or changed),
        at=time_of(changed),
        trades=tuple(
            _fill_of(fill, raw=raw, order_id=order_id, symbol=symbol)
            for fill in raw.get("fills") or ()
        ),
    )


def _side(text: str) -> Side:
    return _SIDES[text]


def _status(text: str, *, filled: Decimal) -> OrderStatus:
    status = _STATUSES[text]
    return "PARTIALLY_FILLED" if status == "NEW" and filled else status


def _fill_of(fill: dict[str, Any], *, raw: dict[str, Any], order_id: str, symbol: str) -> Trade:
    price, quantity = decimal_of(fill["price"]), decimal_of(fill["qty"])
    return Trade(
        id=str(int(fill["tradeId"])),
        order_id=order_id,
        symbol=symbol,
        side=_side(raw["side"]),
        price=price,
        quantity=quantity,
        quote_quantity=price * quantity,
        fee=decimal_of(fill["commission"]),
        fee_asset=str(fill["commissionAsset"]),
        at=time_of(raw["transactTime"]),
        maker=False,  # filled while it came in: it took what was there
    )


def trade_of(raw: dict[str, Any], *, symbol: str) -> Trade:
    return Trade(
        id=str(int(raw["id"])),
        order_id=str(int(raw["orderId"])),
        symbol=symbol,
        side="BUY" if raw["isBuyer"] else "SELL",
        price=decimal_of(raw["price"]),
        quantity=decimal_of(raw["qty"]),
        quote_quantity=decimal_of(raw["quoteQty"]),
        fee=decimal_of(raw["commission"]),
        fee_asset=str(raw["commissionAsset"]),
        at=time_of(raw["time"]),
        maker=bool(raw["isMaker"]),
    )


def markets_of(raw: dict[str, Any]) -> dict[str, Market]:
    """All spot markets of exchangeInfo by symbol; one that cannot be read is left out."""
    found = {}
    for entry in raw["symbols"]:
        try:
            market = read(_market_of, entry)
        except ValueError:
            continue
        found[market.symbol] = market
    return found


def _market_of(raw: dict[str, Any]) -> Market:
    filters = {entry["filterType"]: entry for entry in raw["filters"]}
    lot = filters["LOT_SIZE"]
    market_lot = filters.get("MARKET_LOT_SIZE", lot)
    price = filters.get("PRICE_FILTER", {})
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    percent = filters.get("PERCENT_PRICE_BY_SIDE") or _both_sides(filters.get("PERCENT_PRICE"))
    open_orders = filters.get("MAX_NUM_ORDERS", {}).get("maxNumOrders")
    step = decimal_of(lot["stepSize"])
    return Market(
        symbol=f"{raw['baseAsset']}/{raw['quoteAsset']}",
        id=str(raw["symbol"]),
        base=str(raw["baseAsset"]),
        quote=str(raw["quoteAsset"]),
        trading=raw["status"] == "TRADING" and bool(raw.get("isSpotTradingAllowed", True)),
        step=step,
        # 0 in the filter for MARKET orders means: nothing beyond the common one.
        market_step=decimal_of(market_lot["stepSize"]) or step,
        min_quantity=decimal_of(lot["minQty"]),
        max_quantity=decimal_of(lot["maxQty"]) or _ANY,
        market_min_quantity=max(decimal_of(market_lot["minQty"]), decimal_of(lot["minQty"])),
        market_max_quantity=decimal_of(market_lot["maxQty"]) or decimal_of(lot["maxQty"]) or _ANY,
        tick=decimal_of(price.get("tickSize", "0")),
        min_price=decimal_of(price.get("minPrice", "0")),
        max_price=decimal_of(price.get("maxPrice", "0")) or _ANY,
        min_notional=decimal_of(notional.get("minNotional", "0")),
        max_notional=_optional(notional.get("maxNotional")),
        min_notional_applies_to_market=bool(
            notional.get("applyMinToMarket", notional.get("applyToMarket", False))
        ),
        max_notional_applies_to_market=bool(notional.get("applyMaxToMarket", False)),
        buy_multiplier_up=_optional(percent.get("bidMultiplierUp")),
        buy_multiplier_down=_optional(percent.get("bidMultiplierDown")),
        sell_multiplier_up=_optional(percent.get("askMultiplierUp")),
        sell_multiplier_down=_optional(percent.get("askMultiplierDown")),
        max_open_orders=None if open_orders is None else int(open_orders),
        order_types=frozenset(map(str, raw["orderTypes"])),
    )


def _both_sides(percent: dict[str, Any] | None) -> dict[str, Any]:
    """The older filter with one pair of multipliers, in the form of the newer one."""
    if percent is None:
        return {}
    up, down = percent["multiplierUp"], percent["multiplierDown"]
    return {
        "bidMultiplierUp": up,
        "bidMultiplierDown": down,
        "askMultiplierUp": up,
        "askMultiplierDown": down,
    }


def _optional(value: object) -> Decimal | None:
    return None if value is None else decimal_of(value)


def balances_of(raw: dict[str, Any]) -> dict[str, Balance]:
    """Balances by asset; assets of which the account has nothing are left out."""
    found = {
        str(entry["asset"]): Balance(decimal_of(entry["free"]), decimal_of(entry["locked"]))
        for entry in raw["balances"]
    }
    return {asset: balance for asset, balance in found.items() if balance.total}


def holdings_of(raw: dict[str, Any]) -> Holdings:
    return Holdings(owner=str(raw.get("uid") or ""), balances=balances_of(raw))


def rights_of(raw: dict[str, Any]) -> KeyRights:
    return KeyRights(
        can_read=raw["enableReading"] is True,
        can_trade=raw["enableSpotAndMarginTrading"] is True,
        # Anything but a plain "no" counts as "yes": such a key is refused.
        can_withdraw=raw["enableWithdrawals"] is not False,
        ip_restricted=raw["ipRestrict"] is True,
    )


def closes_of(raw: list[list[Any]]) -> list[tuple[date, Decimal]]:
    """Day (UTC) and closing price, oldest first."""
    return [(time_of(candle[0]).date(), decimal_of(candle[4])) for candle in raw]


def params_of(order: NewOrder, *, market: Market) -> dict[str, str]:
    """What a new order is on the wire, but for time and signature."""
    params = {
        "symbol": market.id,
        "side": order.side,
        "type": order.type,
        "quantity": plain(order.quantity),
        "newClientOrderId": order.client_order_id,
        # The answer then carries the fills, so that a copy costs one request.
        "newOrderRespType": "FULL",
    }
    if order.type == "LIMIT":
        if order.price is None:
            raise ValueError("a LIMIT order needs a price")
        params["price"] = plain(order.price)
        params["timeInForce"] = order.time_in_force or "GTC"
    return params
