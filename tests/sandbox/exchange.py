"""Clients of the exchange: a bare signed one for exact answers, ccxt, and the vendor's own."""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import requests

from agora.sandbox.client import SandboxControl

if TYPE_CHECKING:
    import ccxt

Json = dict[str, Any]
ORDER = "/api/v3/order"


@dataclass
class Trader:
    """One account's API key. Every call answers (status, body)."""

    control: SandboxControl
    label: str
    api_key: str
    secret_key: str
    where: str = "query"
    session: requests.Session = field(default_factory=requests.Session)
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, control: SandboxControl, label: str = "trader", **options: object) -> Trader:
        made = control.binance.account(label, **({"balances": {"USDT": "10000"}} | options))
        return cls(control, label, made["api_key"], made["secret_key"])

    def sign(self, text: str) -> str:
        return hmac.new(self.secret_key.encode(), text.encode(), "sha256").hexdigest()

    def call(self, method: str, path: str, **params: object) -> tuple[int, Any]:
        """Signed, with the time of now unless given; parameters of value None are left out."""
        params = {"timestamp": int(time.time() * 1000), **params}
        text = urlencode({name: value for name, value in params.items() if value is not None})
        return self.send(method, path, f"{text}&signature={self.sign(text)}")

    def send(
        self, method: str, path: str, text: str, *, body: str | None = None, key: str | None = None
    ) -> tuple[int, Any]:
        """The text as it is, in the query or the body as `where` says."""
        in_body = self.where == "body" and method == "POST" and body is None
        response = self.session.request(
            method,
            self.control.binance_url + path + ("" if in_body or not text else f"?{text}"),
            data=text if in_body else body,
            headers={
                "X-MBX-APIKEY": self.api_key if key is None else key,
                "Content-Type": "application/x-www-form-urlencoded",
            },
            timeout=10,
        )
        self.headers = dict(response.headers)
        return response.status_code, response.json()

    def buy(self, client_id: str | None = None, **change: object) -> Json:
        """A market buy of 0.01 BTC unless changed; its answer."""
        status, body = self.try_order(client_id, **change)
        assert status == 200, body
        answer: Json = body
        return answer

    def try_order(self, client_id: str | None = None, **change: object) -> tuple[int, Any]:
        order: Json = {
            "symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01",
            "newClientOrderId": client_id,
        }  # fmt: skip
        return self.call("POST", ORDER, **(order | change))

    def limit(self, client_id: str | None = None, **change: object) -> Json:
        """A buy of 0.01 BTC that rests at 50,000 unless changed."""
        order: Json = {"type": "LIMIT", "timeInForce": "GTC", "price": "50000"}
        return self.buy(client_id, **(order | change))

    def order(self, client_id: str, symbol: str = "BTCUSDT") -> Json:
        status, body = self.call("GET", ORDER, symbol=symbol, origClientOrderId=client_id)
        assert status == 200, body
        answer: Json = body
        return answer

    def balances(self) -> dict[str, tuple[str, str]]:
        """Free and locked of what is held."""
        held = self.control.binance.balances(self.label)
        return {asset: (row["free"], row["locked"]) for asset, row in held.items()}


def ccxt_options(trader: Trader) -> Json:
    """What points ccxt to the sandbox and keeps load_markets to one request."""
    return {
        "apiKey": trader.api_key,
        "secret": trader.secret_key,
        "options": {
            "fetchCurrencies": False, "fetchMargins": False, "fetchMarkets": {"types": ["spot"]},
        },
    }  # fmt: skip


def point(client: ccxt.binance, control: SandboxControl) -> None:
    client.urls["api"] = {
        name: control.binance_url + ("/sapi/v1" if name == "sapi" else "/api/v3")
        for name in client.urls["api"]
    }
