"""Public market data: time, rules, prices, candles, a thin synthetic book."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from agora.sandbox.binance import errors
from agora.sandbox.binance.api import Call, Endpoint
from agora.sandbox.binance.limits import rate_limits
from agora.sandbox.binance.params import Params, symbol_named
from agora.sandbox.binance.symbols import AVERAGE_MINUTES, SYMBOLS, Symbol, eight
from agora.sandbox.binance.venue import Venue
from agora.sandbox.wire import Json

INTERVALS = {
    "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "2h": 7200,
    "4h": 14_400, "6h": 21_600, "8h": 28_800, "12h": 43_200, "1d": 86_400,
}  # fmt: skip
DAY = 86_400
LEVELS = 20
# USDT that stand on each level of the book.
LEVEL_NOTIONAL = Decimal(20_000)
ZERO = Decimal(0)


@dataclass(frozen=True)
class MarketApi:
    """The endpoints without a signature."""

    venue: Venue

    def endpoints(self) -> list[Endpoint]:
        v3 = "/api/v3"
        return [
            Endpoint("GET", f"{v3}/ping", self.ping),
            Endpoint("GET", f"{v3}/time", self.time),
            Endpoint("GET", f"{v3}/exchangeInfo", self.exchange_info, 20),
            Endpoint("GET", f"{v3}/ticker/price", self.price, _weight(one=2, many=4)),
            Endpoint("GET", f"{v3}/ticker/bookTicker", self.book_ticker, _weight(one=2, many=4)),
            Endpoint("GET", f"{v3}/ticker/24hr", self.day, _weight(one=2, many=2, every=80)),
            Endpoint("GET", f"{v3}/avgPrice", self.average, 2),
            Endpoint("GET", f"{v3}/klines", self.klines, 2),
            Endpoint("GET", f"{v3}/depth", self.depth, 5),
        ]

    def ping(self, call: Call) -> str:
        return "{}"

    def time(self, call: Call) -> str:
        return f'{{"serverTime":{int(self.venue.now() * 1000)}}}'

    def exchange_info(self, call: Call) -> str:
        params = call.params
        wanted = [] if params.get("permissions", "SPOT").find("SPOT") < 0 else _wanted(params)[0]
        status = params.get_text("symbolStatus")
        if status is not None and {"symbol", "symbols"} & params.keys():
            raise errors.refuse(code=-1128, message="Combination of optional parameters invalid.")
        symbols = [symbol.info(self.venue.status[symbol.name]) for symbol in wanted]
        return json.dumps({
            "timezone": "UTC",
            "serverTime": int(self.venue.now() * 1000),
            "rateLimits": rate_limits(self.venue),
            "exchangeFilters": [],
            "symbols": [row for row in symbols if status in (None, row["status"])],
        })  # fmt: skip

    def price(self, call: Call) -> str:
        now = self.venue.now()

        def row(symbol: Symbol) -> Json:
            return {"symbol": symbol.name, "price": eight(self.venue.prices.last(symbol, now))}

        return _rows(call.params, row)

    def book_ticker(self, call: Call) -> str:
        now = self.venue.now()
        prices = self.venue.prices

        def row(symbol: Symbol) -> Json:
            bid, ask = prices.bid(symbol, now), prices.ask(symbol, now)
            return {
                "symbol": symbol.name,
                "bidPrice": eight(bid),
                "bidQty": eight(_level_qty(symbol, bid)),
                "askPrice": eight(ask),
                "askQty": eight(_level_qty(symbol, ask)),
            }

        return _rows(call.params, row)

    def day(self, call: Call) -> str:
        return _rows(call.params, self._day)

    def average(self, call: Call) -> str:
        symbol, now = call.params.symbol(), self.venue.now()
        return json.dumps({
            "mins": AVERAGE_MINUTES,
            "price": eight(self.venue.prices.last(symbol, now)),
            "closeTime": int(now * 1000),
        })  # fmt: skip

    def klines(self, call: Call) -> str:
        params = call.params
        symbol = params.symbol()
        seconds = INTERVALS.get(params.text("interval"))
        if seconds is None:
            raise errors.refuse(code=-1120, message="Invalid interval.")
        limit = params.limit()
        starts = _starts(params=params, seconds=seconds, limit=limit, now=self.venue.now())
        prices = self.venue.prices
        return json.dumps([
            prices.candle(symbol, start=start, seconds=seconds).wire() for start in starts
        ])  # fmt: skip

    def depth(self, call: Call) -> str:
        symbol, now = call.params.symbol(), self.venue.now()
        limit = call.params.limit(default=100, maximum=5000)
        bid, ask = self.venue.prices.bid(symbol, now), self.venue.prices.ask(symbol, now)

        def side(best: Decimal, step: Decimal) -> list[list[str]]:
            levels = [best + step * n for n in range(min(limit, LEVELS))]
            return [[eight(p), eight(_level_qty(symbol, p))] for p in levels if p > 0]

        return json.dumps({
            "lastUpdateId": int(now * 1000),
            "bids": side(bid, -symbol.tick),
            "asks": side(ask, symbol.tick),
        })  # fmt: skip

    def _day(self, symbol: Symbol) -> Json:
        """The last 24 hours: the path's, ended by the price of now."""
        now, prices = self.venue.now(), self.venue.prices
        bar = prices.candle(symbol, start=now - DAY, seconds=DAY)
        last = prices.last(symbol, now)
        high, low = max(bar.high, last), min(bar.low, last)
        average = (bar.open + last) / 2
        return {
            "symbol": symbol.name,
            "priceChange": eight(last - bar.open),
            "priceChangePercent": f"{(last - bar.open) / bar.open * 100:.3f}",
            "weightedAvgPrice": eight(average),
            "prevClosePrice": eight(bar.open),
            "lastPrice": eight(last),
            "lastQty": eight(symbol.step),
            "bidPrice": eight(prices.bid(symbol, now)),
            "bidQty": eight(_level_qty(symbol, prices.bid(symbol, now))),
            "askPrice": eight(prices.ask(symbol, now)),
            "askQty": eight(_level_qty(symbol, prices.ask(symbol, now))),
            "openPrice": eight(bar.open),
            "highPrice": eight(high),
            "lowPrice": eight(low),
            "volume": eight(bar.volume),
            "quoteVolume": eight(bar.volume * average),
            "openTime": int((now - DAY) * 1000),
            "closeTime": int(now * 1000),
            "firstId": 1,
            "lastId": bar.trades,
            "count": bar.trades,
        }


def _wanted(params: Params) -> tuple[list[Symbol], bool]:
    """The symbols asked for, and whether it was a single one. Raises VendorError."""
    one, many = params.get_symbol(), params.get_text("symbols")
    if one is not None and many is not None:
        raise errors.refuse(code=-1128, message="Combination of optional parameters invalid.")
    if one is not None:
        return [one], True
    if many is None:
        return list(SYMBOLS.values()), False
    try:
        names = json.loads(many)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise errors.illegal(
            "symbols", r'^\[("[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}){0,1}\]$'
        )
    return [symbol_named(name) for name in names], False


def _rows(params: Params, row: Callable[[Symbol], Json]) -> str:
    symbols, single = _wanted(params)
    return json.dumps(row(symbols[0]) if single else [row(symbol) for symbol in symbols])


def _weight(*, one: int, many: int, every: int | None = None) -> Callable[[Params], int]:
    def weight(params: Params) -> int:
        if "symbol" in params:
            return one
        return many if "symbols" in params or every is None else every

    return weight


def _starts(*, params: Params, seconds: int, limit: int, now: float) -> list[float]:
    """Open times of the candles asked for, oldest first, none later than now."""
    start, end = params.get_integer("startTime"), params.get_integer("endTime")
    last = int(min(now, now if end is None else end / 1000) // seconds)
    if start is None:
        first = last - limit + 1
    else:
        first = -(-start // (seconds * 1000))
        last = min(last, first + limit - 1)
    return [float(n * seconds) for n in range(max(0, first), last + 1)]


def _level_qty(symbol: Symbol, price: Decimal) -> Decimal:
    steps = (LEVEL_NOTIONAL / price / symbol.step).quantize(Decimal(1), rounding=ROUND_CEILING)
    return steps * symbol.step
