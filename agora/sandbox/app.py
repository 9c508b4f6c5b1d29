"""Puts the parts together: one store, two vendors, control, and the middleware around them."""

from __future__ import annotations

import fcntl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import IO, Any

from aiohttp import web

from agora.sandbox.alpaca import api as alpaca
from agora.sandbox.alpaca.broker import Broker
from agora.sandbox.alpaca.market import Market
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
VENDORS = {"alpaca": "alpaca", "alpaca-data": "alpaca", "fireblocks": "fireblocks"}
KEY_FIELDS = ("client_order_id", "externalTxId")


def build(options: Options) -> web.Application:
    """The whole sandbox on the data folder of the options. Raises ValueError for a bad public key
    or a data folder in use.
    """
    options.data.mkdir(parents=True, exist_ok=True)
    lock = _lock(options.data)
    public_key = client_public_key(data=options.data, pem=options.fireblocks_public_key)
    signer = Signer.from_file(options.data / "vault.key")
    store = Store(options.data / "books.sqlite3")
    market = Market(
        store=store,
        seed=options.seed,
        default_delay=options.fill_delay,
        mode=options.market,
    )
    broker = Broker(store=store, market=market, start_cash=options.cash)
    vaults = Vaults(store=store, signer=signer)
    custodian = Custodian(
        store=store, vaults=vaults, signer=signer, status_delay=options.status_delay
    )
    faults = Faults()
    limits = alpaca.Gate(
        key=options.alpaca_key,
        secret=options.alpaca_secret,
        per_minute=options.alpaca_rate_limit,
    )
    data_limits = alpaca.Gate(
        key=options.alpaca_key,
        secret=options.alpaca_secret,
        per_minute=options.alpaca_rate_limit,
    )
    gate = auth.Gate(api_key=options.fireblocks_api_key, public_key=public_key, store=store)
    idempotency = fireblocks.Idempotency(store=store)
    faults.on_internal_error = idempotency.refuse

    app = web.Application(middlewares=[_vendor_errors, _journal(store), faults.middleware()])
    control = ControlApi(
        store=store, faults=faults, market=market, broker=broker, custodian=custodian,
        limits=limits,
    )  # fmt: skip
    app.add_routes(control.routes())
    trading = web.Application(middlewares=[limits.middleware()])
    trading.add_routes(alpaca.TradingApi(broker=broker, market=market).routes())
    app.add_subapp("/alpaca/", trading)
    data = web.Application(middlewares=[data_limits.middleware()])
    data.add_routes(alpaca.DataApi(market=market).routes())
    app.add_subapp("/alpaca-data/", data)
    vault = web.Application(middlewares=[fireblocks.guard(gate=gate, idempotency=idempotency)])
    vault.add_routes(
        fireblocks.FireblocksApi(custodian=custodian, idempotency=idempotency, store=store).routes()
    )
    app.add_subapp("/fireblocks/", vault)

    async def life(_: web.Application) -> AsyncIterator[None]:
        # Timers need the running loop, so that the books are read here and not before.
        market.load()
        broker.load()
        custodian.load()
        yield
        broker.timers.stop_all()
        custodian.timers.stop_all()
        store.close()
        lock.close()

    app.cleanup_ctx.append(life)
    return app


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


def _journal(store: Store) -> Any:
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
        finally:
            entry: Json = {
                "method": request.method,
                "path": request.raw_path,
                "status": None if status == DROPPED else status,
                "fault": request.get(FAULT),
                "keys": await _keys(request),
                "seconds": round(time.time() - at, 6),
            }
            store.write_journal(at=at, vendor=vendor, entry=entry)

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
