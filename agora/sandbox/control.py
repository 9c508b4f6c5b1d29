"""The control endpoint: faults, market, books, journal. Tests and demos use it; no vendor has it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from aiohttp import web

from agora.sandbox.alpaca import views
from agora.sandbox.alpaca.api import Gate
from agora.sandbox.alpaca.broker import Broker
from agora.sandbox.alpaca.market import MODES, OUTCOMES, Market, Script
from agora.sandbox.binance.exchange import Exchange
from agora.sandbox.faults import Faults
from agora.sandbox.fireblocks.custodian import Custodian
from agora.sandbox.store import Store
from agora.sandbox.wire import Json, VendorError, answer


@dataclass(frozen=True)
class ControlApi:
    """Reads and steers everything the sandbox holds."""

    store: Store
    faults: Faults
    market: Market
    broker: Broker
    custodian: Custodian
    exchange: Exchange
    limits: Gate

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/control/health", self.health),
            web.post("/control/faults", self.add_fault),
            web.get("/control/faults", self.list_faults),
            web.delete("/control/faults", self.clear_faults),
            web.post("/control/market", self.set_market),
            web.get("/control/market", self.show_market),
            web.delete("/control/market", self.restore_market),
            web.post("/control/account", self.set_account),
            web.post("/control/deposit", self.deposit),
            web.post("/control/release", self.release),
            web.post("/control/reset", self.reset),
            web.get("/control/books", self.books),
            web.get("/control/journal", self.journal),
        ]

    async def health(self, request: web.Request) -> web.Response:
        return answer({"ready": True})

    async def add_fault(self, request: web.Request) -> web.Response:
        try:
            rule = self.faults.add(await _body(request))
        except ValueError as error:
            raise _bad(str(error)) from None
        return answer({"id": rule.id}, status=201)

    async def list_faults(self, request: web.Request) -> web.Response:
        return answer(self.faults.state())

    async def clear_faults(self, request: web.Request) -> web.Response:
        self.faults.rules.clear()
        return answer(None, status=204)

    async def show_market(self, request: web.Request) -> web.Response:
        return answer({**self.market.state(), "is_open": self.market.is_open()})

    async def set_market(self, request: web.Request) -> web.Response:
        body = await _body(request)
        was_open = self.market.is_open()
        change = _read_market(body=body, market=self.market)
        self.market.mode = change.mode
        self.market.fixed_price = change.fixed_price
        self.market.offset = change.offset
        self.market.quote_age = change.quote_age
        if "fill" in body and body["fill"] is None:
            self.market.scripts.clear()
        elif "fill" in body:
            self.market.add_script(_read_script(body=body, default=self.market.default_delay))
        self.market.save()
        self.broker.market_changed(was_open)
        return await self.show_market(request)

    async def restore_market(self, request: web.Request) -> web.Response:
        was_open = self.market.is_open()
        self.market.restore()
        self.market.save()
        self.broker.market_changed(was_open)
        return await self.show_market(request)

    async def set_account(self, request: web.Request) -> web.Response:
        """USD cash and the Alpaca limit of requests per minute, each when given."""
        body = await _body(request)
        if "cash" in body:
            self.broker.set_cash(_amount(body=body, name="cash"))
        if "requests_per_minute" in body:
            self.limits.per_minute = int(body["requests_per_minute"])
        return answer(views.account(self.broker))

    async def deposit(self, request: web.Request) -> web.Response:
        body = await _body(request)
        tx = self.custodian.record_deposit(
            vault_id=str(body.get("vault", "")),
            asset=str(body.get("asset", "")),
            amount=_amount(body=body, name="amount"),
        )
        return answer(tx.wire(self.custodian.vaults), status=201)

    async def release(self, request: web.Request) -> web.Response:
        """Let stuck orders and transactions go on: the one with `id`, or all."""
        wanted = (await _body(request)).get("id")
        return answer({
            "released": [
                *self.broker.release(wanted),
                *self.custodian.release(wanted),
                *self.exchange.engine.release(wanted),
            ]
        })  # fmt: skip

    async def reset(self, request: web.Request) -> web.Response:
        """Books, journal, faults and market as at the first start; keys stay."""
        self.store.clear()
        self.faults.rules.clear()
        self.broker.reset()
        self.custodian.reset()
        self.exchange.reset()
        self.limits.per_minute = self.limits.at_start
        self.market.restore()
        return answer(None, status=204)

    async def books(self, request: web.Request) -> web.Response:
        orders = [{**o.wire(), "fills": o.fills} for o in self.broker.orders.values()]
        vaults = self.custodian.vaults
        return answer({
            "alpaca": {
                "orders": orders,
                "positions": views.positions(self.broker),
                "account": views.account(self.broker),
                "requests": self.store.requests["alpaca"],
            },
            "fireblocks": {
                "transactions": [tx.wire(vaults) for tx in self.custodian.transactions.values()],
                "vaults": [vaults.wire(account) for account in vaults.accounts.values()],
                "requests": self.store.requests["fireblocks"],
            },
            "binance": {
                "accounts": len(self.exchange.accounts.by_uid),
                "orders": self.exchange.books.orders,
                "requests": self.store.requests["binance"],
            },
        })  # fmt: skip

    async def journal(self, request: web.Request) -> web.Response:
        after = request.query.get("after", "0")
        if not after.isdigit():
            raise _bad("after must be the number of a journal entry")
        return answer(self.store.journal(after=int(after)))


def _read_market(*, body: Json, market: Market) -> Market:
    """A copy of the market with what the body changes. Raises VendorError 400."""
    mode = body.get("mode", market.mode)
    if mode not in MODES:
        raise _bad(f"mode must be one of {', '.join(MODES)}")
    price = body.get("price", market.fixed_price)
    if price is not None:
        price = str(_amount(body={"price": price}, name="price"))
    offset = market.offset
    if "now" in body:
        offset = 0.0 if body["now"] is None else _offset(str(body["now"]))
    age = float(body.get("quote_age", market.quote_age))
    return replace(market, mode=mode, fixed_price=price, offset=offset, quote_age=age)


def _read_script(*, body: Json, default: float) -> Script:
    fill = body["fill"]
    if not isinstance(fill, dict):
        raise _bad("fill must be an object or null")
    outcome = fill.get("outcome", "fill")
    if outcome not in OUTCOMES:
        raise _bad(f"fill.outcome must be one of {', '.join(OUTCOMES)}")
    parts = tuple(str(part) for part in fill.get("partial") or ())
    for part in parts:
        _amount(body={"fill.partial": part.removesuffix("%")}, name="fill.partial")
    return Script(
        delay=float(fill.get("delay", default)), partial=parts, outcome=outcome,
        match=str(body.get("match") or ""),
    )  # fmt: skip


def _offset(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _bad("now must be a time like 2026-11-27T17:59:00Z") from None
    if moment.tzinfo is None:
        raise _bad("now must have a time zone")
    return (moment - datetime.now(UTC)).total_seconds()


def _amount(*, body: Json, name: str) -> Decimal:
    try:
        amount = Decimal(str(body.get(name, "")))
    except InvalidOperation:
        raise _bad(f"{name} must be a number") from None
    if not amount.is_finite() or amount < 0:
        raise _bad(f"{name} must not be negative")
    return amount


async def _body(request: web.Request) -> Json:
    if not await request.read():
        return {}
    try:
        body = await request.json()
    except ValueError:
        raise _bad("the body must be JSON") from None
    if not isinstance(body, dict):
        raise _bad("the body must be a JSON object")
    return body


def _bad(message: str) -> VendorError:
    return VendorError(status=400, body={"message": message})
