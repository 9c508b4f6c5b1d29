"""Every kind of fault on the exchange, and what its books say afterwards."""

from __future__ import annotations

import time

import pytest
import requests

from agora.sandbox.client import SandboxControl
from tests.sandbox.exchange import ORDER, Trader

ORDERS = f"POST /binance{ORDER}"


@pytest.fixture
def trader(control: SandboxControl) -> Trader:
    return Trader.open(control)


def kept(trader: Trader) -> list[str]:
    return [order["client_id"] for order in trader.control.binance.orders("trader")]


def test_dropped_before_or_after_its_effect(trader: Trader) -> None:
    trader.control.fault(ORDERS, "drop_before", match="before")
    trader.control.fault(ORDERS, "drop_after", match="after")
    for name in ("before", "after"):
        with pytest.raises(requests.ConnectionError):
            trader.buy(name)
    assert kept(trader) == ["after"]
    assert trader.order("after")["status"] == "FILLED"
    journal = [entry for entry in trader.control.journal() if entry["fault"]]
    assert [(e["status"], e["keys"]["newClientOrderId"]) for e in journal] == [
        (None, "before"),
        (None, "after"),
    ]
    assert journal[0]["keys"]["api_key"] == trader.api_key


def test_a_match_is_found_in_the_body_too(trader: Trader) -> None:
    trader.where = "body"
    trader.control.fault(ORDERS, "status", status=503, match="newClientOrderId=this")
    assert trader.try_order("other")[0] == 200
    assert trader.try_order("this") == (503, {"code": -1000, "msg": "sandbox fault"})
    assert kept(trader) == ["other"]


def test_an_unknown_outcome_that_was_one(trader: Trader) -> None:
    text = "Timeout waiting for response from backend server."
    body = f'{{"code":-1007,"msg":"{text}"}}'
    trader.control.fault(ORDERS, "status", status=408, body=body, after=True)
    assert trader.try_order("unknown") == (408, {"code": -1007, "msg": text})
    assert trader.headers["Content-Type"].startswith("application/json")
    assert kept(trader) == ["unknown"]


def test_a_page_instead_of_an_answer(trader: Trader) -> None:
    trader.control.fault(ORDERS, "status", status=200, body="<html>hello</html>")
    with pytest.raises(requests.JSONDecodeError):
        trader.try_order("page")
    assert kept(trader) == []


def test_a_rate_limit_of_its_own(trader: Trader) -> None:
    trader.control.fault(ORDERS, "rate_limit", retry_after=7)
    status, body = trader.try_order()
    assert (status, body["code"], trader.headers["Retry-After"]) == (429, -1003, "7")


def test_half_an_answer(trader: Trader) -> None:
    trader.control.fault(ORDERS, "truncate", match="cut")
    with pytest.raises(requests.RequestException):
        trader.buy("cut")
    trader.control.fault(ORDERS, "truncate", framed=True, match="framed")
    with pytest.raises(requests.JSONDecodeError):
        trader.buy("framed")
    assert kept(trader) == ["cut", "framed"]


def test_a_delayed_order_is_refused_when_it_arrives_too_late(trader: Trader) -> None:
    trader.control.fault(ORDERS, "delay", delay=0.4)
    assert trader.try_order("late", recvWindow=200)[1]["code"] == -1021
    trader.control.fault(ORDERS, "delay", delay=0.4, after=True)
    assert trader.try_order("heard-late", recvWindow=200)[0] == 200
    assert kept(trader) == ["heard-late"]


def test_a_repeated_delivery_is_refused_only_while_the_first_is_open(trader: Trader) -> None:
    trader.control.fault(ORDERS, "duplicate", count=2)
    limit = {"type": "LIMIT", "timeInForce": "GTC", "price": "50000"}
    assert trader.try_order("rests", **limit)[1]["msg"] == "Duplicate order sent."
    # What filled is no longer open: the second one fills as well.
    assert trader.try_order("fills")[0] == 200
    assert kept(trader) == ["rests", "fills", "fills"]


def test_stuck_orders_go_on_when_they_are_released(trader: Trader) -> None:
    trader.control.fault(ORDERS, "stuck", match="new")
    trader.control.fault(ORDERS, "stuck", stuck_status="PARTIALLY_FILLED", match="part")
    assert trader.buy("new")["status"] == "NEW"
    part = trader.buy("part")
    assert (part["status"], part["executedQty"]) == ("PARTIALLY_FILLED", "0.00500000")
    assert trader.buy("free")["status"] == "FILLED"
    assert trader.balances()["USDT"] == ("8199.9997", "900.00015")
    assert set(trader.control.release()) == {"BTCUSDT:1", "BTCUSDT:2"}
    assert trader.order("new")["status"] == trader.order("part")["status"] == "FILLED"
    assert trader.balances()["USDT"][1] == "0"


def test_the_answer_to_a_delayed_request_keeps_nobody_else_waiting(trader: Trader) -> None:
    trader.control.fault(ORDERS, "delay", delay=5, match="slow")
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{trader.control.binance_url}{ORDER}?slow", timeout=0.1)
    started = time.monotonic()
    trader.buy("quick")
    assert time.monotonic() - started < 1
