"""Orders over the vendor's own SDK."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import GetOrdersRequest, MarketOrderRequest

from agora.sandbox.client import SandboxControl
from tests.sandbox.conftest import Sandbox
from tests.sandbox.helpers import buy, limit_order, wait_for_status


def test_a_fractional_limit_order_with_strings_is_filled(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.market(price="230.10")
    accepted = buy(trading, "buy-1", qty="0.010000001", limit_price="232.40")
    assert accepted["status"] == "accepted"
    assert accepted["qty"] == "0.010000001"
    filled = wait_for_status(trading, "buy-1")
    assert filled["status"] == "filled"
    assert filled["filled_qty"] == "0.010000001"
    assert filled["filled_avg_price"] == "230.11"
    assert filled["id"] == accepted["id"]
    assert filled["filled_at"] is not None
    assert trading.get_order_by_id(filled["id"]) == filled


def test_the_sdk_market_order_with_a_json_number_is_filled(trading: TradingClient) -> None:
    trading.submit_order(
        MarketOrderRequest(
            symbol="AAPL", qty=0.25, side=OrderSide.BUY, time_in_force=TimeInForce.DAY,
            client_order_id="market-1",
        )
    )  # fmt: skip
    assert wait_for_status(trading, "market-1")["filled_qty"] == "0.25"


def test_the_sdk_parses_orders_account_and_positions_into_its_models(box: Sandbox) -> None:
    typed = TradingClient("sandbox-key", "sandbox-secret", url_override=box.control.alpaca_url)
    buy(box.trading, "typed-1")
    wait_for_status(box.trading, "typed-1")
    order = typed.get_order_by_client_id("typed-1")
    assert not isinstance(order, dict)
    assert order.status == "filled"
    account = typed.get_account()
    assert not isinstance(account, dict)
    assert account.status == "ACTIVE"
    (position,) = typed.get_all_positions()
    assert not isinstance(position, str)
    assert position.qty == "0.5"
    assert typed.get_asset("AAPL").fractionable


def test_a_notional_order_buys_for_that_much(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.market(price="99.99")
    buy(trading, "notional", qty=None, notional="50", type="market", limit_price=None)
    order = wait_for_status(trading, "notional")
    assert (order["qty"], order["notional"], order["filled_qty"]) == (None, "50", "0.5")


def test_a_client_order_id_is_unique_for_ever(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.market(fill={"outcome": "never"})
    first = buy(trading, "once")
    trading.cancel_order_by_id(first["id"])
    wait_for_status(trading, "once", "canceled")
    with pytest.raises(APIError) as refused:
        buy(trading, "once", qty="9")
    assert refused.value.status_code == 422
    assert refused.value.code == 40010001
    assert refused.value.message == "client_order_id must be unique"
    assert len(control.orders()) == 1


REFUSED: list[tuple[dict[str, Any], int, int]] = [
    ({"qty": "1", "notional": "100"}, 400, 40010000),
    ({"qty": None}, 422, 40010001),
    ({"qty": "0"}, 422, 40010001),
    ({"qty": "-1"}, 422, 40010001),
    ({"qty": "much"}, 400, 40010000),
    ({"qty": "NaN"}, 400, 40010000),
    ({"qty": "0.0000000001"}, 422, 42210000),
    ({"qty": "0.001", "limit_price": "230.00"}, 403, 40310000),
    ({"time_in_force": "gtc"}, 422, 42210000),
    ({"limit_price": "230.101"}, 422, 42210000),
    ({"limit_price": None}, 422, 40010001),
    ({"limit_price": "0"}, 422, 40010001),
    ({"type": "market"}, 422, 40010001),
    ({"type": "stop"}, 422, 40010001),
    ({"side": "hold"}, 422, 40010001),
    ({"time_in_force": None}, 422, 40010001),
    ({"symbol": "NOPE"}, 422, 42210000),
    ({"symbol": "TWTR"}, 422, 42210000),
    ({"symbol": "BRK.A", "limit_price": "700000.00"}, 403, 40310000),
    ({"qty": "100000000"}, 403, 40310000),
    ({"side": "sell"}, 403, 40310000),
    ({"client_order_id": "x" * 129}, 422, 40010001),
]


@pytest.mark.parametrize(("change", "status", "code"), REFUSED)
def test_a_wrong_order_is_refused_and_leaves_no_trace(
    trading: TradingClient, control: SandboxControl, change: dict[str, Any], status: int, code: int
) -> None:
    before = trading.get_account()["buying_power"]
    with pytest.raises(APIError) as refused:
        trading.post("/orders", limit_order("wrong") | change)
    assert (refused.value.status_code, refused.value.code) == (status, code)
    assert refused.value.message
    assert control.orders() == []
    assert trading.get_account()["buying_power"] == before


def test_open_orders_hold_back_buying_power(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.account(cash="100")
    control.market(price="50", fill={"outcome": "never"})
    order = buy(trading, "hold", qty="1.5", limit_price="60.00")
    assert trading.get_account()["buying_power"] == "10"
    with pytest.raises(APIError) as refused:
        buy(trading, "too-much", qty="0.5", limit_price="60.00")
    assert "insufficient buying power" in refused.value.message
    trading.cancel_order_by_id(order["id"])
    wait_for_status(trading, "hold", "canceled")
    assert trading.get_account()["buying_power"] == "100"


def test_partial_fills_add_up_to_the_average_price(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.market(price="100.00", fill={"partial": ["0.2", "40%"], "outcome": "never"})
    buy(trading, "parts")
    control.wait_for(lambda books: books["alpaca"]["orders"][0]["filled_qty"] == "0.4")
    order = wait_for_status(trading, "parts", "partially_filled")
    assert order["filled_avg_price"] == "100.01"
    assert [fill["qty"] for fill in control.orders()[0]["fills"]] == ["0.2", "0.2"]


def test_a_fill_in_two_prices_is_averaged(trading: TradingClient, control: SandboxControl) -> None:
    control.market(price="99.99", fill={"partial": ["0.1"], "delay": 0.2})
    buy(trading, "two-prices")
    wait_for_status(trading, "two-prices", "partially_filled")
    control.market(price="199.99")
    order = wait_for_status(trading, "two-prices")
    assert (order["status"], order["filled_qty"]) == ("filled", "0.5")
    assert order["filled_avg_price"] == "180"
    (position,) = trading.get_all_positions()
    assert (position["qty"], position["cost_basis"]) == ("0.5", "90")
    assert trading.get_account()["cash"] == "9999910"


@pytest.mark.parametrize(
    ("outcome", "status", "time"),
    [
        ("cancel_partial", "canceled", "canceled_at"),
        ("expire", "expired", "expired_at"),
        ("done_for_day", "done_for_day", None),
    ],
)
def test_an_order_may_end_with_only_a_part_filled(
    trading: TradingClient, control: SandboxControl, outcome: str, status: str, time: str | None
) -> None:
    control.market(fill={"partial": ["0.3"], "outcome": outcome})
    buy(trading, "part")
    order = wait_for_status(trading, "part")
    assert (order["status"], order["filled_qty"]) == (status, "0.3")
    assert time is None or order[time] is not None
    account = trading.get_account()
    assert account["buying_power"] == account["cash"]


def test_an_order_may_be_rejected_after_it_was_accepted(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.market(fill={"outcome": "reject"})
    assert buy(trading, "bad-luck")["status"] == "accepted"
    order = wait_for_status(trading, "bad-luck")
    assert (order["status"], order["filled_qty"]) == ("rejected", "0")
    assert order["failed_at"] is not None


def test_a_script_meets_only_the_orders_it_names(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.market(fill={"outcome": "reject"}, match="unlucky")
    buy(trading, "unlucky-1")
    buy(trading, "lucky-1")
    assert wait_for_status(trading, "unlucky-1")["status"] == "rejected"
    assert wait_for_status(trading, "lucky-1")["status"] == "filled"


def test_a_limit_below_the_market_waits_for_the_price(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.market(price="230.00")
    buy(trading, "patient", limit_price="220.00")
    wait_for_status(trading, "patient", "new")
    control.market(price="219.50")
    assert wait_for_status(trading, "patient")["filled_avg_price"] == "219.51"


def test_canceling_a_partly_filled_order_keeps_what_was_filled(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.market(fill={"partial": ["0.125"], "outcome": "never"})
    order = buy(trading, "stop-it")
    wait_for_status(trading, "stop-it", "partially_filled")
    trading.cancel_order_by_id(order["id"])
    ended = wait_for_status(trading, "stop-it", "canceled")
    assert ended["filled_qty"] == "0.125"
    assert Decimal(ended["filled_avg_price"]) > 0


def test_a_filled_order_can_not_be_canceled(trading: TradingClient) -> None:
    order = buy(trading, "too-late")
    wait_for_status(trading, "too-late")
    with pytest.raises(APIError) as refused:
        trading.cancel_order_by_id(order["id"])
    assert (refused.value.status_code, refused.value.code) == (422, 42210000)
    assert refused.value.message == 'order is already in "filled" state'


def test_what_does_not_exist_is_not_found(trading: TradingClient) -> None:
    reads: list[Callable[[], object]] = [
        lambda: trading.get_order_by_id("f9b9d0c5-0000-4000-8000-000000000000"),
        lambda: trading.get_order_by_client_id("nobody"),
        lambda: trading.get_open_position("AAPL"),
        lambda: trading.get_asset("NOPE"),
    ]
    for read in reads:
        with pytest.raises(APIError) as missing:
            read()
        assert (missing.value.status_code, missing.value.code) == (404, 40410000)
    with pytest.raises(APIError) as missing:
        trading.get("/no-such-path")
    assert missing.value.status_code == 404


def test_orders_are_listed_by_status_symbol_and_time(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.market(fill={"outcome": "never"}, match="open")
    for client_id in ("done-1", "open-1", "open-2"):
        buy(trading, client_id)
    wait_for_status(trading, "done-1")

    def ids(**query: Any) -> list[str]:
        return [order["client_order_id"] for order in trading.get_orders(GetOrdersRequest(**query))]

    assert ids() == ["open-2", "open-1"]
    assert ids(status=QueryOrderStatus.CLOSED) == ["done-1"]
    assert ids(status=QueryOrderStatus.ALL, limit=2) == ["open-2", "open-1"]
    assert ids(status=QueryOrderStatus.ALL, direction="asc")[0] == "done-1"
    assert ids(status=QueryOrderStatus.ALL, symbols=["MSFT"]) == []
    assert len(trading.cancel_orders()) == 2
    wait_for_status(trading, "open-2", "canceled")


def test_shares_that_are_held_can_be_sold(trading: TradingClient, control: SandboxControl) -> None:
    control.market(price="100.00")
    buy(trading, "in")
    wait_for_status(trading, "in")
    buy(trading, "out", side="sell", qty="0.2", limit_price="90.00")
    assert wait_for_status(trading, "out")["filled_avg_price"] == "99.99"
    assert trading.get_open_position("AAPL")["qty"] == "0.3"
    assert trading.get_account()["cash"] == "9999969.993"
