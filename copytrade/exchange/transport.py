"""ccxt's Binance made fit to serve all accounts of a process at once.

ccxt keeps key, secret, last request and last answer on the instance, which would mean an instance
for each account: 5 ms, 0.4 MB and a TLS context of 39 ms each. Here they belong to the asyncio task
that makes the call: `sign` runs in it before the first await. What ccxt gives is the signature, the
addresses and the classes of errors. Its unified calls are not used: they cost 0.4 ms of CPU more for
each order (0.57-0.71 against 0.20, measured with 4.5.90), need 15 kB of market in each process for
each symbol, cut quantities and round prices by themselves, and drop what Binance alone tells.
"""

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import certifi
from ccxt.async_support.binance import binance
from ccxt.base.errors import BadResponse, NetworkError, RequestTimeout
from yarl import URL

from copytrade.exchange.errors import Answer
from copytrade.exchange.types import RECEIVE_WINDOW_MS, Credentials

_KEEP_ALIVE_SECONDS = 30
_DECODER = json.JSONDecoder(parse_float=Decimal)


@dataclass(slots=True)
class _Call:
    """One request of one task: whose it is, how long it may take, and what came of it."""

    credentials: Credentials | None
    timeout: aiohttp.ClientTimeout
    answer: Answer = field(default_factory=Answer)


_call: ContextVar[_Call] = ContextVar("exchange_call")


@contextmanager
def calling(*, credentials: Credentials | None, timeout: aiohttp.ClientTimeout) -> Iterator[Answer]:
    """Make the requests of this task those of `credentials`; yields what becomes known of them."""
    call = _Call(credentials, timeout)
    token = _call.set(call)
    try:
        yield call.answer
    finally:
        _call.reset(token)


class _Request(aiohttp.ClientRequest):
    """Notes when a request has its connection: from then on the exchange may have got it."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        _call.get().answer.sent = True
        return await super().send(conn)


def open_session(*, base_url: str, connections: int) -> aiohttp.ClientSession:
    """The connections of this process, kept alive; to be opened and used on one event loop."""
    secure = base_url.startswith("https://")
    context = ssl.create_default_context(cafile=certifi.where()) if secure else False
    connector = aiohttp.TCPConnector(
        limit=connections, ssl=context, keepalive_timeout=_KEEP_ALIVE_SECONDS
    )
    return aiohttp.ClientSession(
        connector=connector,
        request_class=_Request,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=True,
    )


class SharedBinance(binance):  # type: ignore[misc]  # ccxt has no types for it
    """Binance's endpoints and signature; `request` takes key and deadline from `calling`."""

    def __init__(self, *, base_url: str, session: aiohttp.ClientSession) -> None:
        super().__init__(
            {
                "session": session,
                "enableRateLimit": False,
                "enableLastHttpResponse": False,
                "enableLastResponseHeaders": False,
                "enableLastJsonResponse": False,
                "options": {"maxRetriesOnFailure": 0, "recvWindow": RECEIVE_WINDOW_MS},
            }
        )
        self.urls["api"] = {
            name: base_url + urlsplit(address).path for name, address in self.urls["api"].items()
        }

    @property
    def apiKey(self) -> str:  # noqa: N802  # ccxt's name
        credentials = _call.get().credentials
        return credentials.api_key if credentials else ""

    @apiKey.setter
    def apiKey(self, _value: object) -> None:  # noqa: N802
        """ccxt sets its default here; no key is ever kept."""

    @property
    def secret(self) -> str:
        credentials = _call.get().credentials
        return credentials.secret if credentials else ""

    @secret.setter
    def secret(self, _value: object) -> None:
        """As `apiKey`."""

    def check_required_credentials(self, error: bool = True) -> bool:
        """Whoever signs has a key: `calling` was given one."""
        return True

    def set_last_request(self, request: object) -> None:
        """Keep nothing: a signed request belongs to its task."""

    def __del__(self) -> None:
        """The session is closed by who opened it."""

    async def fetch(
        self,
        url: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> Any:
        """Send a signed request once; the answer's JSON. Raises ccxt's errors.

        Instead of ccxt's: without its debug lines, which carry keys and signatures, and with the
        answer kept for the caller.
        """
        call = _call.get()
        answer = call.answer
        try:
            async with self.session.request(
                method,
                URL(url, encoded=True),
                data=body.encode() if body else None,
                headers=headers,
                timeout=call.timeout,
                allow_redirects=False,
            ) as response:
                answer.status, answer.headers = response.status, response.headers
                # Binance writes UTF-8; looking the encoding up costs as much as reading the text.
                text = (await response.read()).decode(errors="replace")
        except TimeoutError as error:
            raise RequestTimeout from error
        except aiohttp.ClientPayloadError as error:
            raise BadResponse from error
        except (aiohttp.ClientError, OSError) as error:
            raise NetworkError from error
        answer.body = _json(text)
        told = answer.body
        if answer.status >= 400 or (isinstance(told, dict) and "code" in told and "msg" in told):
            self.handle_errors(
                answer.status, response.reason or "", url, method, {}, text, told, headers, body
            )
            raise BadResponse
        if answer.status != 200 or not isinstance(told, dict | list):
            raise BadResponse
        return told


def _json(text: str) -> object:
    """What the text says, numbers exactly; None when it is no JSON."""
    try:
        return _DECODER.decode(text)
    except ValueError:
        return None
