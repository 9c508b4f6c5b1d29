"""Keys, limits, hours, calendar and prices."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.requests import StockLatestQuoteRequest, StockLatestTradeRequest
from alpaca.trading.client import TradingClient
from alpaca.trading.requests import GetCalendarRequest

from agora.sandbox.alpaca import calendar
from agora.sandbox.alpaca.market import Market
from agora.sandbox.client import ControlError, SandboxControl
from agora.sandbox.store import Store
from tests.sandbox.conftest import Sandbox, trading_client
from tests.sandbox.helpers import buy, wait_for_status

QUOTE = StockLatestQuoteRequest(symbol_or_symbols="AAPL")
TRADE = StockLatestTradeRequest(symbol_or_symbols="AAPL")


def test_missing_and_wrong_keys_are_refused(box: Sandbox) -> None:
    url = f"{box.control.alpaca_url}/v2/account"
    assert requests.get(url, timeout=5).status_code == 401
    with pytest.raises(APIError) as refused:
        trading_client(box.control.alpaca_url, key="somebody").get_account()
    assert refused.value.status_code == 403
    with pytest.raises(APIError) as refused:
        buy(trading_client(box.control.alpaca_url, key="somebody"), "stranger")
    assert refused.value.status_code == 403
    assert box.control.orders() == []


def test_more_requests_than_allowed_in_a_minute_are_refused(box: Sandbox) -> None:
    url = f"{box.control.alpaca_url}/v2/clock"
    keys = {"APCA-API-KEY-ID": "sandbox-key", "APCA-API-SECRET-KEY": "sandbox-secret"}
    first = requests.get(url, headers=keys, timeout=5)
    used = int(first.headers["X-RateLimit-Limit"]) - int(first.headers["X-RateLimit-Remaining"])
    # Two more than used so far; a new minute may start meanwhile, so that the count begins again.
    box.control.account(requests_per_minute=used + 2)
    answers = [requests.get(url, headers=keys, timeout=5) for _ in range(2 * used + 6)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited
    assert limited[-1].headers["X-RateLimit-Remaining"] == "0"
    assert int(limited[-1].headers["X-RateLimit-Reset"]) > 0
    assert limited[-1].json()["message"] == "too many requests."


def test_a_day_order_waits_for_the_open(trading: TradingClient, control: SandboxControl) -> None:
    control.market(mode="closed")
    assert trading.get_clock()["is_open"] is False
    buy(trading, "night")
    buy(trading, "night-2")
    assert [order["status"] for order in control.orders()] == ["accepted", "accepted"]
    trading.cancel_order_by_id(control.orders()[1]["id"])
    assert wait_for_status(trading, "night-2")["status"] == "canceled"
    control.market(mode="open")
    assert wait_for_status(trading, "night")["status"] == "filled"


def test_at_the_close_a_live_day_order_expires(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.market(price="230.00", fill={"partial": ["0.1"], "outcome": "never"})
    buy(trading, "late")
    wait_for_status(trading, "late", "partially_filled")
    control.market(mode="closed")
    ended = wait_for_status(trading, "late")
    assert (ended["status"], ended["filled_qty"]) == ("expired", "0.1")


@pytest.mark.parametrize(
    ("now", "is_open", "next_open", "next_close"),
    [
        ("2026-11-23T15:00:00Z", True, "2026-11-24T09:30:00-05:00", "2026-11-23T16:00:00-05:00"),
        ("2026-11-27T17:59:59Z", True, "2026-11-30T09:30:00-05:00", "2026-11-27T13:00:00-05:00"),
        ("2026-11-27T18:00:30Z", False, "2026-11-30T09:30:00-05:00", "2026-11-30T16:00:00-05:00"),
        ("2026-11-26T15:00:00Z", False, "2026-11-27T09:30:00-05:00", "2026-11-27T13:00:00-05:00"),
        ("2026-07-06T13:00:00Z", False, "2026-07-06T09:30:00-04:00", "2026-07-06T16:00:00-04:00"),
    ],
)
def test_the_clock_keeps_exchange_hours(
    trading: TradingClient,
    control: SandboxControl,
    now: str,
    is_open: bool,
    next_open: str,
    next_close: str,
) -> None:
    # Twenty seconds before the last open second: it must still be open when the request arrives.
    moment = datetime.fromisoformat(now) - timedelta(seconds=0 if not is_open else 20)
    control.market(mode="clock", now=moment.isoformat())
    clock = trading.get_clock()
    assert clock["is_open"] is is_open
    assert (clock["next_open"], clock["next_close"]) == (next_open, next_close)


def test_in_clock_mode_a_weekend_order_goes_on_at_the_open(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.market(mode="clock", now="2026-11-22T15:00:00Z")
    buy(trading, "sunday")
    assert control.orders()[0]["status"] == "accepted"
    control.market(now="2026-11-23T14:29:59.700Z")
    assert wait_for_status(trading, "sunday")["status"] == "filled"


def test_the_calendar_knows_holidays_and_early_closes(trading: TradingClient) -> None:
    days = trading.get_calendar(
        GetCalendarRequest(start=date(2026, 11, 25), end=date(2026, 11, 30))
    )
    assert [(day["date"], day["open"], day["close"]) for day in days] == [
        ("2026-11-25", "09:30", "16:00"),
        ("2026-11-27", "09:30", "13:00"),
        ("2026-11-30", "09:30", "16:00"),
    ]


def test_holidays_are_those_the_exchange_published() -> None:
    published = {
        2026: "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25",
        2027: "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24",
        2028: "01-17 02-21 04-14 05-29 06-19 07-04 09-04 11-23 12-25",
    }
    for year, days in published.items():
        assert sorted(f"{day:%m-%d}" for day in calendar.holidays(year)) == days.split()


def test_quote_and_trade_are_around_the_price(
    data: StockHistoricalDataClient, control: SandboxControl
) -> None:
    control.market(price="230.10")
    quote = data.get_stock_latest_quote(QUOTE)["AAPL"]
    assert (quote.bid_price, quote.ask_price) == (230.09, 230.11)
    assert abs((datetime.now(UTC) - quote.timestamp).total_seconds()) < 5
    assert data.get_stock_latest_trade(TRADE)["AAPL"].price == 230.1


def test_market_data_can_be_old_and_is_old_after_hours(
    data: StockHistoricalDataClient, control: SandboxControl
) -> None:
    control.market(quote_age=120)
    age = datetime.now(UTC) - data.get_stock_latest_quote(QUOTE)["AAPL"].timestamp
    assert 119 < age.total_seconds() < 130
    control.market(mode="clock", now="2026-11-22T15:00:00Z", quote_age=0)
    closed = data.get_stock_latest_trade(TRADE)["AAPL"].timestamp
    assert closed == datetime(2026, 11, 20, 21, 0, tzinfo=UTC)


def test_the_price_path_is_seeded_and_stays_near_its_level(tmp_path: Path) -> None:
    store = Store(tmp_path / "books.sqlite3")

    def path(seed: int) -> list[str]:
        market = Market(store=store, seed=seed, default_delay=0)
        prices = []
        for hour in range(200):
            market.quote_age = datetime.now(UTC).timestamp() - 1_795_000_000 - hour * 3600
            prices.append(market.price("AAPL"))
        assert all(220 < price < 240 for price in prices)
        assert len(set(prices)) > 100
        return [str(price) for price in prices]

    assert path(1) == path(1)
    assert path(1) != path(2)
    store.close()


def test_control_says_what_is_wrong(control: SandboxControl) -> None:
    refused: list[Callable[[], object]] = [
        lambda: control.market(mode="sometimes"),
        lambda: control.market(price="free"),
        lambda: control.market(fill={"outcome": "vanish"}),
        lambda: control.market(now="yesterday"),
        lambda: control.fault("GET *", "earthquake"),
        lambda: control.fault("GET *", "delay", colour="red"),
        lambda: control.deposit(vault="1", asset="GOLD", amount="1"),
    ]
    for call in refused:
        with pytest.raises(ControlError):
            call()
    assert control.faults() == []
