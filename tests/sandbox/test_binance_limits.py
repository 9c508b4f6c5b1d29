"""Request weight by address, unfilled orders by account, and what comes of going on."""

from __future__ import annotations

import time

import pytest

from agora.sandbox.client import SandboxControl
from tests.sandbox.conftest import until
from tests.sandbox.exchange import ORDER, Trader


@pytest.fixture
def trader(control: SandboxControl) -> Trader:
    # A minute of the exchange that is not about to end.
    until(lambda: time.time() % 60 < 55, limit=10)
    until(lambda: time.time() % 10 < 8, limit=5)
    return Trader.open(control)


@pytest.mark.parametrize(
    ("method", "path", "params", "weight"),
    [
        ("GET", "/api/v3/time", {}, 1),
        ("GET", "/api/v3/exchangeInfo", {}, 20),
        ("GET", "/api/v3/ticker/price", {"symbol": "BTCUSDT"}, 2),
        ("GET", "/api/v3/ticker/price", {}, 4),
        ("GET", "/api/v3/ticker/24hr", {"symbols": '["BTCUSDT"]'}, 2),
        ("GET", "/api/v3/ticker/24hr", {}, 80),
        ("GET", "/api/v3/klines", {"symbol": "BTCUSDT", "interval": "1m"}, 2),
        ("GET", ORDER, {"symbol": "BTCUSDT", "orderId": 1}, 4),
        ("POST", f"{ORDER}/test", {"symbol": "BTCUSDT"}, 1),
        ("DELETE", ORDER, {"symbol": "BTCUSDT", "orderId": 1}, 1),
        ("GET", "/api/v3/openOrders", {"symbol": "BTCUSDT"}, 6),
        ("GET", "/api/v3/openOrders", {}, 80),
        ("GET", "/api/v3/allOrders", {"symbol": "BTCUSDT"}, 20),
        ("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT"}, 20),
        ("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT", "orderId": 1}, 5),
        ("GET", "/api/v3/account", {}, 20),
        ("GET", "/sapi/v1/account/apiRestrictions", {}, 0),
    ],
)
def test_each_request_weighs_what_the_vendor_says(
    trader: Trader, method: str, path: str, params: dict[str, object], weight: int
) -> None:
    def used() -> int:
        trader.call("GET", "/api/v3/ping")
        return int(trader.headers["X-MBX-USED-WEIGHT-1M"])

    before = used()
    trader.call(method, path, **params)
    assert used() - before - 1 == weight


def test_wallet_requests_are_counted_apart(trader: Trader) -> None:
    trader.call("GET", "/sapi/v1/account/apiRestrictions")
    assert trader.headers["X-SAPI-USED-IP-WEIGHT-1M"] == "1"
    assert "X-MBX-USED-WEIGHT-1M" not in trader.headers


def test_above_the_limit_comes_429_and_then_418(trader: Trader) -> None:
    trader.control.binance.venue(weight_limit=25, ban_after=2, ban_seconds=90)
    assert trader.call("GET", "/api/v3/account")[0] == 200
    for _ in range(2):
        status, body = trader.call("GET", "/api/v3/account")
        assert (status, body["code"]) == (429, -1003)
        assert "25 request weight per 1 MINUTE" in body["msg"]
        assert 0 < int(trader.headers["Retry-After"]) <= 60
    status, body = trader.call("GET", "/api/v3/account")
    assert (status, body["code"]) == (418, -1003)
    assert "IP banned until" in body["msg"]
    assert 80 < int(trader.headers["Retry-After"]) <= 90
    # Lighter ones do not pass either, orders neither.
    assert trader.try_order()[0] == 418
    assert trader.control.binance.orders("trader") == []


def test_calm_forgets_what_was_used(trader: Trader) -> None:
    trader.control.binance.venue(weight_limit=1, ban_after=0)
    trader.call("GET", "/api/v3/account")
    assert trader.call("GET", "/api/v3/ping")[0] == 418
    trader.control.calm()
    assert trader.call("GET", "/api/v3/account")[0] == 200
    assert trader.headers["X-MBX-USED-WEIGHT-1M"] == "20"


def test_unfilled_orders_are_counted_per_account(trader: Trader) -> None:
    other = Trader.open(trader.control, "other")
    trader.control.binance.venue(orders_10s=2)
    trader.limit()
    assert trader.headers["X-MBX-ORDER-COUNT-10S"] == "1"
    trader.limit()
    status, body = trader.try_order()
    assert (status, body["code"]) == (429, -1015)
    assert body["msg"] == "Too many new orders; current limit is 2 orders per 10 SECOND."
    assert 0 < int(trader.headers["Retry-After"]) <= 10
    assert other.try_order()[0] == 200


def test_orders_that_fill_do_not_count(trader: Trader) -> None:
    trader.control.binance.venue(orders_10s=2)
    for _ in range(4):
        trader.buy(quantity="0.001")
    trader.limit("first", price="59000")
    trader.limit("second")
    trader.control.binance.price("BTCUSDT", "58000")
    _, counts = trader.call("GET", "/api/v3/rateLimit/order")
    assert [(row["interval"], row["count"]) for row in counts] == [("SECOND", 0), ("DAY", 0)]
    assert counts[0]["limit"] == 2


def test_a_refused_order_does_not_count(trader: Trader) -> None:
    trader.try_order(quantity="5")
    assert trader.call("GET", "/api/v3/rateLimit/order")[1][0]["count"] == 0
