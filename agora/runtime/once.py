"""One real order, driven over HTTP as a user's program would, with the evidence of every leg."""

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TextIO

QUANTITY = "0.5"
_FINAL = {"MINT_CONFIRMED", "REJECTED", "CANCELLED", "FAILED"}
_MASTER_FINAL = {"FILLED", "CANCELLED", "REJECTED"}
_PATIENCE = 1.0  # seconds at most before a request that was refused for now is made again
_POLL = 0.2  # seconds between two looks at the order, as a patient client would


class LegFailed(Exception):
    """A leg of the order did not come through; the text names it."""


class TryLater(LegFailed):
    """The server said so; `seconds` is when."""

    def __init__(self, text: str, *, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


class Program:
    """A user's program: an access token, JSON over HTTP, and nothing of Agora's own code."""

    def __init__(self, *, url: str, out: TextIO, meanwhile: Callable[[], None]) -> None:
        self.url = url
        self.out = out
        self.meanwhile = meanwhile
        self.token = ""
        self._leg = ""
        self._began = 0.0

    def buy(
        self, *, email: str, password: str, person: dict[str, object], limit: float
    ) -> dict[str, Any]:
        """Sign in, onboard, place one order, follow it to the minted tokens; raises LegFailed."""
        user_id = self.sign_in(email=email, password=password, scopes=["read", "trade"])
        self._begin("Onboarding")
        onboarded = self.call("POST", "/users/onboard", {"email": email, **person}, key=True)
        self._done(f"status {onboarded['status']}, wallet {onboarded['wallet_address']}")
        self._begin("Order")
        placed = self.call("POST", "/orders", {"symbol": "AAPL", "quantity": QUANTITY}, key=True)
        self._done(
            f"id {placed['id']}, {placed['quantity']} AAPL at {placed['limit_price']} at most"
        )
        order = self._follow(str(placed["id"]), limit=limit)
        self._balance(user_id, order)
        return order

    def trade(
        self,
        *,
        email: str,
        password: str,
        strategy_id: str,
        order: dict[str, str],
        limit: float,
    ) -> str:
        """As a master: sign in, trade one order of the strategy; the signal's id; raises LegFailed."""
        self.sign_in(email=email, password=password, scopes=["read", "copy"])
        orders, deadline = f"/copy/strategies/{strategy_id}/orders", time.monotonic() + limit
        known = self._newest_signal(strategy_id)
        self._begin("Master's order")
        placed = self._place(orders, order, deadline=deadline)
        done = self._until(
            lambda: self.call("GET", f"{orders}/{placed['id']}"),
            lambda answer: answer["state"] in _MASTER_FINAL,
            deadline=deadline,
        )
        if done["state"] != "FILLED":
            raise LegFailed(f"{self._leg}: ended in {done['state']} ({done['reason']}).")
        base, _slash, quote = order["symbol"].partition("/")
        self._done(
            f"id {done['id']}, {order['side']} {done['filled']} {base} "
            f"for {done['quote_filled']} {quote}"
        )
        self._begin("Signal")
        signal = self._until(
            lambda: self._newest_signal(strategy_id),
            lambda newest: newest is not None and newest != known,
            deadline=deadline,
        )
        self._done(f"id {signal['id']}, number {signal['number']}: {signal['headline']}")
        return str(signal["id"])

    def sign_in(self, *, email: str, password: str, scopes: list[str]) -> str:
        """Issue a token and use it from now on; the user's id."""
        self._begin("Access token")
        self.token = ""
        issued = self.call(
            "POST",
            "/token/issue",
            {"email": email, "password": password, "name": "demo", "scopes": scopes},
        )
        self.token = str(issued["token"])
        self._done(f"prefix {issued['prefix']}, user {issued['user_id']}")
        return str(issued["user_id"])

    def show(self, leg: str, prove: Callable[[], str]) -> None:
        """A further leg: run it and print what it proves."""
        self._begin(leg)
        self._done(prove())

    def call(
        self, method: str, path: str, body: object = None, *, key: bool = False
    ) -> dict[str, Any]:
        """One API call; raises LegFailed with the server's own explanation."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if key:
            headers["Idempotency-Key"] = str(uuid.uuid4())
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}", data=data, headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            told = f"{self._leg}: {method} {path} gave {error.code}: {text}"
            later = error.headers.get("Retry-After")
            if later is not None:
                raise TryLater(told, seconds=float(later)) from error
            raise LegFailed(told) from error
        except (OSError, ValueError) as error:
            raise LegFailed(f"{self._leg}: {method} {path} failed: {error}") from error
        return answer

    def _place(self, orders: str, order: dict[str, str], *, deadline: float) -> dict[str, Any]:
        """Just after a start there may be no fresh price yet: then again when the server says."""
        while True:
            try:
                return self.call("POST", orders, order, key=True)
            except TryLater as answer:
                if time.monotonic() + answer.seconds > deadline:
                    raise
                self.meanwhile()
                time.sleep(min(answer.seconds, _PATIENCE))

    def _newest_signal(self, strategy_id: str) -> Any:
        """The newest signal that the strategy's own orders gave; None before the first."""
        page = self.call("GET", "/copy/signals?page_size=20")["results"]
        own = (s for s in page if s["strategy_id"] == strategy_id and s["cause"] == "master")
        return next(own, None)

    def _until(
        self, look: Callable[[], Any], suits: Callable[[Any], bool], *, deadline: float
    ) -> Any:
        """Look until the answer suits; raises LegFailed at the deadline."""
        while not suits(answer := look()):
            if time.monotonic() > deadline:
                raise LegFailed(f"{self._leg}: not done in time: {answer}")
            self.meanwhile()
            time.sleep(_POLL)
        return answer

    def _follow(self, order_id: str, *, limit: float) -> dict[str, Any]:
        deadline = time.monotonic() + limit
        shown: set[str] = set()
        while True:
            self._begin("Following the order")
            order = self.call("GET", f"/orders/{order_id}")
            for step in order["timeline"]:
                if step["state"] == "done" and step["key"] not in shown:
                    shown.add(step["key"])
                    self._show_step(step)
            if order["state"] in _FINAL:
                break
            if time.monotonic() > deadline:
                raise LegFailed(
                    f"{_open_leg(order)}: not done after {limit:.0f} s, the order is in state "
                    f"{order['state']}."
                )
            self.meanwhile()
            time.sleep(_POLL)
        if order["state"] != "MINT_CONFIRMED":
            raise LegFailed(f"{_open_leg(order)}: ended in {order['state']} ({order['reason']}).")
        return order

    def _balance(self, user_id: str, order: dict[str, Any]) -> None:
        self._begin("Balance on the chain")
        balance = self.call("GET", f"/users/{user_id}/balance")
        self._done(
            f"{balance['balance']} {balance['token']} of {balance['address']} "
            f"at block {balance['block_number']}, contract {balance['contract']}"
        )
        filled = Decimal(order["filled_quantity"])
        if Decimal(balance["units"]) != filled * 10**18:
            raise LegFailed(f"{self._leg}: {balance['units']} units, but {filled} shares bought.")

    def _begin(self, leg: str) -> None:
        self._leg = leg
        self._began = time.monotonic()

    def _done(self, evidence: str) -> None:
        self._line(self._leg, time.monotonic() - self._began, evidence)

    def _show_step(self, step: dict[str, Any]) -> None:
        facts = ", ".join(f"{item['label']} {item['value']}" for item in step["evidence"])
        self._line(step["title"], step["seconds"], facts or step["note"])

    def _line(self, leg: str, seconds: float | None, evidence: str) -> None:
        took = "       " if seconds is None else f"{seconds:5.2f} s"
        print(f"  ✓ {leg:<22} {took}  {evidence}", file=self.out, flush=True)


def _open_leg(order: dict[str, Any]) -> str:
    """The leg that an order stands at."""
    open_ones = (step for step in order["timeline"] if step["state"] != "done")
    return str(next(open_ones, {"title": "Order"})["title"])
