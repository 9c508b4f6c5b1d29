"""The broker, Alpaca paper, through alpaca-py (RAT-006). The only place that imports its SDK.

What the SDK does by default and why it is changed here (verified against 0.44.0): no timeout at all;
POST is sent again on 429 and 504; quantities become floats. So a timeout is mounted, the SDK's own
retries are off, and orders go out through its generic `post` with quantities as strings.
"""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import requests
from alpaca.common.exceptions import APIError
from alpaca.common.rest import RESTClient
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.trading.client import TradingClient
from django.conf import settings
from requests.adapters import HTTPAdapter

from agora.lib.money import decimal_of, plain
from agora.lib.outcome import Rejected, Temporary, Unknown, retry_after_seconds

T = TypeVar("T")
_DUPLICATE, NOT_FOUND = "40010001", "40410000"
_LONGEST_PAGE = 500  # of orders, by the vendor
_local = threading.local()


@dataclass(frozen=True)
class BrokerOrder:
    """An order as the broker tells it; quantities in shares, price in USD per share."""

    id: str
    client_order_id: str
    status: str
    filled_quantity: Decimal
    filled_avg_price: Decimal | None
    raw: dict[str, Any]


@dataclass(frozen=True)
class Position:
    """Shares of one symbol that the broker holds for us, and its answer (None: no position)."""

    quantity: Decimal
    raw: dict[str, Any] | None


@dataclass(frozen=True)
class MarketPrice:
    """What AAPL costs to buy: the ask where one stands, else the last trade; USD per share."""

    symbol: str
    price: Decimal
    as_of: datetime


@dataclass(frozen=True)
class MarketClock:
    now: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime


class _TimedAdapter(HTTPAdapter):
    """Gives every request the settings' connect and read timeouts."""

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = (settings.VENDOR_CONNECT_TIMEOUT, settings.VENDOR_READ_TIMEOUT)
        return super().send(*args, **kwargs)


def _tamed(client: RESTClient) -> RESTClient:
    client._retry = 0
    client._session.mount("http://", _TimedAdapter())
    client._session.mount("https://", _TimedAdapter())
    return client


def _trading() -> TradingClient:
    """One client a thread: requests sessions are not made to be shared."""
    if not hasattr(_local, "trading"):
        _local.trading = _tamed(
            TradingClient(
                settings.ALPACA_API_KEY,
                settings.ALPACA_API_SECRET,
                paper=True,
                raw_data=True,
                url_override=settings.ALPACA_BASE_URL,
            )
        )
    client: TradingClient = _local.trading
    return client


def _data() -> StockHistoricalDataClient:
    if not hasattr(_local, "data"):
        _local.data = _tamed(
            StockHistoricalDataClient(
                settings.ALPACA_API_KEY,
                settings.ALPACA_API_SECRET,
                raw_data=True,
                url_override=settings.ALPACA_DATA_URL,
            )
        )
    client: StockHistoricalDataClient = _local.data
    return client


def _read(call: Callable[[], T]) -> T:
    """Run a call without effect: every failure but a refusal may simply be tried again."""
    try:
        return call()
    except APIError as error:
        raise _of_status(error, effect=False) from error
    except (requests.RequestException, ValueError) as error:
        raise Temporary(f"Alpaca did not answer: {type(error).__name__}") from error


def _of_status(error: APIError, *, effect: bool) -> Rejected | Temporary | Unknown:
    """Outcome of an error answer. After a 5xx a call with effect may have been done."""
    status = error.status_code or 0
    code, message = _body_of(error)
    if status == 429:
        response = getattr(error, "response", None)
        wait = (
            retry_after_seconds(response.headers.get("Retry-After"))
            if response is not None
            else None
        )
        return Temporary("Alpaca's rate limit is reached.", code="429", retry_after=wait)
    if status >= 500 and effect:
        return Unknown(f"Alpaca answered {status}.", code=str(status))
    # 403 without a code is how wrong keys are answered: ours to mend, no refusal of the order.
    if status >= 500 or status in (401, 408) or (status == 403 and not code.isdigit()):
        return Temporary(f"Alpaca answered {status}.", code=str(status))
    return Rejected(message or f"Alpaca answered {status}.", code=code or str(status))


def _body_of(error: APIError) -> tuple[str, str]:
    """Code and message of an error body; the SDK parses it lazily and fails on HTML."""
    try:
        return str(error.code), str(error.message)
    except (KeyError, ValueError, AttributeError, TypeError):
        return "", ""


def _order_of(raw: Any) -> BrokerOrder:
    """Read an order; raises ValueError for an answer that is not one (empty, cut off, HTML)."""
    if not isinstance(raw, dict) or not raw.get("id") or not raw.get("status"):
        raise ValueError("not an order")
    price = raw.get("filled_avg_price")
    return BrokerOrder(
        id=str(raw["id"]),
        client_order_id=str(raw.get("client_order_id", "")),
        status=str(raw["status"]),
        filled_quantity=decimal_of(raw.get("filled_qty") or "0"),
        filled_avg_price=None if price is None else decimal_of(price),
        raw=raw,
    )


def submit_limit_buy(
    *, client_order_id: str, symbol: str, quantity: Decimal, limit_price: Decimal
) -> BrokerOrder:
    """Send a day limit order; raises Rejected, Temporary or Unknown.

    A refusal because of a used `client_order_id` is Unknown: the order is there, look it up.
    Source: docs.alpaca.markets, Orders; fractional orders need `day`.
    """
    payload = {
        "symbol": symbol,
        "qty": plain(quantity),
        "side": "buy",
        "type": "limit",
        "limit_price": plain(limit_price),
        "time_in_force": "day",
        "client_order_id": client_order_id,
    }
    try:
        return _order_of(_trading().post("/orders", payload))
    except APIError as error:
        code, message = _body_of(error)
        if code == _DUPLICATE or "client_order_id" in message:
            raise Unknown("The broker has an order of this id.", code=_DUPLICATE) from error
        if error.status_code == 404:
            # There is no such address: a wrong setting, which says nothing about the order.
            raise Temporary("Alpaca answered 404.", code="404") from error
        raise _of_status(error, effect=True) from error
    except requests.ConnectTimeout as error:
        raise Temporary("Alpaca could not be reached.") from error
    except (requests.RequestException, ValueError) as error:
        raise Unknown(f"Alpaca's answer was lost: {type(error).__name__}") from error


def find_order(*, client_order_id: str) -> BrokerOrder | None:
    """Look an order up by our own id; None when the broker says that it has none.

    Raises Temporary, or Rejected for any other refusal: a 404 of a wrong address is no answer.
    """
    try:
        return _read(
            lambda: _order_of(
                _trading().get("/orders:by_client_order_id", {"client_order_id": client_order_id})
            )
        )
    except Rejected as error:
        if error.code == NOT_FOUND:
            return None
        raise


def get_order(*, broker_order_id: str) -> BrokerOrder:
    """Read an order by the broker's id; raises Temporary or Rejected.

    The broker gave us the id, so "not found" (code NOT_FOUND) is Temporary: not found yet, or here.
    """
    try:
        return _read(lambda: _order_of(_trading().get(f"/orders/{uuid.UUID(broker_order_id)}")))
    except Rejected as error:
        if error.code in ("404", NOT_FOUND):
            raise Temporary("The broker does not find the order.", code=error.code) from error
        raise


def clock() -> MarketClock:
    """The market's clock. Times are aware. Raises Temporary."""

    def read() -> MarketClock:
        raw: Any = _trading().get("/clock")
        return MarketClock(
            now=datetime.fromisoformat(raw["timestamp"]),
            is_open=bool(raw["is_open"]),
            next_open=datetime.fromisoformat(raw["next_open"]),
            next_close=datetime.fromisoformat(raw["next_close"]),
        )

    return _read(lambda: _checked(read))


def latest_price(*, symbol: str) -> MarketPrice:
    """The price to reckon with when buying; raises Temporary when none can be had."""

    def read() -> MarketPrice:
        raw: Any = _data().get("/stocks/quotes/latest", {"symbols": symbol, "feed": "iex"})
        quote = raw["quotes"][symbol]
        if quote.get("ap"):
            # The wire format is a JSON number; its shortest decimal form is the vendor's figure.
            return MarketPrice(symbol, decimal_of(str(quote["ap"])), _time(quote["t"]))
        raw = _data().get("/stocks/trades/latest", {"symbols": symbol})
        trade = raw["trades"][symbol]
        return MarketPrice(symbol, decimal_of(str(trade["p"])), _time(trade["t"]))

    return _read(lambda: _checked(read))


def position(*, symbol: str) -> Position:
    """Shares that the broker holds for us; 0 without a position. Raises Temporary."""

    def read() -> Position:
        raw: Any = _trading().get(f"/positions/{symbol}")
        return Position(decimal_of(raw["qty"]), raw)

    try:
        return _read(lambda: _checked(read))
    except Rejected as error:
        if error.code == NOT_FOUND:
            return Position(Decimal(0), None)
        raise


def newest_orders(*, symbol: str, before: str = "") -> list[BrokerOrder]:
    """A page of the account's orders of any status, newest first; raises Temporary or Rejected.

    `before` is `submitted_at` of the last one of the page before, as the broker wrote it.
    """
    asked = {"status": "all", "symbols": symbol, "limit": _LONGEST_PAGE, "direction": "desc"}
    if before:
        asked["until"] = before

    def read() -> list[BrokerOrder]:
        raw: Any = _trading().get("/orders", asked)
        return [_order_of(each) for each in raw]

    return _read(lambda: _checked(read))


def account_status() -> str:
    """The account's status, as a check of the keys; raises Temporary or Rejected."""
    raw: Any = _read(lambda: _trading().get("/account"))
    return str(raw.get("status", "")) if isinstance(raw, dict) else ""


def _checked(read: Callable[[], T]) -> T:
    """Turn a malformed answer into ValueError, which `_read` makes Temporary."""
    try:
        return read()
    except (KeyError, TypeError) as error:
        raise ValueError("malformed answer") from error


def _time(text: str) -> datetime:
    """RFC 3339 with nanoseconds, as Alpaca's market data sends it, cut to microseconds."""
    head, dot, tail = text.replace("Z", "+00:00").partition(".")
    if not dot:
        return datetime.fromisoformat(head)
    digits = tail.split("+")[0].split("-")[0]
    return datetime.fromisoformat(f"{head}.{digits[:6].ljust(6, '0')}{tail[len(digits) :]}")
