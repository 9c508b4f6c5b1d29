"""Alpaca's HTTP paths: trading under /v2, market data under /v2/stocks."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from aiohttp import web

from agora.sandbox.alpaca import calendar, errors, views
from agora.sandbox.alpaca.broker import Broker
from agora.sandbox.alpaca.market import ASSETS, Market
from agora.sandbox.alpaca.orders import Order
from agora.sandbox.faults import stuck_in
from agora.sandbox.wire import Json, VendorError, answer, parse_object

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
DEFAULT_PAGE, MAX_PAGE = 50, 500
WINDOW = 60
HOLDABLE = ("accepted", "new", "partially_filled")


@dataclass
class Gate:
    """Checks the two key headers and counts requests per key and minute."""

    key: str
    secret: str
    per_minute: int
    _seen: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        self.at_start = self.per_minute

    def check(self, request: web.Request) -> dict[str, str]:
        """The X-RateLimit headers of the answer. Raises VendorError 401, 403 or 429."""
        key = request.headers.get("APCA-API-KEY-ID")
        secret = request.headers.get("APCA-API-SECRET-KEY")
        if not key or not secret:
            raise errors.unauthorized()
        if (key, secret) != (self.key, self.secret):
            raise errors.forbidden_keys()
        return self._count(key)

    def _count(self, key: str) -> dict[str, str]:
        window = int(time.time() // WINDOW)
        for old in [known for known in self._seen if known[1] != window]:
            del self._seen[old]
        self._seen[key, window] += 1
        left = self.per_minute - self._seen[key, window]
        headers = {
            "X-RateLimit-Limit": str(self.per_minute),
            "X-RateLimit-Remaining": str(max(0, left)),
            "X-RateLimit-Reset": str((window + 1) * WINDOW),
        }
        if left < 0:
            raise errors.too_many_requests(headers)
        return headers

    def middleware(self) -> Any:
        @web.middleware
        async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
            limits = self.check(request)
            try:
                response = await handler(request)
            except VendorError as refusal:
                refusal.headers.update(limits)
                raise
            except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
                raise VendorError(
                    status=404, body={"message": "endpoint not found."}, headers=limits
                ) from None
            response.headers.update(limits)
            return response

        return checked


@dataclass(frozen=True)
class TradingApi:
    """Orders, account, positions, clock, calendar, assets."""

    broker: Broker
    market: Market

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v2/orders", self.create),
            web.get("/v2/orders", self.list_orders),
            web.delete("/v2/orders", self.cancel_all),
            web.get("/v2/orders:by_client_order_id", self.by_client_id),
            web.get("/v2/orders/{id}", self.order),
            web.delete("/v2/orders/{id}", self.cancel),
            web.get("/v2/account", self.account),
            web.get("/v2/positions", self.positions),
            web.get("/v2/positions/{symbol}", self.position),
            web.get("/v2/clock", self.clock),
            web.get("/v2/calendar", self.calendar),
            web.get("/v2/assets/{symbol}", self.asset),
        ]

    async def create(self, request: web.Request) -> web.Response:
        body = parse_object(await request.read())
        if body is None:
            raise errors.malformed("request body format is invalid")
        hold = stuck_in(request, default="accepted", allowed=HOLDABLE)
        return answer(self.broker.submit(body=body, hold=hold).wire())

    async def order(self, request: web.Request) -> web.Response:
        return answer(self.broker.get(request.match_info["id"]).wire())

    async def by_client_id(self, request: web.Request) -> web.Response:
        return answer(self.broker.get_by_client_id(request.query.get("client_order_id", "")).wire())

    async def list_orders(self, request: web.Request) -> web.Response:
        return answer([order.wire() for order in _select(broker=self.broker, request=request)])

    async def cancel(self, request: web.Request) -> web.Response:
        self.broker.cancel(request.match_info["id"])
        return answer(None, status=204)

    async def cancel_all(self, request: web.Request) -> web.Response:
        ids = list(self.broker.open_orders)
        for order_id in ids:
            self.broker.cancel(order_id)
        return answer([{"id": order_id, "status": 200} for order_id in ids], status=207)

    async def account(self, request: web.Request) -> web.Response:
        return answer(views.account(self.broker))

    async def positions(self, request: web.Request) -> web.Response:
        return answer(views.positions(self.broker))

    async def position(self, request: web.Request) -> web.Response:
        return answer(views.position(broker=self.broker, symbol=request.match_info["symbol"]))

    async def clock(self, request: web.Request) -> web.Response:
        return answer(self.market.clock())

    async def calendar(self, request: web.Request) -> web.Response:
        today = self.market.now().astimezone(calendar.EASTERN).date()
        start = _date(request.query.get("start"), default=today.replace(month=1, day=1))
        end = _date(request.query.get("end"), default=today.replace(month=12, day=31))
        return answer([
            {
                "date": session.day.isoformat(),
                "open": session.open.strftime("%H:%M"),
                "close": session.close.strftime("%H:%M"),
                "session_open": "0400",
                "session_close": "2000",
                "settlement_date": calendar.next_session(session.close).day.isoformat(),
            }
            for session in calendar.sessions(start=start, end=end)
        ])  # fmt: skip

    async def asset(self, request: web.Request) -> web.Response:
        asset = ASSETS.get(request.match_info["symbol"])
        if asset is None:
            raise errors.refuse(status=404, code=40410000, message="asset not found")
        return answer({
            "id": asset.id,
            "class": "us_equity",
            "exchange": "NASDAQ",
            "symbol": asset.symbol,
            "name": asset.name,
            "status": "active" if asset.tradable else "inactive",
            "tradable": asset.tradable,
            "marginable": asset.tradable,
            "shortable": False,
            "easy_to_borrow": False,
            "fractionable": asset.fractionable,
            "attributes": [],
        })  # fmt: skip


@dataclass(frozen=True)
class DataApi:
    """Latest trade and quote. Prices and sizes are JSON numbers here, as at the vendor."""

    market: Market

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/stocks/trades/latest", self.trades),
            web.get("/v2/stocks/quotes/latest", self.quotes),
            web.get("/v2/stocks/{symbol}/trades/latest", self.trade),
            web.get("/v2/stocks/{symbol}/quotes/latest", self.quote),
        ]

    async def trades(self, request: web.Request) -> web.Response:
        return answer({"trades": {s: self._trade(s) for s in self._symbols(request)}})

    async def quotes(self, request: web.Request) -> web.Response:
        return answer({"quotes": {s: self._quote(s) for s in self._symbols(request)}})

    async def trade(self, request: web.Request) -> web.Response:
        symbol = request.match_info["symbol"]
        return answer({"symbol": symbol, "trade": self._trade(self._known(symbol))})

    async def quote(self, request: web.Request) -> web.Response:
        symbol = request.match_info["symbol"]
        return answer({"symbol": symbol, "quote": self._quote(self._known(symbol))})

    def _symbols(self, request: web.Request) -> list[str]:
        asked = request.query.get("symbols", "")
        if not asked:
            raise VendorError(status=400, body={"message": "symbols is required"})
        # The vendor leaves out what it has no data for.
        return [symbol for symbol in asked.split(",") if symbol in ASSETS]

    def _known(self, symbol: str) -> str:
        if symbol not in ASSETS:
            raise VendorError(status=404, body={"message": f"no trade found for {symbol}"})
        return symbol

    def _trade(self, symbol: str) -> Json:
        return {
            "t": _nanoseconds(self.market.as_of()),
            "x": "V",
            "p": float(self.market.price(symbol)),
            "s": 100,
            "c": ["@"],
            "i": int(self.market.as_of().timestamp() * 1000),
            "z": "C",
        }

    def _quote(self, symbol: str) -> Json:
        return {
            "t": _nanoseconds(self.market.as_of()),
            "ax": "V",
            "ap": float(self.market.ask(symbol)),
            "as": 2,
            "bx": "V",
            "bp": float(self.market.bid(symbol)),
            "bs": 3,
            "c": ["R"],
            "z": "C",
        }


def _select(*, broker: Broker, request: web.Request) -> list[Order]:
    query = request.query
    wanted = query.get("status", "open")
    symbols = [symbol for symbol in query.get("symbols", "").split(",") if symbol]
    after, until = _moment(query.get("after")), _moment(query.get("until"))
    found = [
        order for order in broker.orders.values()
        if (wanted == "all" or order.is_open == (wanted == "open"))
        and (not symbols or order.symbol in symbols)
        and query.get("side", order.side) == order.side
        and (after is None or order.submitted_at > after)
        and (until is None or order.submitted_at <= until)
    ]  # fmt: skip
    found.sort(key=lambda order: order.submitted_at, reverse=query.get("direction") != "asc")
    return found[: _limit(query.get("limit"))]


def _limit(text: str | None) -> int:
    try:
        limit = int(text) if text else DEFAULT_PAGE
    except ValueError:
        raise errors.invalid("limit must be an integer") from None
    return max(1, min(limit, MAX_PAGE))


def _moment(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise errors.invalid("invalid date format") from None


def _date(text: str | None, *, default: date) -> date:
    if not text:
        return default
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise errors.invalid("invalid date format") from None


def _nanoseconds(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
