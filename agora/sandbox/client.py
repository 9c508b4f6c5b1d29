"""A small client of the control endpoint, for tests, the demo and benches. Standard library only."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

Json = dict[str, Any]


class ControlError(Exception):
    """The sandbox refused a control request; the text is its reason."""


class SandboxControl:
    """Steers one sandbox. `base_url` is http://host:port; times are seconds."""

    def __init__(self, base_url: str, *, timeout: float = 10) -> None:
        self.base_url = base_url.rstrip("/")
        self._address = urlsplit(base_url).netloc
        self._timeout = timeout

    @property
    def alpaca_url(self) -> str:
        return f"{self.base_url}/alpaca"

    @property
    def alpaca_data_url(self) -> str:
        return f"{self.base_url}/alpaca-data"

    @property
    def fireblocks_url(self) -> str:
        return f"{self.base_url}/fireblocks/v1"

    @property
    def binance_url(self) -> str:
        return f"{self.base_url}/binance"

    @property
    def binance(self) -> BinanceControl:
        """Controls of the exchange part."""
        return BinanceControl(self)

    def fault(self, route: str, kind: str, **options: object) -> str:
        """Add a fault on "METHOD /path" and answer its id; options as in docs/sandbox.md."""
        made = self.call("POST", "/faults", {"route": route, "kind": kind, **options})
        return str(made["id"])

    def faults(self) -> list[Json]:
        return list(self.call("GET", "/faults"))

    def clear_faults(self) -> None:
        self.call("DELETE", "/faults")

    def release(self, stuck_id: str | None = None) -> list[str]:
        """Let the stuck order or transaction go on, or all of them; answers their ids."""
        body = {} if stuck_id is None else {"id": stuck_id}
        return list(self.call("POST", "/release", body)["released"])

    def market(self, **change: object) -> Json:
        """Set mode, price, now, quote_age, fill and match; answers the market as it is then."""
        return dict(self.call("POST", "/market", change))

    def calm(self) -> None:
        """No faults, nothing stuck, markets as at the first start; the books stay."""
        self.clear_faults()
        self.call("DELETE", "/market")
        self.call("DELETE", "/binance/venue")
        self.release()

    def account(self, **change: object) -> Json:
        """Set cash (USD) or requests_per_minute; answers the account."""
        return dict(self.call("POST", "/account", change))

    def deposit(self, *, vault: str, asset: str, amount: str) -> Json:
        """Record an incoming transfer to a vault account."""
        body = {"vault": vault, "asset": asset, "amount": amount}
        return dict(self.call("POST", "/deposit", body))

    def reset(self) -> None:
        """Books, journal, faults and market as at the first start."""
        self.call("POST", "/reset")

    def books(self) -> Json:
        return dict(self.call("GET", "/books"))

    def orders(self) -> list[Json]:
        """The broker's orders, oldest first."""
        return list(self.books()["alpaca"]["orders"])

    def transactions(self) -> list[Json]:
        """The custodian's transactions, oldest first."""
        return list(self.books()["fireblocks"]["transactions"])

    def journal(self, *, after: int = 0) -> list[Json]:
        return list(self.call("GET", f"/journal?after={after}"))

    def wait_for(self, condition: Callable[[Json], bool], *, limit: float = 10) -> Json:
        """The books once the condition holds on them. Raises TimeoutError after `limit` seconds."""
        deadline = time.monotonic() + limit
        while True:
            books = self.books()
            if condition(books):
                return books
            if time.monotonic() > deadline:
                raise TimeoutError(f"the sandbox's books did not get there in {limit} s")
            time.sleep(0.02)

    def call(self, method: str, path: str, body: Json | None = None) -> Any:
        """Any control path; answers its JSON. Raises ControlError."""
        connection = http.client.HTTPConnection(self._address, timeout=self._timeout)
        try:
            sent = None if body is None else json.dumps(body)
            headers = {"Content-Type": "application/json"}
            connection.request(method, f"/control{path}", body=sent, headers=headers)
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise ControlError(raw.decode())
        return json.loads(raw) if raw else None


class BinanceControl:
    """Steers the exchange of one sandbox. An account is named by its label or its API key."""

    def __init__(self, control: SandboxControl) -> None:
        self._call = control.call

    def accounts(self, label: str, *, count: int = 1, **options: object) -> list[Json]:
        """Create accounts: `balances` {"USDT": "10000"}, rights as in docs/sandbox.md. With a count
        their labels are label-1, label-2 and so on. Answers label, api_key, secret_key and uid of each.
        """
        body = {"label": label, "count": count, **options}
        return list(self._call("POST", "/binance/accounts", body))

    def account(self, label: str, **options: object) -> Json:
        """Create one account."""
        made = self._call("POST", "/binance/accounts", {"label": label, **options})
        return dict(made[0])

    def list_accounts(self) -> list[Json]:
        """Every account with its keys and rights."""
        return list(self._call("GET", "/binance/accounts"))

    def key(self, account: str, **rights: object) -> Json:
        """Change rights: read, trade, withdraw, ip_restrict, ips, revoked, bnb_burn, disabled."""
        return dict(self._call("POST", "/binance/keys", {"account": account, **rights}))

    def deposit(self, account: str, *, asset: str, amount: str) -> Json:
        """Answers the account's balances."""
        body = {"account": account, "asset": asset, "amount": amount}
        return dict(self._call("POST", "/binance/transfers", body))

    def withdraw(self, account: str, *, asset: str, amount: str) -> Json:
        """Answers the account's balances. Raises ControlError when less is free."""
        return self.deposit(account, asset=asset, amount=f"-{amount}")

    def venue(self, **change: object) -> Json:
        """Set mode, prices, status, latency_ms, clock_offset_ms, limits; answers all of them."""
        if not change:
            return dict(self._call("GET", "/binance/venue"))
        return dict(self._call("POST", "/binance/venue", change))

    def price(self, symbol: str, price: str | None) -> None:
        """Fix the last price; None gives it back to the mode."""
        self.venue(prices={symbol: price})

    def script(self, **script: object) -> None:
        """Say what happens to orders of account, symbol and match; fields as in docs/sandbox.md."""
        self._call("POST", "/binance/scripts", script)

    def clear_scripts(self) -> None:
        self._call("DELETE", "/binance/scripts")

    def books(self, account: str | None = None) -> Json:
        """Orders with trades and balances by label under `accounts`, and the house's `totals`."""
        query = "" if account is None else f"?account={quote(account)}"
        return dict(self._call("GET", f"/binance/books{query}"))

    def orders(self, account: str) -> list[Json]:
        """The orders of one account with their trades, oldest first."""
        return list(next(iter(self.books(account)["accounts"].values()))["orders"])

    def balances(self, account: str) -> Json:
        """Free and locked by asset, without the empty ones."""
        return dict(next(iter(self.books(account)["accounts"].values()))["balances"])

    def summary(self, *, label: str = "", since: float = 0) -> Json:
        """Counts, client ids and times (Unix seconds) of the orders accepted since then, by account
        whose label starts so; total weight and requests.
        """
        return dict(self._call("GET", f"/binance/summary?label={quote(label)}&since={since}"))

    def save(self) -> None:
        """Have books and journal written now, before something is measured or killed."""
        self._call("POST", "/binance/save")
