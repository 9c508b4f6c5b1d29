"""Puts the parts together: one store, three vendors, control, and the middleware around them."""

from __future__ import annotations

import fcntl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from aiohttp import web

from agora.sandbox.alpaca import api as alpaca
from agora.sandbox.alpaca.broker import Broker
from agora.sandbox.alpaca.market import Market
from agora.sandbox.binance.control import ExchangeControl
from agora.sandbox.binance.exchange import Exchange, journal_keys
from agora.sandbox.config import Options
from agora.sandbox.control import ControlApi
from agora.sandbox.faults import DROPPED, FAULT, Faults
from agora.sandbox.fireblocks import api as fireblocks
from agora.sandbox.fireblocks import auth
from agora.sandbox.fireblocks.custodian import Custodian
from agora.sandbox.fireblocks.keys import Signer, client_public_key
from agora.sandbox.fireblocks.vaults import Vaults
from agora.sandbox.store import Store
from agora.sandbox.wire import Json, VendorError, parse_object

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BINANCE = "binance"
VENDORS = {
    "alpaca": "alpaca", "alpaca-data": "alpaca", "fireblocks": "fireblocks", BINANCE: BINANCE,
}  # fmt: skip
KEY_FIELDS = ("client_order_id", "externalTxId")


@dataclass(frozen=True)
class Books:
    """What the process holds: one store, and the vendors' books on it."""

    store: Store
    market: Market
    broker: Broker
    custodian: Custodian
    exchange: Exchange

    @classmethod
    def open(cls, options: Options) -> Books:
        store = Store(options.data / "books.sqlite3")
        market = Market(
            store=store, seed=options.seed, default_delay=options.fill_delay, mode=options.market
        )
        signer = Signer.from_file(options.data / "vault.key")
        return cls(
            store=store,
            market=market,
            broker=Broker(store=store, market=market, start_cash=options.cash),
            custodian=Custodian(
                store=store,
                vaults=Vaults(store=store, signer=signer),
                signer=signer,
                status_delay=options.status_delay,
            ),
            exchange=Exchange(
                store=store,
                seed=options.seed,
                mode=options.binance_prices,
                weight_limit=options.binance_weight_limit,
            ),
        )

    def load(self) -> None:
        self.market.load()
        self.broker.load()
        self.custodian.load()
        self.exchange.load()

    def close(self) -> None:
        self.exchange.close()
        self.broker.timers.stop_all()
        self.custodian.timers.stop_all()
        self.store.close()


def build(options: Options) -> web.Application:
    """The whole sandbox on the data folder of the options. Raises ValueError for a bad public key
    or a data folder in use.
    """
    options.data.mkdir(parents=True, exist_ok=True)
    lock = _lock(options.data)
    public_key = client_public_key(data=options.data, pem=options.fireblocks_public_key)
    books = Books.open(options)
    faults = Faults()
    limits = _alpaca_gate(options)
    control = ControlApi(
        store=books.store, faults=faults, market=books.market, broker=books.broker,
        custodian=books.custodian, exchange=books.exchange, limits=limits,
    )  # fmt: skip
    app = web.Application(middlewares=[_vendor_errors, _journal(books), faults.middleware()])
    app.add_routes(control.routes())
    app.add_routes(ExchangeControl(books.exchange).routes())
    # No part of its own: a request of the fan-out goes through as little as there can be.
    app.add_routes(books.exchange.routes())
    trading = alpaca.TradingApi(broker=books.broker, market=books.market)
    _mount(app=app, prefix="/alpaca/", guard=limits.middleware(), routes=trading.routes())
    data = alpaca.DataApi(market=books.market)
    guard = _alpaca_gate(options).middleware()
    _mount(app=app, prefix="/alpaca-data/", guard=guard, routes=data.routes())
    gate = auth.Gate(api_key=options.fireblocks_api_key, public_key=public_key, store=books.store)
    idempotency = fireblocks.Idempotency(store=books.store)
    faults.on_internal_error = idempotency.refuse
    vault = fireblocks.FireblocksApi(
        custodian=books.custodian, idempotency=idempotency, store=books.store
    )
    guard = fireblocks.guard(gate=gate, idempotency=idempotency)
    _mount(app=app, prefix="/fireblocks/", guard=guard, routes=vault.routes())

    async def life(_: web.Application) -> AsyncIterator[None]:
        # Timers need the running loop, so that the books are read here and not before.
        books.load()
        yield
        books.close()
        lock.close()

    app.cleanup_ctx.append(life)
    return app


def _alpaca_gate(options: Options) -> alpaca.Gate:
    """Trading and market data count their requests apart, as at the vendor."""
    return alpaca.Gate(
        key=options.alpaca_key, secret=options.alpaca_secret, per_minute=options.alpaca_rate_limit
    )


def _mount(
    *, app: web.Application, prefix: str, guard: Any, routes: Iterable[web.RouteDef]
) -> None:
    part = web.Application(middlewares=[guard])
    part.add_routes(routes)
    app.add_subapp(prefix, part)


def _lock(data: Path) -> IO[str]:
    """Hold the data folder for this process; the system lets go of it when the process dies."""
    stream = (data / "lock").open("w")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        raise ValueError(f"another sandbox runs on {data}") from None
    return stream


@web.middleware
async def _vendor_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except VendorError as refusal:
        return refusal.response()


def _journal(books: Books) -> Any:
    @web.middleware
    async def journal(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note every vendor request with its outcome; status is null when no answer was sent."""
        vendor = VENDORS.get(request.path.split("/")[1])
        if vendor is None:
            return await handler(request)
        at = time.time()
        status = 500
        try:
            response = await handler(request)
            status = response.status
            return response
        except VendorError as refusal:
            status = refusal.status
            return refusal.response()
        except web.HTTPException as unknown:
            status = unknown.status
            raise
        finally:
            entry: Json = {
                "method": request.method,
                "path": request.raw_path,
                "status": None if status == DROPPED else status,
                "fault": request.get(FAULT),
                "keys": await (journal_keys if vendor == BINANCE else _keys)(request),
                "seconds": round(time.time() - at, 6),
            }
            if vendor == BINANCE:
                books.exchange.note(at=at, entry=entry)
            else:
                books.store.write_journal(at=at, vendor=vendor, entry=entry)

    return journal


async def _keys(request: web.Request) -> Json:
    """The idempotency keys of a request, and who sent it."""
    headers = request.headers
    found: Json = {
        "api_key": headers.get("APCA-API-KEY-ID") or headers.get("X-API-Key"),
        "idempotency_key": headers.get("Idempotency-Key"),
    }
    body = parse_object(await request.read()) or {}
    found |= {name: str(body[name]) for name in KEY_FIELDS if name in body}
    return {name: value for name, value in found.items() if value is not None}
