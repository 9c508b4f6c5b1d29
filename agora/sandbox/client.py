"""A small client of the control endpoint, for tests, the demo and benches. Standard library only."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

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

    def fault(self, route: str, kind: str, **options: object) -> str:
        """Add a fault on "METHOD /path" and answer its id; options as in docs/sandbox.md."""
        made = self._call("POST", "/faults", {"route": route, "kind": kind, **options})
        return str(made["id"])

    def faults(self) -> list[Json]:
        return list(self._call("GET", "/faults"))

    def clear_faults(self) -> None:
        self._call("DELETE", "/faults")

    def release(self, stuck_id: str | None = None) -> list[str]:
        """Let the stuck order or transaction go on, or all of them; answers their ids."""
        body = {} if stuck_id is None else {"id": stuck_id}
        return list(self._call("POST", "/release", body)["released"])

    def market(self, **change: object) -> Json:
        """Set mode, price, now, quote_age, fill and match; answers the market as it is then."""
        return dict(self._call("POST", "/market", change))

    def calm(self) -> None:
        """No faults, nothing stuck, the market as at the first start; the books stay."""
        self.clear_faults()
        self._call("DELETE", "/market")
        self.release()

    def account(self, **change: object) -> Json:
        """Set cash (USD) or requests_per_minute; answers the account."""
        return dict(self._call("POST", "/account", change))

    def deposit(self, *, vault: str, asset: str, amount: str) -> Json:
        """Record an incoming transfer to a vault account."""
        body = {"vault": vault, "asset": asset, "amount": amount}
        return dict(self._call("POST", "/deposit", body))

    def reset(self) -> None:
        """Books, journal, faults and market as at the first start."""
        self._call("POST", "/reset")

    def books(self) -> Json:
        return dict(self._call("GET", "/books"))

    def orders(self) -> list[Json]:
        """The broker's orders, oldest first."""
        return list(self.books()["alpaca"]["orders"])

    def transactions(self) -> list[Json]:
        """The custodian's transactions, oldest first."""
        return list(self.books()["fireblocks"]["transactions"])

    def journal(self, *, after: int = 0) -> list[Json]:
        return list(self._call("GET", f"/journal?after={after}"))

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

    def _call(self, method: str, path: str, body: Json | None = None) -> Any:
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
