"""The exchange put together: settings, accounts, books, engine, and the paths on them."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from agora.sandbox.binance.account_api import AccountApi
from agora.sandbox.binance.accounts import Accounts
from agora.sandbox.binance.api import KEYS, NAMES, Api
from agora.sandbox.binance.books import Books
from agora.sandbox.binance.engine import Engine
from agora.sandbox.binance.limits import OrderCounts, Weights
from agora.sandbox.binance.market_api import MarketApi
from agora.sandbox.binance.params import Params, parse
from agora.sandbox.binance.replace import ReplaceApi
from agora.sandbox.binance.scripts import Scripts
from agora.sandbox.binance.trading import TradingApi
from agora.sandbox.binance.venue import Venue
from agora.sandbox.store import Store
from agora.sandbox.wire import Json, VendorError


class Exchange:
    """One Binance spot venue on the sandbox's store."""

    def __init__(self, *, store: Store, seed: int, mode: str, weight_limit: int) -> None:
        self.store = store
        self.venue = Venue(seed=seed, start_mode=mode, start_weight_limit=weight_limit)
        self.accounts = Accounts()
        self.books = Books(store=store, accounts=self.accounts, venue=self.venue)
        self.scripts = Scripts()
        self.counts = OrderCounts(self.venue)
        self.weights = Weights(self.venue)
        self.engine = Engine(
            venue=self.venue, accounts=self.accounts, books=self.books, scripts=self.scripts,
            counts=self.counts,
        )  # fmt: skip
        self.requests = 0

    def routes(self) -> Sequence[web.RouteDef]:
        endpoints = [
            *MarketApi(self.venue).endpoints(),
            *TradingApi(self.engine).endpoints(),
            *ReplaceApi(self.engine).endpoints(),
            *AccountApi(self.venue).endpoints(),
        ]
        api = Api(engine=self.engine, venue=self.venue, weights=self.weights, endpoints=endpoints)
        return api.routes()

    def load(self) -> None:
        self.books.load()
        self.engine.load()

    def close(self) -> None:
        self.engine.timers.stop_all()
        self.books.save()

    def reset(self) -> None:
        """Empty: no accounts, no orders, settings as at the first start."""
        self.engine.clear()
        self.books.clear()
        self.restore()

    def restore(self) -> None:
        """Settings and prices as at the first start, no scripts, nothing counted; the books stay."""
        self.scripts.rules.clear()
        self.venue.restore()
        self.weights.clear()
        self.counts.clear()
        self.engine.follow_prices()

    def note(self, *, at: float, entry: Json) -> None:
        """Put a request into the journal, without writing it before its answer is sent."""
        self.store.queue_journal(at=at, vendor="binance", entry=entry)
        self.books.save_later()


async def journal_keys(request: web.Request) -> Json:
    """Who sent a request and the ids in it, read anew when it never got to its endpoint."""
    found: tuple[str | None, Params] | None = request.get(KEYS)
    if found is None:
        body = (await request.read()).decode(errors="replace")
        try:
            params = parse(query=request.raw_path.partition("?")[2], body=body)
        except VendorError:
            params = Params()
        found = (request.headers.get("X-MBX-APIKEY"), params)
    api_key, params = found
    keys: Json = {} if api_key is None else {"api_key": api_key}
    for name in NAMES:
        if name in params:
            keys[name] = params[name]
    return keys
