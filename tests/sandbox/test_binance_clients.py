"""The exchange as clients that are not ours see it: ccxt, and the vendor's own SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ccxt
import ccxt.async_support
import pytest
from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import BadRequestError, ServerError, UnauthorizedError
from binance_sdk_spot.spot import Spot

from agora.sandbox.client import SandboxControl
from tests import asyncs
from tests.sandbox.exchange import Trader, ccxt_options, point

Json = dict[str, Any]


class Ccxt:
    """ccxt's calls, each answering plain values."""

    def __init__(self, trader: Trader) -> None:
        self.api: Any = ccxt.binance(ccxt_options(trader))
        point(self.api, trader.control)
        self.api.number = str

    def limit(self, client_id: str, price: str, symbol: str = "BTC/USDT") -> str:
        params = {"newClientOrderId": client_id}
        return str(self.api.create_order(symbol, "limit", "buy", "0.01", price, params)["id"])

    def market(self, client_id: str) -> Json:
        params = {"newClientOrderId": client_id}
        made = self.api.create_order("BTC/USDT", "market", "buy", "0.01", None, params)
        return dict(made["info"])

    def status(self, client_id: str) -> str:
        found = self.api.fetch_order(None, "BTC/USDT", {"clientOrderId": client_id})
        return str(found["info"]["status"])

    def cancel(self, client_id: str) -> str:
        done = self.api.cancel_order("", "BTC/USDT", {"clientOrderId": client_id})
        return str(done["info"]["status"])

    def replace(self, order_id: str, client_id: str, price: str) -> Json:
        done = self.api.edit_order(
            order_id, "BTC/USDT", "limit", "buy", "0.01", price, {"newClientOrderId": client_id}
        )
        return dict(done["info"])

    def trades(self) -> list[Json]:
        return [trade["info"] for trade in self.api.fetch_my_trades("BTC/USDT")]

    def open_ids(self) -> list[str]:
        return [order["clientOrderId"] for order in self.api.fetch_open_orders("BTC/USDT")]

    def free(self, asset: str) -> str:
        return str(self.api.fetch_balance()["free"][asset])

    def step(self) -> str:
        return str(self.api.load_markets()["BTC/USDT"]["precision"]["amount"])


class Sdk:
    """The same calls by binance-sdk-spot."""

    def __init__(self, trader: Trader) -> None:
        self.api: Any = Spot(
            config_rest_api=ConfigurationRestAPI(
                api_key=trader.api_key, api_secret=trader.secret_key, retries=0, timeout=10_000,
                base_path=trader.control.binance_url,
            )
        ).rest_api  # fmt: skip

    def limit(self, client_id: str, price: str) -> str:
        made = self.api.new_order(
            symbol="BTCUSDT", side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.01,
            price=float(price), new_client_order_id=client_id,
        )  # fmt: skip
        return str(made.data().order_id)

    def market(self, client_id: str) -> Json:
        made = self.api.new_order(
            symbol="BTCUSDT", side="BUY", type="MARKET", quantity=0.01,
            new_client_order_id=client_id,
        )  # fmt: skip
        return dict(made.data().to_dict())

    def status(self, client_id: str) -> str:
        return str(self.api.get_order("BTCUSDT", orig_client_order_id=client_id).data().status)

    def cancel(self, client_id: str) -> str:
        done = self.api.delete_order("BTCUSDT", orig_client_order_id=client_id)
        return str(done.data().status)

    def replace(self, order_id: str, client_id: str, price: str) -> Json:
        done = self.api.order_cancel_replace(
            symbol="BTCUSDT", side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.01,
            cancel_replace_mode="STOP_ON_FAILURE", price=float(price),
            cancel_order_id=int(order_id), new_client_order_id=client_id,
        )  # fmt: skip
        return dict(done.data().to_dict())

    def trades(self) -> list[Json]:
        return [trade.to_dict() for trade in self.api.my_trades("BTCUSDT").data()]

    def open_ids(self) -> list[str]:
        return [order.client_order_id for order in self.api.get_open_orders("BTCUSDT").data()]

    def free(self, asset: str) -> str:
        balances = self.api.get_account(omit_zero_balances=True).data().balances
        return str(next(row.free for row in balances if row.asset == asset))

    def step(self) -> str:
        symbol = self.api.exchange_info(symbol="BTCUSDT").data().symbols[0]
        lot = next(f for f in symbol.to_dict()["filters"] if f["filterType"] == "LOT_SIZE")
        return str(lot["stepSize"])


@pytest.fixture(params=[Ccxt, Sdk])
def client(request: pytest.FixtureRequest, control: SandboxControl) -> Any:
    make: Callable[[Trader], Any] = request.param
    return make(Trader.open(control))


def test_a_market_order_is_filled_and_found(client: Any) -> None:
    made = client.market("first")
    assert (made["status"], made["executedQty"]) == ("FILLED", "0.01000000")
    assert made["fills"][0]["commissionAsset"] == "BTC"
    assert client.status("first") == "FILLED"
    (trade,) = client.trades()
    assert trade["orderId"] == made["orderId"]
    assert float(client.free("BTC")) == 0.00999


def test_a_limit_order_rests_and_is_cancelled(client: Any) -> None:
    client.limit("resting", "50000")
    assert client.open_ids() == ["resting"]
    assert float(client.free("USDT")) == 9500
    assert client.cancel("resting") == "CANCELED"
    assert client.status("resting") == "CANCELED"
    assert client.open_ids() == []


def test_an_order_is_replaced(client: Any) -> None:
    order_id = client.limit("old", "50000")
    client.replace(order_id, "new", "51000")
    assert client.status("old") == "CANCELED"
    assert client.open_ids() == ["new"]


def test_the_rules_of_a_symbol_are_read(client: Any) -> None:
    assert float(client.step()) == 0.00001


@pytest.mark.parametrize(
    ("name", "change", "for_ccxt", "for_sdk"),
    [
        ("too dear", {"price": "59000", "quantity": "1"}, ccxt.InsufficientFunds, -2010),
        ("too small", {"price": "40000", "quantity": "0.0001"}, ccxt.BadRequest, -1013),
        ("off step", {"price": "50000", "quantity": "0.010001"}, ccxt.InvalidOrder, -1013),
        ("off tick", {"price": "50000.001"}, ccxt.InvalidOrder, -1013),
    ],
)
def test_refusals_reach_both_clients_as_what_they_are(
    control: SandboxControl, name: str, change: Json, for_ccxt: type[Exception], for_sdk: int
) -> None:
    trader = Trader.open(control)
    quantity, price = change.get("quantity", "0.01"), change["price"]
    one = Ccxt(trader)
    one.api.load_markets()
    # ccxt would cut the amounts to fit; the server shall judge.
    one.api.amount_to_precision = one.api.price_to_precision = lambda _, value: value
    with pytest.raises(for_ccxt):
        one.api.create_order("BTC/USDT", "limit", "buy", quantity, price)
    with pytest.raises(BadRequestError) as refused:
        Sdk(trader).api.new_order(
            symbol="BTCUSDT", side="BUY", type="LIMIT", time_in_force="GTC",
            quantity=float(quantity), price=float(price),
        )  # fmt: skip
    assert refused.value.status_code == for_sdk
    assert control.binance.orders("trader") == []


def test_an_unknown_order_and_a_revoked_key(control: SandboxControl) -> None:
    trader = Trader.open(control)
    one, two = Ccxt(trader), Sdk(trader)
    with pytest.raises(ccxt.OrderNotFound):
        one.status("nowhere")
    with pytest.raises(BadRequestError) as refused:
        two.status("nowhere")
    assert refused.value.status_code == -2013
    control.binance.key("trader", revoked=True)
    with pytest.raises(UnauthorizedError) as unauthorized:
        two.free("USDT")
    assert unauthorized.value.status_code == -2015
    with pytest.raises(ccxt.AuthenticationError):
        Ccxt(trader).free("USDT")


def test_errors_of_the_server_reach_both_clients(control: SandboxControl) -> None:
    trader = Trader.open(control)
    body = '{"code":-1007,"msg":"Timeout waiting for response from backend server. Send status unknown; execution status unknown."}'  # noqa: E501
    control.fault("POST /binance/api/v3/order", "status", status=504, body=body, after=True)
    with pytest.raises(ccxt.RequestTimeout):
        Ccxt(trader).market("one")
    control.fault("POST /binance/api/v3/order", "status", status=502, body="<html>bad</html>")
    with pytest.raises(ServerError):
        Sdk(trader).market("two")
    assert [order["client_id"] for order in control.binance.orders("trader")] == ["one"]


def test_ccxt_tells_what_a_key_may_do(control: SandboxControl) -> None:
    trader = Trader.open(control, withdraw=True, ip_restrict=True)
    rights = Ccxt(trader).api.sapi_get_account_apirestrictions()
    assert (rights["enableWithdrawals"], rights["ipRestrict"]) == (True, True)
    assert (rights["enableReading"], rights["enableSpotAndMarginTrading"]) == (True, True)


def test_ccxt_loads_markets_with_currencies_too(control: SandboxControl) -> None:
    trader = Trader.open(control)
    options = ccxt_options(trader)
    options["options"]["fetchCurrencies"] = True
    api = ccxt.binance(options)
    point(api, control)
    assert len(api.load_markets()) == 20
    assert api.currencies["BTC"]["active"] is not None


def test_ccxt_reads_the_market(control: SandboxControl) -> None:
    api = Ccxt(Trader.open(control)).api
    assert api.fetch_ticker("ETH/USDT")["last"] == "3000.00000000"
    assert len(api.fetch_tickers()) == 20
    assert len(api.fetch_ohlcv("ETH/USDT", "1h", limit=48)) == 48
    book = api.fetch_order_book("ETH/USDT")
    assert float(book["bids"][0][0]) < 3000 < float(book["asks"][0][0])
    assert api.fetch_status()["status"] == "ok"
    assert api.create_order("BTC/USDT", "limit", "buy", "0.01", "50000", {"test": True})
    assert control.binance.orders("trader") == []


def test_ccxt_trades_side_by_side_over_one_session(control: SandboxControl) -> None:
    traders = [Trader.open(control, f"trader-{n}") for n in range(5)]

    async def trade() -> list[Json]:
        clients = [ccxt.async_support.binance(ccxt_options(trader)) for trader in traders]
        for client in clients:
            point(client, control)
        try:
            await clients[0].load_markets()
            for client in clients[1:]:
                client.set_markets_from_exchange(clients[0])
            return list(await asyncio.gather(*(
                client.create_order("BTC/USDT", "market", "buy", 0.01) for client in clients
            )))  # fmt: skip
        finally:
            for client in clients:
                await client.close()

    made = asyncs.run(trade())
    assert {order["status"] for order in made} == {"closed"}
    assert control.binance.summary()["orders"] == 5
