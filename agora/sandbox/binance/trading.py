"""Orders and what belongs to them: placing, looking up, cancelling, replacing, trades."""

from __future__ import annotations

import json
from dataclasses import dataclass

from agora.sandbox.binance import errors
from agora.sandbox.binance.accounts import Account
from agora.sandbox.binance.api import Call, Endpoint
from agora.sandbox.binance.auth import READ, TRADE
from agora.sandbox.binance.engine import BNB_DISCOUNT, COMMISSION, Engine
from agora.sandbox.binance.orders import Order, Trade
from agora.sandbox.binance.params import Params
from agora.sandbox.binance.rules import TEST_PARAMS, random_id, read_order
from agora.sandbox.binance.symbols import Symbol, eight

DAY_MS = 86_400_000


@dataclass(frozen=True)
class TradingApi:
    """The TRADE endpoints, and the USER_DATA ones about orders."""

    engine: Engine

    def endpoints(self) -> list[Endpoint]:
        order = "/api/v3/order"
        return [
            Endpoint("POST", order, self.place, 1, TRADE),
            Endpoint("GET", order, self.show, 4, READ),
            Endpoint("DELETE", order, self.cancel, 1, TRADE),
            Endpoint("POST", "/api/v3/order/test", self.test, trial_weight, TRADE),
            Endpoint("GET", "/api/v3/openOrders", self.show_open, open_weight, READ),
            Endpoint("DELETE", "/api/v3/openOrders", self.cancel_open, 1, TRADE),
            Endpoint("GET", "/api/v3/allOrders", self.show_all, 20, READ),
            Endpoint("GET", "/api/v3/myTrades", self.trades, trades_weight, READ),
            Endpoint("GET", "/api/v3/rateLimit/order", self.order_counts, 40, READ),
        ]

    def place(self, call: Call) -> str:
        new = read_order(call.params)
        qty = self.engine.check(new)
        account = call.account
        order = self.engine.place(account=account, new=new, qty=qty, hold=call.hold)
        now = self.engine.venue.now()
        call.headers.update(self.engine.counts.headers(uid=account.uid, now=now))
        return order.placed_json(new.answer)

    def test(self, call: Call) -> str:
        """Everything that is checked before the matching engine, and nothing kept of it."""
        new = read_order(call.params, allowed=TEST_PARAMS)
        self.engine.check(new)
        if not call.params.flag("computeCommissionRates"):
            return "{}"
        nothing = {"maker": eight(COMMISSION * 0), "taker": eight(COMMISSION * 0)}
        return json.dumps({
            "standardCommissionForOrder": {"maker": eight(COMMISSION), "taker": eight(COMMISSION)},
            "specialCommissionForOrder": nothing,
            "taxCommissionForOrder": nothing,
            "discount": discount(call.account),
        })  # fmt: skip

    def show(self, call: Call) -> str:
        params = call.params
        symbol = params.symbol()
        order_id = params.get_integer("orderId")
        client_id = params.get_text("origClientOrderId")
        order = find(account=call.account, symbol=symbol, order_id=order_id, client_id=client_id)
        if order is None:
            raise errors.no_such_order()
        return order.json()

    def cancel(self, call: Call) -> str:
        params = call.params
        order = open_order(
            account=call.account,
            symbol=params.symbol(),
            order_id=params.get_integer("orderId"),
            client_id=params.get_text("origClientOrderId"),
            restriction=params.get_text("cancelRestrictions"),
        )
        cancel_id = params.get_client_id("newClientOrderId") or random_id()
        self.engine.cancel(account=call.account, order=order)
        return order.cancelled_json(cancel_id)

    def show_open(self, call: Call) -> str:
        symbol = call.params.get_symbol()
        return _list([
            order.json() for order in call.account.open.values()
            if symbol is None or order.symbol is symbol
        ])  # fmt: skip

    def cancel_open(self, call: Call) -> str:
        symbol = call.params.symbol()
        found = [order for order in call.account.open.values() if order.symbol is symbol]
        if not found:
            raise errors.unknown_order()
        for order in found:
            self.engine.cancel(account=call.account, order=order)
        return _list([order.cancelled_json(random_id()) for order in found])

    def show_all(self, call: Call) -> str:
        params = call.params
        symbol, first = params.symbol(), params.get_integer("orderId")
        start, end = _span(params)
        found = [
            order for order in call.account.orders.values()
            if order.symbol is symbol
            and (first is None or order.id >= first)
            and (start is None or order.time >= start)
            and (end is None or order.time <= end)
        ]  # fmt: skip
        oldest_first = first is not None or start is not None
        limit = params.limit()
        return _list([o.json() for o in (found[:limit] if oldest_first else found[-limit:])])

    def trades(self, call: Call) -> str:
        params = call.params
        symbol = params.symbol()
        order_id, first = params.get_integer("orderId"), params.get_integer("fromId")
        start, end = _span(params)
        if (start or end) is not None and (order_id or first) is not None:
            raise errors.refuse(code=-1128, message="Combination of optional parameters invalid.")
        found: list[Trade] = [
            trade for trade in call.account.trades.get(symbol.name, ())
            if (order_id is None or trade.order_id == order_id)
            and (first is None or trade.id >= first)
            and (start is None or trade.time >= start)
            and (end is None or trade.time <= end)
        ]  # fmt: skip
        oldest_first = first is not None or start is not None
        limit = params.limit()
        return _list([t.json() for t in (found[:limit] if oldest_first else found[-limit:])])

    def order_counts(self, call: Call) -> str:
        counts = self.engine.counts
        return json.dumps(counts.state(uid=call.account.uid, now=self.engine.venue.now()))


def find(
    *, account: Account, symbol: Symbol, order_id: int | None, client_id: str | None
) -> Order | None:
    """By id, or the newest with the client id. Raises VendorError when neither was sent, and -2039
    when both were and do not belong together.
    """
    if order_id is None:
        if client_id is None:
            raise errors.both_missing("origClientOrderId", "orderId")
        return account.by_client.get((symbol.name, client_id))
    order = account.orders.get((symbol.name, order_id))
    if order is not None and client_id is not None and order.client_id != client_id:
        raise errors.wrong_client_id()
    return order


def open_order(
    *, account: Account, symbol: Symbol, order_id: int | None, client_id: str | None,
    restriction: str | None,
) -> Order:  # fmt: skip
    """The open order that is to be cancelled. Raises VendorError -2011 when there is none."""
    if account.disabled:
        raise errors.refuse(code=-2011, message="This account may not place or cancel orders.")
    order = find(account=account, symbol=symbol, order_id=order_id, client_id=client_id)
    if order is None or not order.is_open:
        raise errors.unknown_order()
    if restriction not in (None, "ONLY_NEW", "ONLY_PARTIALLY_FILLED"):
        raise errors.refuse(code=-1145, message="Invalid cancelRestrictions")
    if restriction is not None and restriction != f"ONLY_{order.status}":
        raise errors.refuse(
            code=-2011, message="Order was not canceled due to cancel restrictions."
        )
    return order


def discount(account: Account) -> dict[str, object]:
    return {
        "enabledForAccount": account.bnb_burn,
        "enabledForSymbol": True,
        "discountAsset": "BNB",
        "discount": eight(BNB_DISCOUNT),
    }


def trial_weight(params: Params) -> int:
    return 20 if params.get("computeCommissionRates", "").lower() == "true" else 1


def open_weight(params: Params) -> int:
    return 6 if "symbol" in params else 80


def trades_weight(params: Params) -> int:
    return 5 if "orderId" in params else 20


def _span(params: Params) -> tuple[int | None, int | None]:
    """startTime and endTime in milliseconds. Raises VendorError -1127 above 24 hours."""
    start, end = params.get_integer("startTime"), params.get_integer("endTime")
    if start is not None and end is not None and end - start > DAY_MS:
        raise errors.refuse(code=-1127, message="More than 24 hours between startTime and endTime.")
    return start, end


def _list(items: list[str]) -> str:
    return "[" + ",".join(items) + "]"
