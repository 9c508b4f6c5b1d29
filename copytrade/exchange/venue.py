"""The exchange, for all accounts of this process, on one event loop (see `runner`).

Every method raises only Rejected, Temporary or Unknown, with a code of `reasons`; Unknown only
where something may have been done. Source: binance-spot-api-docs rest-api.md (2026-07).
"""

from collections.abc import Mapping
from dataclasses import replace as changed
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from agora.lib.money import decimal_of, plain
from agora.lib.outcome import OutsideError, Rejected, Unknown
from copytrade.exchange import reasons, wire
from copytrade.exchange.connection import Connection, understood
from copytrade.exchange.errors import Answer, outcome_of
from copytrade.exchange.markets import MarketBook
from copytrade.exchange.types import (
    Balance,
    Credentials,
    Holdings,
    KeyRights,
    Market,
    NewOrder,
    OrderReport,
    Replacement,
    Trade,
)

_MOST = 1000


class Venue:
    """Binance spot. Make it, use it and close it on one event loop; get it from `runner.venue`."""

    def __init__(self) -> None:
        self._connection = Connection()
        self._book = MarketBook(self._connection)
        self._ask = self._connection.ask

    async def close(self) -> None:
        await self._connection.close()

    # --- Markets, prices, clock ---------------------------------------------------------------

    async def load(self) -> None:
        """Read clock and markets where they are not known yet: one exchangeInfo a process."""
        await self._book.load()

    async def markets(self) -> Mapping[str, Market]:
        """All markets by symbol; read again in the background every hour."""
        return await self._book.all()

    async def market(self, symbol: str) -> Market:
        """The rules of a symbol; raises Rejected (unknown_symbol)."""
        return await self._book.one(symbol)

    async def server_time(self) -> datetime:
        """The exchange's clock, UTC, to the millisecond."""
        return await self._connection.server_time()

    async def sync_clock(self) -> None:
        """Measure the exchange's clock anew; it is done by itself every ten minutes."""
        await self._connection.sync_clock()

    async def prices(self) -> dict[str, Decimal]:
        """The last price of every symbol, in one request."""
        await self._book.all()
        return understood(self._prices_of, await self._ask("ticker/price", {}), effect=False)

    def _prices_of(self, raw: list[dict[str, str]]) -> dict[str, Decimal]:
        named = ((self._book.symbol_of(entry["symbol"]), entry["price"]) for entry in raw)
        return {symbol: decimal_of(price) for symbol, price in named if symbol}

    async def daily_closes(self, symbol: str, *, days: int) -> list[tuple[date, Decimal]]:
        """UTC day and closing price, oldest first; the last is today's so far. At most 1,000."""
        market = await self.market(symbol)
        params = {"symbol": market.id, "interval": "1d", "limit": str(min(days, _MOST))}
        return understood(wire.closes_of, await self._ask("klines", params), effect=False)

    # --- Orders -------------------------------------------------------------------------------

    async def place(self, creds: Credentials, order: NewOrder) -> OrderReport:
        """Send an order once; the report carries its fills so far.

        Unknown (also for an id that an open order has): `find` it before anything is sent again.
        Temporary (stale) without sending when `signed_at` is too old for the exchange.
        """
        market = await self.market(order.symbol)
        params = wire.params_of(order, market=market)
        raw = await self._act(creds, "POST", "order", params, signed_at=order.signed_at)
        report = _order(raw, symbol=order.symbol, effect=True)
        if report.client_order_id != order.client_order_id:
            raise Unknown("The exchange answered about another order.", code=reasons.BAD_ANSWER)
        return report

    async def find(
        self, creds: Credentials, *, symbol: str, client_order_id: str
    ) -> OrderReport | None:
        """Look an order up by our id, with its trades.

        None is no proof that it never will be there: the exchange reads from a copy that lags, and
        takes an order until RECEIVE_WINDOW_MS after it was signed.
        """
        return await self._look_up(creds, symbol, {"origClientOrderId": client_order_id})

    async def get(self, creds: Credentials, *, symbol: str, order_id: str) -> OrderReport | None:
        """Look an order up by the exchange's id, with its trades; None when there is none."""
        return await self._look_up(creds, symbol, {"orderId": order_id})

    async def cancel(
        self,
        creds: Credentials,
        *,
        symbol: str,
        client_order_id: str | None = None,
        order_id: str | None = None,
    ) -> OrderReport | None:
        """Cancel an order; how it really ended, with its trades. None when it never existed.

        An order that filled meanwhile comes back as FILLED. Cancelling again does no harm.
        """
        name = _name(client_order_id=client_order_id, order_id=order_id)
        market = await self.market(symbol)
        try:
            raw = await self._act(creds, "DELETE", "order", {"symbol": market.id, **name})
        except Rejected as error:
            if error.code != reasons.ORDER_NOT_FOUND:
                raise
            return await self._look_up(creds, symbol, name)
        return await self._settled(creds, _order(raw, symbol=symbol, effect=True))

    async def replace(
        self,
        creds: Credentials,
        *,
        order: NewOrder,
        client_order_id: str | None = None,
        order_id: str | None = None,
    ) -> Replacement:
        """Cancel the named order and place `order`, which is only sent once the other is cancelled.

        Raises as `place` does where nothing, or nobody knows what, was done.
        """
        name = _name(client_order_id=client_order_id, order_id=order_id)
        market = await self.market(order.symbol)
        params = wire.params_of(order, market=market) | {"cancelReplaceMode": "STOP_ON_FAILURE"}
        params |= {f"cancel{key[0].upper()}{key[1:]}": value for key, value in name.items()}
        answer, failure = await self._connection.exchange(
            "private",
            "POST",
            "order/cancelReplace",
            params,
            creds=creds,
            effect=True,
            signed_at=order.signed_at,
        )
        halves: Any = answer.body if failure is None else _data_of(answer)
        if failure is not None and halves is None:
            raise failure
        first, second = understood(_results_of, halves, effect=True)
        if first != "SUCCESS":
            return Replacement(await self._look_up(creds, order.symbol, name), placed=None)
        old = _order(halves["cancelResponse"], symbol=order.symbol, effect=True)
        old = await self._settled(creds, old)
        new = halves.get("newOrderResponse")
        if second == "SUCCESS":
            return Replacement(old, _order(new, symbol=order.symbol, effect=True))
        told = Answer(sent=True, status=answer.status, body=new)
        return Replacement(old, None, outcome_of(answer=told, error=ValueError(), effect=True))

    async def open_orders(
        self, creds: Credentials, *, symbol: str | None = None
    ) -> list[OrderReport]:
        """The account's open orders, without their trades."""
        params = {"symbol": (await self.market(symbol)).id} if symbol else {}
        await self._book.all()
        return understood(
            self._orders_of, await self._ask("openOrders", params, creds=creds), effect=False
        )

    async def orders(
        self,
        creds: Credentials,
        *,
        symbol: str,
        from_id: str | None = None,
        since: datetime | None = None,
    ) -> list[OrderReport]:
        """The account's orders of a symbol, open and ended, oldest first, without their trades.

        At most 1,000: from the exchange's id `from_id` on, or of 24 hours from `since` on.
        """
        params = {"symbol": (await self.market(symbol)).id, "limit": str(_MOST)}
        params |= _from(name="orderId", first=from_id, since=since)
        return understood(
            self._orders_of, await self._ask("allOrders", params, creds=creds), effect=False
        )

    def _orders_of(self, raw: list[dict[str, Any]]) -> list[OrderReport]:
        return [
            wire.order_of(
                entry, symbol=self._book.symbol_of(entry["symbol"]) or str(entry["symbol"])
            )
            for entry in raw
        ]

    async def trades(
        self,
        creds: Credentials,
        *,
        symbol: str,
        from_id: str | None = None,
        order_id: str | None = None,
        since: datetime | None = None,
    ) -> list[Trade]:
        """The account's trades of a symbol, oldest first, at most 1,000.

        All of one order, or from the trade id `from_id` on, or of 24 hours from `since` on.
        """
        params = {"symbol": (await self.market(symbol)).id, "limit": str(_MOST)}
        params |= _from(name="fromId", first=from_id, since=since)
        if order_id is not None:
            params["orderId"] = order_id
        raw = await self._ask("myTrades", params, creds=creds)
        return understood(
            lambda answer: [wire.trade_of(entry, symbol=symbol) for entry in answer],
            raw,
            effect=False,
        )

    # --- Accounts -----------------------------------------------------------------------------

    async def balances(self, creds: Credentials) -> dict[str, Balance]:
        """What the account holds, by asset; assets of which it has nothing are left out."""
        return dict((await self.holdings(creds)).balances)

    async def holdings(self, creds: Credentials) -> Holdings:
        """What the account holds, and the exchange's number of the account, in one request."""
        raw = await self._ask("account", {"omitZeroBalances": "true"}, creds=creds)
        return understood(wire.holdings_of, raw, effect=False)

    async def rights(self, creds: Credentials) -> KeyRights:
        """What the key may do; raises Rejected (key_invalid) for one that the exchange refuses.

        Binance's testnet has no /sapi: there a test order tells the right to trade, and the rest
        stays unknown (None).
        """
        answer, failure = await self._connection.exchange(
            "sapi", "GET", "account/apiRestrictions", {}, creds=creds, effect=False
        )
        if answer.status == 404:
            return await self._tried_rights(creds)
        if failure is not None:
            raise failure
        return understood(wire.rights_of, answer.body, effect=False)

    async def _tried_rights(self, creds: Credentials) -> KeyRights:
        await self.balances(creds)
        market = next(market for market in (await self.markets()).values() if market.trading)
        quantity = plain(max(market.market_min_quantity, market.market_step))
        params = {"symbol": market.id, "side": "BUY", "type": "MARKET", "quantity": quantity}
        can_trade = True
        try:
            await self._act(creds, "POST", "order/test", params)
        except Rejected as error:
            # Any other refusal is about the order: the key itself was let through.
            can_trade = error.code not in (reasons.KEY_INVALID, reasons.KEY_NO_PERMISSION)
        return KeyRights(can_read=True, can_trade=can_trade, can_withdraw=None, ip_restricted=None)

    # --- Parts --------------------------------------------------------------------------------

    async def _act(
        self,
        creds: Credentials,
        method: str,
        path: str,
        params: dict[str, str],
        *,
        signed_at: datetime | None = None,
    ) -> Any:
        try:
            return await self._connection.act(creds, method, path, params, signed_at=signed_at)
        except Rejected as error:
            self._book.doubt(error)
            raise

    async def _look_up(
        self, creds: Credentials, symbol: str, name: dict[str, str]
    ) -> OrderReport | None:
        market = await self.market(symbol)
        try:
            raw = await self._ask("order", {"symbol": market.id, **name}, creds=creds)
        except Rejected as error:
            if error.code == reasons.ORDER_NOT_FOUND:
                return None
            raise
        return await self._with_trades(creds, _order(raw, symbol=symbol, effect=False))

    async def _with_trades(self, creds: Credentials, report: OrderReport) -> OrderReport:
        if not report.filled:
            return report
        trades = await self.trades(creds, symbol=report.symbol, order_id=report.id)
        return changed(report, trades=tuple(trades))

    async def _settled(self, creds: Credentials, report: OrderReport) -> OrderReport:
        """With its trades, or without when they cannot be read: the order ended all the same."""
        try:
            return await self._with_trades(creds, report)
        except OutsideError:
            return report


def _order(raw: object, *, symbol: str, effect: bool) -> OrderReport:
    return understood(lambda answer: wire.order_of(answer, symbol=symbol), raw, effect=effect)


def _name(*, client_order_id: str | None, order_id: str | None) -> dict[str, str]:
    """How a request names an order that is there: by exactly one of both ids."""
    if (client_order_id is None) == (order_id is None):
        raise ValueError("Name the order by one of both ids.")
    if order_id is not None:
        return {"orderId": order_id}
    return {"origClientOrderId": str(client_order_id)}


def _from(*, name: str, first: str | None, since: datetime | None) -> dict[str, str]:
    if first is not None:
        return {name: first}
    return {} if since is None else {"startTime": str(wire.milliseconds_of(since))}


def _data_of(answer: Answer) -> Any:
    """The two results that a refused cancel-and-replace tells; None when it tells none."""
    data = answer.body.get("data") if isinstance(answer.body, dict) else None
    return data if isinstance(data, dict) and "cancelResult" in data else None


def _results_of(halves: dict[str, Any]) -> tuple[str, str]:
    return str(halves["cancelResult"]), str(halves["newOrderResult"])
