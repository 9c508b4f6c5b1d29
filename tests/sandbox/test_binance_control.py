"""Steering the exchange: accounts, books, summary, what survives a restart, what reset takes."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import aiohttp
import pytest
import requests

from agora.sandbox.client import ControlError, SandboxControl
from tests import asyncs
from tests.sandbox.conftest import Sandbox, until
from tests.sandbox.exchange import ORDER, Trader

Start = Callable[..., Sandbox]


def test_a_thousand_accounts_are_made_in_less_than_a_second(control: SandboxControl) -> None:
    started = time.monotonic()
    made = control.binance.accounts("follower", count=1000, balances={"USDT": "500"})
    assert time.monotonic() - started < 1
    assert [made[0]["label"], made[-1]["label"]] == ["follower-1", "follower-1000"]
    assert len({account["api_key"] for account in made}) == 1000
    assert {len(account["secret_key"]) for account in made} == {64}
    assert control.binance.balances("follower-7") == {"USDT": {"free": "500", "locked": "0"}}
    assert control.books()["binance"]["accounts"] == 1000


@pytest.mark.parametrize(
    "options",
    [
        {"balances": {"NONE": "1"}}, {"balances": {"USDT": "-1"}}, {"balances": {"USDT": "x"}},
        {"count": 0}, {"colour": "red"}, {"label": "taken"},
    ],
)  # fmt: skip
def test_a_bad_account_is_refused_and_none_is_made(
    control: SandboxControl, options: dict[str, Any]
) -> None:
    control.binance.account("taken")
    with pytest.raises(ControlError):
        control.binance.account(**({"label": "new"} | options))
    assert [account["label"] for account in control.binance.list_accounts()] == ["taken"]


def test_an_account_is_named_by_label_or_key(control: SandboxControl) -> None:
    made = control.binance.account("one", trade=False)
    assert control.binance.key(made["api_key"], trade=True)["trade"] is True
    assert control.binance.list_accounts()[0]["trade"] is True
    with pytest.raises(ControlError, match="no account two"):
        control.binance.key("two", trade=True)


def test_the_summary_counts_orders_by_account(control: SandboxControl) -> None:
    one, two = Trader.open(control, "one"), Trader.open(control, "two")
    one.buy("a")
    between = time.time()
    one.limit("b")
    two.buy("c")
    two.call("GET", "/sapi/v1/account/apiRestrictions")
    summary = control.binance.summary()
    assert summary["orders"] == 3
    assert summary["accounts"]["one"]["client_ids"] == ["a", "b"]
    assert summary["accounts"]["one"]["open"] == 1
    assert summary["first_accepted"] < between < summary["last_accepted"] < time.time()
    assert summary["accounts"]["two"]["accepted"] == [summary["last_accepted"]]
    assert (summary["requests"], summary["weight"]) == (4, 3)
    later = control.binance.summary(since=between, label="one")
    assert later["orders"] == 1
    assert list(later["accounts"]) == ["one"]


def test_latency_is_waited_side_by_side(control: SandboxControl) -> None:
    control.binance.venue(latency_ms=200)
    url = f"{control.binance_url}/api/v3/ping"

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:

            async def one() -> None:
                async with session.get(url) as response:
                    assert response.status == 200

            await asyncio.gather(*(one() for _ in range(50)))

    started = time.monotonic()
    asyncs.run(ask())
    assert 0.2 <= time.monotonic() - started < 2


def test_calm_sets_the_exchange_back_and_keeps_its_books(control: SandboxControl) -> None:
    before = control.binance.venue()
    trader = Trader.open(control)
    control.binance.venue(
        prices={"BTCUSDT": "1000"}, status={"ETHUSDT": "BREAK"}, latency_ms=1, orders_10s=1,
        clock_offset_ms=50, maintenance=True, mode="path",
    )  # fmt: skip
    control.binance.script(outcome="reject")
    control.calm()
    assert control.binance.venue() == before
    assert trader.buy("kept")["fills"][0]["price"] == "60000.01000000"


def test_reset_empties_the_exchange(control: SandboxControl) -> None:
    trader = Trader.open(control)
    trader.limit("gone")
    control.reset()
    assert control.binance.books() == {
        "accounts": {},
        "totals": {"house": {}, "fees": {}, "moved": {}},
    }
    assert trader.try_order()[1]["code"] == -2015
    assert Trader.open(control).buy()["orderId"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"prices": {"NONE": "1"}}, {"prices": {"BTCUSDT": "0"}}, {"prices": {"BTCUSDT": "x"}},
        {"status": {"BTCUSDT": "SLEEPING"}}, {"mode": "wild"}, {"latency_ms": "x"},
        {"colour": "red"},
    ],
)  # fmt: skip
def test_a_bad_setting_changes_nothing(control: SandboxControl, change: dict[str, object]) -> None:
    before = control.binance.venue()
    with pytest.raises(ControlError):
        control.binance.venue(weight_limit=7, **change)
    assert control.binance.venue() == before


def test_the_journal_has_requests_and_their_keys(control: SandboxControl) -> None:
    trader = Trader.open(control)
    trader.buy("told")
    trader.try_order("refused", quantity="9")
    one, two = control.journal()
    assert (one["vendor"], one["method"], one["status"]) == ("binance", "POST", 200)
    assert one["path"].startswith(f"/binance{ORDER}?")
    assert one["keys"] == {
        "api_key": trader.api_key, "symbol": "BTCUSDT", "newClientOrderId": "told",
    }  # fmt: skip
    assert (two["n"], two["status"]) == (one["n"] + 1, 400)
    assert control.journal(after=one["n"]) == [two]
    with pytest.raises(requests.JSONDecodeError):
        trader.call("GET", "/api/v3/nowhere")
    assert control.journal()[-1]["status"] == 404


def test_a_stop_loses_nothing(own_box: Start) -> None:
    box = own_box()
    trader = Trader.open(box.control, bnb_burn=True)
    trader.buy("filled")
    trader.limit("open")
    trader.control.binance.script(match="part", parts=["50%"], outcome="never")
    trader.limit("part")
    box.control.binance.venue(prices={"ETHUSDT": "2500"}, status={"XRPUSDT": "HALT"})
    books, venue = box.control.binance.books(), box.control.binance.venue()
    journal = box.control.journal()

    assert box.stop() == 0
    box.start()

    trader.control = box.control
    assert box.control.binance.books() == books
    assert box.control.binance.venue() == venue
    assert box.control.journal() == journal
    assert trader.buy("next")["orderId"] == 4
    assert trader.try_order("open")[1]["msg"] == "Duplicate order sent."
    box.control.binance.price("BTCUSDT", "49999")
    assert trader.order("open")["status"] == trader.order("part")["status"] == "FILLED"


def test_what_was_saved_before_a_kill_is_one_state(own_box: Start) -> None:
    box = own_box()
    trader = Trader.open(box.control)
    trader.limit("saved")
    box.control.binance.save()
    box.kill()
    books = box.start().control.binance.books()
    (order,) = books["accounts"]["trader"]["orders"]
    assert len(box.control.journal()) == 1
    assert (order["client_id"], order["status"]) == ("saved", "NEW")
    assert books["accounts"]["trader"]["balances"]["USDT"] == {"free": "9500", "locked": "500"}


def test_a_quiet_exchange_saves_by_itself(own_box: Start) -> None:
    box = own_box()
    Trader.open(box.control).buy("quiet")

    def saved() -> str:
        with closing(sqlite3.connect(f"file:{box.data}/books.sqlite3?mode=ro", uri=True)) as db:
            return str(db.execute("SELECT body FROM rows WHERE kind = 'binance-order'").fetchall())

    until(lambda: "quiet" in saved())
