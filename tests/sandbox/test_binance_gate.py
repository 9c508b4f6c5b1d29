"""Who may ask the exchange, how a request is signed, and how a bad one is told so."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import pytest

from agora.sandbox.client import SandboxControl
from tests.sandbox.exchange import ORDER, Trader

ACCOUNT = "/api/v3/account"


@pytest.fixture
def trader(control: SandboxControl) -> Trader:
    return Trader.open(control)


def now_ms() -> int:
    return int(time.time() * 1000)


def test_parameters_go_in_the_query_the_body_or_both(trader: Trader) -> None:
    trader.buy("in-query")
    trader.where = "body"
    trader.buy("in-body")
    query = "symbol=BTCUSDT&side=BUY&type=MARKET"
    body = f"quantity=0.01&newClientOrderId=in-both&timestamp={now_ms()}"
    signed = f"{body}&signature={trader.sign(query + body)}"
    assert trader.send("POST", ORDER, query, body=signed)[0] == 200
    ids = [order["client_id"] for order in trader.control.binance.orders("trader")]
    assert ids == ["in-query", "in-body", "in-both"]


def test_the_query_wins_over_the_body(trader: Trader) -> None:
    query = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01"
    body = f"quantity=0.02&timestamp={now_ms()}"
    signed = f"{body}&signature={trader.sign(query + body)}"
    assert trader.send("POST", ORDER, query, body=signed)[1]["origQty"] == "0.01000000"


def test_the_signature_is_over_what_was_sent_in_either_case(trader: Trader) -> None:
    text = f"note=%5B1%5D&timestamp={now_ms()}"
    signature = trader.sign(text)
    assert trader.send("GET", ACCOUNT, f"{text}&signature={signature.upper()}")[0] == 200
    assert trader.send("GET", ACCOUNT, f"signature={signature}&{text}")[0] == 200
    wrong = trader.send("GET", ACCOUNT, f"{text}&signature={signature[::-1]}")
    assert wrong == (
        400, {"code": -1022, "msg": "Signature for this request is not valid."},
    )  # fmt: skip
    assert trader.send("GET", ACCOUNT, f"{text}&a=1&signature={signature}")[1]["code"] == -1022
    assert trader.send("GET", ACCOUNT, f"{text}&signature=ü")[1]["code"] == -1022


@pytest.mark.parametrize("name", ["timestamp", "signature"])
def test_a_signed_request_has_time_and_signature(trader: Trader, name: str) -> None:
    text = {"timestamp": f"timestamp={now_ms()}", "signature": "signature=ab"}
    del text[name]
    status, body = trader.send("GET", ACCOUNT, "".join(text.values()))
    assert (status, body["code"]) == (400, -1102)
    assert name in body["msg"]


def test_a_request_is_neither_too_old_nor_too_new(trader: Trader) -> None:
    late = trader.call("GET", ACCOUNT, timestamp=now_ms() - 5500)
    text = "Timestamp for this request is outside of the recvWindow."
    assert late == (400, {"code": -1021, "msg": text})
    early = trader.call("GET", ACCOUNT, timestamp=now_ms() + 2000)
    assert early[1]["code"] == -1021
    assert "1000ms ahead" in early[1]["msg"]
    assert trader.call("GET", ACCOUNT, timestamp=now_ms() - 5500, recvWindow=10_000)[0] == 200
    assert trader.call("GET", ACCOUNT, timestamp=now_ms() * 1000)[0] == 200
    assert trader.call("GET", ACCOUNT, recvWindow="60000.5")[1]["code"] == -1102


def test_the_exchanges_clock_can_be_off(trader: Trader) -> None:
    trader.control.binance.venue(clock_offset_ms=-3000)
    assert trader.call("GET", ACCOUNT)[1]["code"] == -1021
    served = trader.send("GET", "/api/v3/time", "")[1]["serverTime"]
    assert abs(served - now_ms() + 3000) < 1000
    assert trader.call("GET", ACCOUNT, timestamp=served)[0] == 200


def test_time_is_checked_again_before_the_order_is_matched(trader: Trader) -> None:
    trader.control.binance.venue(latency_ms=300)
    status, body = trader.try_order(recvWindow=100)
    assert (status, body["code"]) == (400, -1021)
    assert trader.control.binance.orders("trader") == []
    assert trader.try_order(recvWindow=5000)[0] == 200


def test_keys(trader: Trader) -> None:
    text = f"timestamp={now_ms()}"
    signed = f"{text}&signature={trader.sign(text)}"
    malformed = trader.send("GET", ACCOUNT, signed, key="short")
    assert malformed == (401, {"code": -2014, "msg": "API-key format invalid."})
    refused = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
    assert trader.send("GET", ACCOUNT, signed, key="a" * 64) == (401, refused)
    assert trader.send("GET", ACCOUNT, signed)[0] == 200


@pytest.mark.parametrize(
    ("rights", "may_read", "may_trade"),
    [
        ({}, True, True),
        ({"trade": False}, True, False),
        ({"read": False}, False, True),
        ({"revoked": True}, False, False),
        ({"ips": ["10.0.0.1"]}, False, False),
        ({"ips": ["127.0.0.1"]}, True, True),
    ],
)
def test_rights_of_a_key(
    trader: Trader, rights: dict[str, Any], may_read: bool, may_trade: bool
) -> None:
    trader.control.binance.key("trader", **rights)
    read, traded = trader.call("GET", ACCOUNT), trader.try_order()
    for allowed, (status, body) in ((may_read, read), (may_trade, traded)):
        assert allowed == (status == 200)
        assert allowed or body["code"] == -2015


def test_a_key_tells_its_rights(trader: Trader) -> None:
    path = "/sapi/v1/account/apiRestrictions"
    rights = trader.call("GET", path)[1]
    assert rights["enableWithdrawals"] is False
    assert rights["ipRestrict"] is False
    assert rights["enableSpotAndMarginTrading"] is True
    trader.control.binance.key("trader", withdraw=True, ip_restrict=True, trade=False)
    rights = trader.call("GET", path)[1]
    assert rights["enableWithdrawals"] is True
    assert rights["ipRestrict"] is True
    assert rights["enableSpotAndMarginTrading"] is False


def test_a_disabled_account_neither_places_nor_cancels(trader: Trader) -> None:
    trader.limit("open")
    trader.control.binance.key("trader", disabled=True)
    text = "This account may not place or cancel orders."
    assert trader.try_order() == (400, {"code": -2010, "msg": text})
    cancelled = trader.call("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="open")
    assert cancelled == (400, {"code": -2011, "msg": text})
    assert trader.call("GET", ACCOUNT)[1]["canTrade"] is False


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"symbol": None}, -1102, "'symbol'"),
        ({"symbol": "NOSUCH"}, -1121, "Invalid symbol."),
        ({"symbol": "btc usdt"}, -1100, "'symbol'"),
        ({"side": None}, -1102, "'side'"),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"type": None}, -1102, "'type'"),
        ({"type": "PEGGED"}, -1116, "Invalid orderType."),
        ({"type": "STOP_LOSS"}, -2010, "Stop loss orders are not supported"),
        ({"quantity": None}, -1102, "Param 'quantity' or 'quoteOrderQty'"),
        ({"quantity": ""}, -1105, "Parameter 'quantity' was empty."),
        ({"quantity": "1e-3"}, -1100, "'quantity'"),
        ({"quantity": "-1"}, -1100, "'quantity'"),
        ({"quantity": "0.010000001"}, -1111, "Parameter 'quantity' has too much precision."),
        ({"quoteOrderQty": "100"}, -1128, "Combination"),
        ({"price": "60000"}, -1106, "Parameter 'price' sent when not required."),
        ({"timeInForce": "GTC"}, -1106, "'timeInForce'"),
        ({"stopPrice": "1"}, -1106, "'stopPrice'"),
        ({"icebergQty": "1"}, -2010, "Iceberg orders"),
        ({"type": "LIMIT", "price": "1"}, -1102, "'timeInForce'"),
        ({"type": "LIMIT", "timeInForce": "GTC"}, -1102, "'price'"),
        ({"type": "LIMIT", "timeInForce": "EVER", "price": "1"}, -1115, "Invalid timeInForce."),
        ({"type": "LIMIT_MAKER", "price": "1", "timeInForce": "GTC"}, -1106, "'timeInForce'"),
        ({"newClientOrderId": "a b"}, -1100, "^[a-zA-Z0-9-_]{1,36}$"),
        ({"newClientOrderId": "a" * 37}, -1100, "'newClientOrderId'"),
        ({"newOrderRespType": "MAXIMAL"}, -1130, "'newOrderRespType'"),
        ({"colour": "red"}, -1104, "read '6' parameter(s) but was sent '7'"),
        ({"recvWindow": "x"}, -1100, "'recvWindow'"),
    ],
)
def test_bad_parameters(trader: Trader, change: dict[str, Any], code: int, text: str) -> None:
    status, body = trader.try_order(**change)
    assert (status, body["code"]) == (400, code)
    assert text in body["msg"]
    assert trader.control.binance.orders("trader") == []


def test_a_parameter_is_sent_once(trader: Trader) -> None:
    text = urlencode({"timestamp": now_ms()}) + "&recvWindow=5000&recvWindow=6000"
    status, body = trader.send("GET", ACCOUNT, f"{text}&signature={trader.sign(text)}")
    assert (status, body["code"]) == (400, -1101)


def test_maintenance_ends_everything_but_the_status(trader: Trader) -> None:
    trader.control.binance.venue(maintenance=True)
    assert trader.try_order()[0] == 503
    assert trader.call("GET", "/api/v3/exchangeInfo")[1]["code"] == -1016
    assert trader.send("GET", "/sapi/v1/system/status", "")[1]["status"] == 1
