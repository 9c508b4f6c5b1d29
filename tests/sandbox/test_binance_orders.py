"""Orders on the exchange: types, filters, client ids, balances, commissions, what rests and fills."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from agora.sandbox.client import ControlError, SandboxControl
from tests.sandbox.conftest import until
from tests.sandbox.exchange import ORDER, Trader

Json = dict[str, Any]


@pytest.fixture
def trader(control: SandboxControl) -> Trader:
    return Trader.open(control)


def refusal(trader: Trader, **change: object) -> tuple[int, int, str]:
    status, body = trader.try_order("refused", **change)
    return status, body["code"], body["msg"]


def test_a_market_order_spends_and_receives_less_the_commission(trader: Trader) -> None:
    made = trader.buy("all", quantity="0.1")
    assert made["cummulativeQuoteQty"] == "6000.00100000"
    (fill,) = made["fills"]
    assert fill["price"] == "60000.01000000"
    assert (fill["commission"], fill["commissionAsset"]) == ("0.00010000", "BTC")
    assert trader.balances() == {"BTC": ("0.0999", "0"), "USDT": ("3999.999", "0")}
    sold = trader.buy("back", side="SELL", quantity="0.0999")
    assert sold["fills"][0]["price"] == "59999.99000000"
    assert sold["fills"][0]["commissionAsset"] == "USDT"


def test_a_market_order_by_its_cost_keeps_to_the_step(trader: Trader) -> None:
    made = trader.buy(quantity=None, quoteOrderQty="1000")
    assert made["origQty"] == made["executedQty"] == "0.01666000"
    assert made["origQuoteOrderQty"] == "1000.00000000"
    assert Decimal(made["cummulativeQuoteQty"]) <= 1000


def test_a_limit_order_that_reaches_the_market_gets_the_better_price(trader: Trader) -> None:
    made = trader.limit(price="61000")
    assert (made["status"], made["fills"][0]["price"]) == ("FILLED", "60000.01000000")
    assert trader.balances()["USDT"] == ("9399.9999", "0")


def test_a_resting_order_holds_back_its_cost_and_fills_when_crossed(trader: Trader) -> None:
    trader.limit("rests", price="59000")
    assert trader.balances() == {"USDT": ("9410", "590")}
    trader.control.binance.price("BTCUSDT", "58999.99")
    filled = trader.order("rests")
    assert (filled["status"], filled["executedQty"]) == ("FILLED", "0.01000000")
    assert filled["cummulativeQuoteQty"] == "590.00000000"
    assert trader.balances()["USDT"] == ("9410", "0")
    _, (trade,) = trader.call("GET", "/api/v3/myTrades", symbol="BTCUSDT")
    assert trade["isMaker"] is True
    assert trade["isBuyer"] is True


@pytest.mark.parametrize("tif", ["IOC", "FOK"])
def test_an_order_that_must_trade_at_once_expires_otherwise(trader: Trader, tif: str) -> None:
    made = trader.limit("now", timeInForce=tif)
    assert (made["status"], made["executedQty"]) == ("EXPIRED", "0.00000000")
    assert trader.limit("reached", timeInForce=tif, price="61000")["status"] == "FILLED"
    assert trader.balances()["USDT"] == ("9399.9999", "0")


def test_a_maker_order_only_rests(trader: Trader) -> None:
    maker = {"type": "LIMIT_MAKER", "timeInForce": None}
    taking = refusal(trader, **maker, price="60000.01")
    assert taking == (400, -2010, "Order would immediately match and take.")
    made = trader.limit("maker", **maker, price="60000")
    assert set(made) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    assert trader.order("maker")["status"] == "NEW"


def test_the_answer_is_as_long_as_it_was_asked_for(trader: Trader) -> None:
    assert "status" not in trader.buy(newOrderRespType="ACK")
    result = trader.buy(newOrderRespType="RESULT")
    assert (result["status"], "fills" in result) == ("FILLED", False)


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"quantity": "0.000001"}, "LOT_SIZE"),
        ({"quantity": "0.000015"}, "LOT_SIZE"),
        ({"quantity": "7501"}, "LOT_SIZE"),
        ({"quantity": "84"}, "MARKET_LOT_SIZE"),
        ({"quantity": "0.00008"}, "NOTIONAL"),
        ({"quantity": None, "quoteOrderQty": "4.99"}, "NOTIONAL"),
        ({"type": "LIMIT", "timeInForce": "GTC", "price": "50000.001"}, "PRICE_FILTER"),
        ({"type": "LIMIT", "timeInForce": "GTC", "price": "2000000"}, "PRICE_FILTER"),
        ({"type": "LIMIT", "timeInForce": "GTC", "price": "400000"}, "PERCENT_PRICE_BY_SIDE"),
        ({"type": "LIMIT", "timeInForce": "GTC", "price": "11999"}, "PERCENT_PRICE_BY_SIDE"),
        (
            {"type": "LIMIT", "timeInForce": "GTC", "price": "40000", "quantity": "0.0001"},
            "NOTIONAL",
        ),
    ],
)
def test_filters_are_enforced(trader: Trader, change: Json, failed: str) -> None:
    assert refusal(trader, **change) == (400, -1013, f"Filter failure: {failed}")
    assert trader.balances() == {"USDT": ("10000", "0")}


def test_an_account_has_200_open_orders_of_a_symbol_at_most(trader: Trader) -> None:
    trader.control.binance.venue(orders_10s=1000)
    for _ in range(200):
        trader.limit(price="12000", quantity="0.0005")
    assert refusal(trader, type="LIMIT", timeInForce="GTC", price="12000")[2] == (
        "Filter failure: MAX_NUM_ORDERS"
    )


def test_more_than_is_free_is_refused(trader: Trader) -> None:
    text = "Account has insufficient balance for requested action."
    assert refusal(trader, quantity="0.17") == (400, -2010, text)
    assert refusal(trader, side="SELL") == (400, -2010, text)
    trader.limit(quantity="0.19")
    assert refusal(trader, quantity="0.01") == (400, -2010, text)


@pytest.mark.parametrize(("status", "code"), [("BREAK", -1013), ("HALT", -2010)])
def test_a_closed_market_takes_cancellations_only(trader: Trader, status: str, code: int) -> None:
    trader.limit("resting", price="59000")
    trader.control.binance.venue(status={"BTCUSDT": status})
    assert refusal(trader) == (400, code, "Market is closed.")
    trader.control.binance.price("BTCUSDT", "58000")
    assert trader.order("resting")["status"] == "NEW"
    done = trader.call("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="resting")
    assert done[0] == 200


def test_a_client_id_is_unique_among_open_orders_only(trader: Trader) -> None:
    trader.limit("same")
    assert refusal(trader, newClientOrderId="same") == (400, -2010, "Duplicate order sent.")
    trader.call("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="same")
    # The trap: a filled order's id is taken again, and again.
    second, third = trader.buy("same"), trader.buy("same")
    assert trader.order("same")["orderId"] == third["orderId"] > second["orderId"]
    assert len(trader.control.binance.orders("trader")) == 3


def test_an_order_is_found_by_either_id_and_both_must_fit(trader: Trader) -> None:
    made = trader.buy("mine")
    found = trader.call("GET", ORDER, symbol="BTCUSDT", orderId=made["orderId"])[1]
    assert found == trader.order("mine")
    both = trader.call(
        "GET", ORDER, symbol="BTCUSDT", orderId=made["orderId"], origClientOrderId="other"
    )
    assert (both[0], both[1]["code"]) == (400, -2039)
    assert trader.call("GET", ORDER, symbol="BTCUSDT")[1]["code"] == -1102
    missing = trader.call("GET", ORDER, symbol="ETHUSDT", origClientOrderId="mine")
    assert missing == (400, {"code": -2013, "msg": "Order does not exist."})


def test_an_account_does_not_see_the_orders_of_another(trader: Trader) -> None:
    made = trader.buy("mine")
    other = Trader.open(trader.control, "other")
    assert other.call("GET", ORDER, symbol="BTCUSDT", orderId=made["orderId"])[1]["code"] == -2013


def test_only_an_open_order_is_cancelled(trader: Trader) -> None:
    trader.limit("open")
    status, done = trader.call(
        "DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="open", newClientOrderId="undo"
    )
    assert (status, done["status"], done["origClientOrderId"], done["clientOrderId"]) == (
        200, "CANCELED", "open", "undo",
    )  # fmt: skip
    assert trader.balances() == {"USDT": ("10000", "0")}
    again = trader.call("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="open")
    assert again == (400, {"code": -2011, "msg": "Unknown order sent."})
    trader.buy("filled")
    filled = trader.call("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="filled")
    assert filled[1]["code"] == -2011


def test_a_cancellation_may_ask_for_a_status(trader: Trader) -> None:
    trader.limit("new")
    wanted = {"symbol": "BTCUSDT", "origClientOrderId": "new"}
    partly = trader.call("DELETE", ORDER, **wanted, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert partly[1]["msg"] == "Order was not canceled due to cancel restrictions."
    assert trader.call("DELETE", ORDER, **wanted, cancelRestrictions="EVER")[1]["code"] == -1145
    assert trader.call("DELETE", ORDER, **wanted, cancelRestrictions="ONLY_NEW")[0] == 200


def test_all_open_orders_of_a_symbol_are_cancelled(trader: Trader) -> None:
    for n in range(3):
        trader.limit(f"btc-{n}")
    trader.limit("eth", symbol="ETHUSDT", price="2000")
    assert len(trader.call("GET", "/api/v3/openOrders")[1]) == 4
    status, done = trader.call("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    assert (status, [order["status"] for order in done]) == (200, ["CANCELED"] * 3)
    (left,) = trader.call("GET", "/api/v3/openOrders")[1]
    assert left["clientOrderId"] == "eth"
    assert trader.call("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")[1]["code"] == -2011


def test_trades_and_orders_are_read_in_pages(trader: Trader) -> None:
    for n in range(5):
        trader.buy(f"order-{n}", quantity="0.001")

    def ids(path: str, name: str, **params: object) -> list[int]:
        return [row[name] for row in trader.call("GET", path, symbol="BTCUSDT", **params)[1]]

    trades, orders = "/api/v3/myTrades", "/api/v3/allOrders"
    assert ids(trades, "id") == [1, 2, 3, 4, 5]
    assert ids(trades, "id", limit=2) == [4, 5]
    assert ids(trades, "id", fromId=2, limit=2) == [2, 3]
    assert ids(trades, "id", orderId=3) == [3]
    assert ids(orders, "orderId", orderId=4) == [4, 5]
    first = trader.order("order-0")["time"]
    assert ids(trades, "id", startTime=first) == [1, 2, 3, 4, 5]
    assert ids(trades, "id", endTime=first - 1) == []
    too_long = trader.call("GET", trades, symbol="BTCUSDT", startTime=1, endTime=90_000_000)
    assert too_long[1]["code"] == -1127
    both = trader.call("GET", trades, symbol="BTCUSDT", startTime=first, fromId=1)
    assert both[1]["code"] == -1128


def test_ids_count_per_symbol(trader: Trader) -> None:
    one, two = trader.buy(), trader.buy(symbol="ETHUSDT", quantity="0.1")
    assert one["orderId"] == two["orderId"] == 1
    assert one["fills"][0]["tradeId"] == two["fills"][0]["tradeId"] == 1


def test_burnt_bnb_pays_a_quarter_less(control: SandboxControl) -> None:
    trader = Trader.open(control, balances={"USDT": "10000", "BNB": "0.0002"}, bnb_burn=True)
    (fill,) = trader.buy(quantity="0.001", side="BUY")["fills"]
    # 60.00001 USDT at 0.075 % in BNB of 600 USDT
    assert (fill["commission"], fill["commissionAsset"]) == ("0.00007500", "BNB")
    trader.buy(quantity="0.001")
    (fill,) = trader.buy(quantity="0.001")["fills"]
    assert fill["commissionAsset"] == "BTC"
    assert trader.balances()["BNB"] == ("0.00005", "0")
    _, rates = trader.call("GET", "/api/v3/account/commission", symbol="BTCUSDT")
    assert rates["discount"]["enabledForAccount"] is True
    assert rates["standardCommission"]["taker"] == "0.00100000"


def test_a_tested_order_is_checked_and_not_kept(trader: Trader) -> None:
    good = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    assert trader.call("POST", f"{ORDER}/test", **good) == (200, {})
    assert trader.call("POST", f"{ORDER}/test", **good | {"quantity": "9"}) == (200, {})
    _, rates = trader.call("POST", f"{ORDER}/test", **good, computeCommissionRates="true")
    assert rates["standardCommissionForOrder"]["taker"] == "0.00100000"
    bad = trader.call("POST", f"{ORDER}/test", **good | {"quantity": "0.00000001"})
    assert bad[1]["msg"] == "Filter failure: LOT_SIZE"
    assert trader.control.binance.orders("trader") == []


def test_the_account_shows_all_assets_or_those_it_holds(trader: Trader) -> None:
    trader.limit()
    _, account = trader.call("GET", "/api/v3/account", omitZeroBalances="true")
    assert account["balances"] == [
        {"asset": "USDT", "free": "9500.00000000", "locked": "500.00000000"}
    ]
    assert len(trader.call("GET", "/api/v3/account")[1]["balances"]) == 21


def test_money_comes_and_goes_by_control(trader: Trader) -> None:
    control = trader.control.binance
    assert control.deposit("trader", asset="BTC", amount="0.5")["BTC"]["free"] == "0.5"
    assert control.withdraw("trader", asset="USDT", amount="2500")["USDT"]["free"] == "7500"
    with pytest.raises(ControlError, match="less than 8000 USDT"):
        control.withdraw("trader", asset="USDT", amount="8000")
    assert control.books()["totals"]["moved"] == {"BTC": "0.5", "USDT": "7500"}


class TestReplacing:
    def replace(self, trader: Trader, **change: object) -> tuple[int, Any]:
        order: Json = {
            "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
            "quantity": "0.01", "price": "51000", "cancelReplaceMode": "STOP_ON_FAILURE",
            "cancelOrigClientOrderId": "old", "newClientOrderId": "new",
        }  # fmt: skip
        return trader.call("POST", f"{ORDER}/cancelReplace", **(order | change))

    def test_both_halves(self, trader: Trader) -> None:
        trader.limit("old")
        status, body = self.replace(trader)
        assert (status, body["cancelResult"], body["newOrderResult"]) == (
            200, "SUCCESS", "SUCCESS",
        )  # fmt: skip
        assert body["cancelResponse"]["origClientOrderId"] == "old"
        assert body["newOrderResponse"]["clientOrderId"] == "new"

    def test_nothing_to_cancel_stops_it(self, trader: Trader) -> None:
        status, body = self.replace(trader)
        assert (status, body["code"]) == (400, -2022)
        assert body["data"] == {
            "cancelResult": "FAILURE",
            "newOrderResult": "NOT_ATTEMPTED",
            "cancelResponse": {"code": -2011, "msg": "Unknown order sent."},
            "newOrderResponse": None,
        }
        assert trader.control.binance.orders("trader") == []

    def test_nothing_to_cancel_is_allowed(self, trader: Trader) -> None:
        status, body = self.replace(trader, cancelReplaceMode="ALLOW_FAILURE")
        assert (status, body["code"], body["data"]["newOrderResult"]) == (409, -2021, "SUCCESS")
        assert trader.order("new")["status"] == "NEW"

    def test_the_new_order_alone_fails(self, trader: Trader) -> None:
        trader.limit("old")
        status, body = self.replace(trader, quantity="1")
        assert (status, body["code"]) == (409, -2021)
        assert body["data"]["newOrderResponse"]["code"] == -2010
        assert trader.order("old")["status"] == "CANCELED"

    def test_both_halves_fail(self, trader: Trader) -> None:
        status, body = self.replace(trader, quantity="1", cancelReplaceMode="ALLOW_FAILURE")
        assert (status, body["code"], body["data"]["newOrderResult"]) == (400, -2022, "FAILURE")

    def test_filters_come_before_the_cancellation(self, trader: Trader) -> None:
        trader.limit("old")
        status, body = self.replace(trader, quantity="0.0000001")
        assert (status, body["code"]) == (400, -1013)
        assert trader.order("old")["status"] == "NEW"

    def test_too_many_orders_come_before_it_too_unless_told_otherwise(self, trader: Trader) -> None:
        trader.limit("old")
        trader.control.binance.venue(orders_10s=0)
        assert self.replace(trader)[1]["code"] == -1015
        assert trader.order("old")["status"] == "NEW"
        status, body = self.replace(trader, orderRateLimitExceededMode="CANCEL_ONLY")
        assert (status, body["code"], body["data"]["cancelResult"]) == (429, -2021, "SUCCESS")
        assert body["data"]["newOrderResponse"]["code"] == -1015


class TestScripts:
    def test_parts_at_once_and_the_rest_open(self, trader: Trader) -> None:
        trader.control.binance.script(match="part", parts=["40%", "0.001"], outcome="never")
        made = trader.limit("part-1", price="61000")
        assert (made["status"], made["executedQty"]) == ("PARTIALLY_FILLED", "0.00500000")
        assert [fill["qty"] for fill in made["fills"]] == ["0.00400000", "0.00100000"]
        assert trader.balances()["USDT"] == ("9394.99995", "305")
        assert trader.limit("other", price="61000")["status"] == "FILLED"

    def test_parts_one_after_the_other(self, trader: Trader) -> None:
        trader.control.binance.script(symbol="BTCUSDT", parts=["40%", "30%"], delay=0.05)
        assert trader.limit("slow")["status"] == "NEW"
        until(lambda: trader.order("slow")["status"] == "FILLED")
        _, trades = trader.call("GET", "/api/v3/myTrades", symbol="BTCUSDT")
        assert [trade["qty"] for trade in trades] == ["0.00400000", "0.00300000", "0.00300000"]
        # It was scripted to fill where the market was not: at its own price.
        assert {trade["price"] for trade in trades} == {"50000.00000000"}

    def test_a_partly_filled_order_is_cancelled_and_keeps_its_fill(self, trader: Trader) -> None:
        trader.control.binance.script(parts=["25%"], outcome="never")
        trader.limit("cut", price="61000", quantity="0.1")
        _, done = trader.call("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="cut")
        assert (done["status"], done["executedQty"]) == ("CANCELED", "0.02500000")
        assert trader.balances() == {"BTC": ("0.024975", "0"), "USDT": ("8499.99975", "0")}

    def test_what_must_trade_at_once_expires_with_its_rest(self, trader: Trader) -> None:
        trader.control.binance.script(parts=["50%"], outcome="never")
        made = trader.limit(timeInForce="IOC", price="61000")
        assert (made["status"], made["executedQty"]) == ("EXPIRED", "0.00500000")
        assert trader.balances()["USDT"][1] == "0"

    def test_a_price_of_its_own(self, trader: Trader) -> None:
        trader.control.binance.script(price="60300")
        assert trader.buy()["fills"][0]["price"] == "60300.00000000"

    def test_never_and_reject(self, trader: Trader) -> None:
        control = trader.control.binance
        control.script(match="never", outcome="never")
        control.script(match="refused", outcome="reject", message="No.", count=1)
        assert trader.limit("never", price="61000")["status"] == "NEW"
        assert refusal(trader, quantity="0.0000001")[1] == -1013
        assert refusal(trader) == (400, -2010, "No.")
        assert trader.buy("refused")["status"] == "FILLED"

    def test_only_for_the_account_named(self, trader: Trader) -> None:
        other = Trader.open(trader.control, "other")
        trader.control.binance.script(account="other", outcome="reject")
        assert trader.buy()["status"] == "FILLED"
        assert other.try_order()[0] == 400
        trader.control.binance.clear_scripts()
        assert other.buy()["status"] == "FILLED"

    @pytest.mark.parametrize(
        "script", [{"outcome": "maybe"}, {"parts": ["x"]}, {"symbol": "NONE"}, {"other": 1}]
    )
    def test_a_bad_one_is_refused(self, control: SandboxControl, script: Json) -> None:
        with pytest.raises(ControlError):
            control.binance.script(**script)
