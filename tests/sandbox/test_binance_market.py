"""Market data of the exchange: rules, prices, candles, the book."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import requests

from agora.sandbox.binance.prices import PATH, Prices
from agora.sandbox.binance.symbols import SYMBOLS
from agora.sandbox.client import SandboxControl
from tests.sandbox.conftest import until
from tests.sandbox.exchange import Trader

BTC = SYMBOLS["BTCUSDT"]
NOON = 1_800_000_000.0


def get(control: SandboxControl, path: str, **params: Any) -> Any:
    response = requests.get(f"{control.binance_url}/api/v3/{path}", params=params, timeout=10)
    return response.json()


def test_the_exchange_tells_its_rules(control: SandboxControl) -> None:
    info = get(control, "exchangeInfo")
    assert len(info["symbols"]) == 20
    limits = {row["rateLimitType"]: row["limit"] for row in info["rateLimits"]}
    assert (limits["REQUEST_WEIGHT"], limits["RAW_REQUESTS"]) == (6000, 61_000)
    btc = get(control, "exchangeInfo", symbol="BTCUSDT")["symbols"][0]
    filters = {row["filterType"]: row for row in btc["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.00001000"
    assert filters["NOTIONAL"]["minNotional"] == "5.00000000"
    assert filters["NOTIONAL"]["applyMinToMarket"] is True
    assert filters["MAX_NUM_ORDERS"]["maxNumOrders"] == 200
    assert {"MARKET_LOT_SIZE", "PERCENT_PRICE_BY_SIDE"} <= set(filters)


def test_it_tells_them_of_the_symbols_asked_for(control: SandboxControl) -> None:
    def names(**params: Any) -> list[str]:
        return [row["symbol"] for row in get(control, "exchangeInfo", **params)["symbols"]]

    assert names(symbols='["ETHUSDT","BTCUSDT"]') == ["ETHUSDT", "BTCUSDT"]
    control.binance.venue(status={"BTCUSDT": "BREAK"})
    assert names(symbolStatus="BREAK") == ["BTCUSDT"]
    assert names(permissions="MARGIN") == []
    assert get(control, "exchangeInfo", symbol="NONE")["code"] == -1121
    assert get(control, "exchangeInfo", symbols='["NONE"]')["code"] == -1121
    assert get(control, "exchangeInfo", symbols="BTCUSDT")["code"] == -1100
    both = get(control, "exchangeInfo", symbol="BTCUSDT", symbols='["ETHUSDT"]')
    assert both["code"] == -1128


@pytest.mark.parametrize("path", ["ticker/price", "ticker/bookTicker", "ticker/24hr"])
def test_a_ticker_is_of_one_symbol_some_or_all(control: SandboxControl, path: str) -> None:
    assert get(control, path, symbol="ETHUSDT")["symbol"] == "ETHUSDT"
    some = get(control, path, symbols=json.dumps(["ETHUSDT", "BNBUSDT"]))
    assert [row["symbol"] for row in some] == ["ETHUSDT", "BNBUSDT"]
    assert len(get(control, path)) == 20


def test_prices_stand_still_unless_they_are_set(control: SandboxControl) -> None:
    assert get(control, "ticker/price", symbol="BTCUSDT")["price"] == "60000.00000000"
    control.binance.price("BTCUSDT", "61000.123")
    assert get(control, "ticker/price", symbol="BTCUSDT")["price"] == "61000.12000000"
    book = get(control, "ticker/bookTicker", symbol="BTCUSDT")
    assert (book["bidPrice"], book["askPrice"]) == ("61000.11000000", "61000.13000000")
    assert get(control, "avgPrice", symbol="BTCUSDT")["price"] == "61000.12000000"
    assert get(control, "ticker/24hr", symbol="BTCUSDT")["lastPrice"] == "61000.12000000"
    control.binance.price("BTCUSDT", None)
    assert get(control, "ticker/price", symbol="BTCUSDT")["price"] == "60000.00000000"


def test_the_path_is_seeded_and_on_the_tick() -> None:
    one, two = Prices(seed=7, mode=PATH), Prices(seed=7, mode=PATH)
    path = [one.last(BTC, NOON + n * 60) for n in range(500)]
    assert path == [two.last(BTC, NOON + n * 60) for n in range(500)]
    assert path != [Prices(seed=8, mode=PATH).last(BTC, NOON + n * 60) for n in range(500)]
    assert len(set(path)) > 400
    assert all(price % BTC.tick == 0 for price in path)
    assert all(Decimal(40_000) < price < Decimal(80_000) for price in path)


def test_resting_orders_fill_as_the_path_moves(control: SandboxControl) -> None:
    trader = Trader.open(control, balances={"USDT": "100000", "BTC": "1"})
    control.binance.venue(mode="path", orders_10s=1000, weight_limit=1_000_000)
    now = Decimal(get(control, "ticker/price", symbol="BTCUSDT")["price"])
    for n in range(20):  # on both sides: the time of day decides which way it goes first
        share = Decimal(n) / 20_000
        for side, price in (("BUY", now * (1 - share)), ("SELL", now * (1 + share))):
            at = str(price.quantize(Decimal("0.01")))
            trader.limit(f"{side.lower()}-{n}", side=side, price=at, quantity="0.001")

    def maker_fill() -> bool:
        trades = trader.call("GET", "/api/v3/myTrades", symbol="BTCUSDT")[1]
        return any(trade["isMaker"] for trade in trades)

    until(maker_fill, limit=30)


@pytest.mark.parametrize(("interval", "seconds"), [("1m", 60), ("1h", 3600), ("1d", 86_400)])
def test_candles_join_and_hold_their_prices(
    control: SandboxControl, interval: str, seconds: int
) -> None:
    bars = get(control, "klines", symbol="ETHUSDT", interval=interval, limit=100)
    assert len(bars) == 100
    assert bars[:-1] == get(
        control, "klines", symbol="ETHUSDT", interval=interval, startTime=bars[0][0],
        endTime=bars[-2][6],
    )  # fmt: skip
    for bar, after in pairwise(bars):
        assert after[0] - bar[0] == seconds * 1000 == bar[6] - bar[0] + 1
        assert bar[4] == after[1]
        low, high = Decimal(bar[3]), Decimal(bar[2])
        assert low <= Decimal(bar[1]) <= high
        assert low <= Decimal(bar[4]) <= high


def test_candles_of_an_unknown_interval(control: SandboxControl) -> None:
    assert get(control, "klines", symbol="ETHUSDT", interval="7m")["code"] == -1120


def test_the_book_is_thin_and_around_the_price(control: SandboxControl) -> None:
    book = get(control, "depth", symbol="BTCUSDT", limit=5)
    assert [row[0] for row in book["bids"]][:2] == ["59999.99000000", "59999.98000000"]
    assert [row[0] for row in book["asks"]][:2] == ["60000.01000000", "60000.02000000"]
    assert len(book["asks"]) == 5


def test_levels_and_filters_fit_each_other() -> None:
    for symbol in SYMBOLS.values():
        assert symbol.price % symbol.tick == 0
        # A tenth of the smallest order is still a step, so that orders near the minimum are possible.
        assert symbol.step * symbol.price < symbol.min_notional / 4
        assert symbol.tick < symbol.price / 500
