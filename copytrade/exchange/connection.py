"""One request after another to the exchange: signed, limited in number, timed, and its failure told.

What the exchange says about its limits goes to the shared budget; its clock is kept here.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiohttp
import structlog
from django.conf import settings

from agora.lib.outcome import OutsideError, Temporary, Unknown
from copytrade import budget
from copytrade.exchange import reasons, wire
from copytrade.exchange.errors import Answer, outcome_of
from copytrade.exchange.transport import SharedBinance, calling, open_session
from copytrade.exchange.types import RECEIVE_WINDOW_MS, Credentials

EXCHANGE = "binance"
_CLOCK_SECONDS = 10 * 60
_USED_WEIGHT = "X-MBX-USED-WEIGHT-1M"

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Connection:
    """The shared connections and the exchange's clock. Belongs to one event loop."""

    def __init__(self) -> None:
        base_url, most = settings.BINANCE_BASE_URL, settings.COPY_CONCURRENCY
        self._session = open_session(base_url=base_url, connections=most)
        self._api = SharedBinance(base_url=base_url, session=self._session)
        self._slots = asyncio.Semaphore(most)
        self._send_timeout = aiohttp.ClientTimeout(total=settings.COPY_SEND_TIMEOUT)
        self._read_timeout = aiohttp.ClientTimeout(total=settings.VENDOR_READ_TIMEOUT)
        self._offset_ms = 0
        self._clock_due = 0.0
        self._background: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        for task in self._background.values():
            task.cancel()
        await self._session.close()

    async def ask(
        self, path: str, params: dict[str, str], *, creds: Credentials | None = None
    ) -> Any:
        """Read something; the answer's JSON. Raises Rejected or Temporary."""
        api = "private" if creds else "public"
        answer, failure = await self.exchange(api, "GET", path, params, creds=creds, effect=False)
        if failure is not None:
            raise failure
        return answer.body

    async def act(
        self,
        creds: Credentials,
        method: str,
        path: str,
        params: dict[str, str],
        *,
        signed_at: datetime | None = None,
    ) -> Any:
        """Change something; the answer's JSON. Raises Rejected, Temporary or Unknown."""
        answer, failure = await self.exchange(
            "private", method, path, params, creds=creds, effect=True, signed_at=signed_at
        )
        if failure is not None:
            raise failure
        return answer.body

    async def exchange(
        self,
        api: str,
        method: str,
        path: str,
        params: dict[str, str],
        *,
        creds: Credentials | None,
        effect: bool,
        signed_at: datetime | None = None,
    ) -> tuple[Answer, OutsideError | None]:
        """Send one request once; what is known of its answer, and its failure if it is one.

        `signed_at` (our clock) is the time it is signed with: when it comes too late, the exchange
        refuses it. The failure is made anew after ccxt's error is gone with its traceback, which
        hold address and signature.
        """
        failed: Exception | None = None
        timeout = self._send_timeout if effect else self._read_timeout
        async with self._slots:
            sent: dict[str, object] = dict(params)
            if creds is not None:
                signed = signed_at or datetime.now(UTC)
                if _age_ms(signed) > RECEIVE_WINDOW_MS:
                    return Answer(), Temporary("Signed too long ago.", code=reasons.STALE)
                sent["timestamp"] = wire.milliseconds_of(signed) + self._offset_ms
            with calling(credentials=creds, timeout=timeout) as answer:
                try:
                    await self._api.request(path, [api], method, sent)
                except Exception as error:
                    failed = error
        return answer, self._judged(answer=answer, failed=failed, effect=effect)

    def _judged(
        self, *, answer: Answer, failed: Exception | None, effect: bool
    ) -> OutsideError | None:
        """The outcome of a failed request; tells budget and clock what they must know."""
        used = answer.headers.get(_USED_WEIGHT, "")
        if used.isdigit():
            budget.observe(exchange=EXCHANGE, used_weight=int(used))
        if time.monotonic() >= self._clock_due > 0:
            self.spawn("clock", self.sync_clock)
        if failed is None:
            return None
        outcome = outcome_of(answer=answer, error=failed, effect=effect)
        if outcome.code in (reasons.RATE_LIMITED_IP, reasons.BANNED_IP):
            wait = getattr(outcome, "retry_after", None) or 1.0
            if budget.heard(exchange=EXCHANGE, seconds=wait):
                self.spawn("block", lambda: _publish(seconds=wait))
        elif outcome.code == reasons.CLOCK_SKEW:
            self.spawn("clock", self.sync_clock)
        return outcome

    async def server_time(self) -> datetime:
        """The exchange's clock, UTC, to the millisecond. Raises Temporary."""
        raw = await self.ask("time", {})
        return understood(lambda answer: wire.time_of(answer["serverTime"]), raw, effect=False)

    async def sync_clock(self) -> None:
        """Measure how far the exchange's clock is from ours; the quickest of three answers counts."""
        best = (float("inf"), 0)
        for _ in range(3):
            ours, began = wire.milliseconds_of(datetime.now(UTC)), time.monotonic()
            server = wire.milliseconds_of(await self.server_time())
            took = time.monotonic() - began
            best = min(best, (took, server - ours - int(took * 500)))
        self._offset_ms = best[1]
        self._clock_due = time.monotonic() + _CLOCK_SECONDS

    def spawn(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do a piece of upkeep beside the requests, unless it is being done already."""
        if (running := self._background.get(name)) is None or running.done():
            self._background[name] = asyncio.create_task(_upkeep(name, work))


async def _upkeep(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        await work()
    except OutsideError as error:
        log.warning("Exchange Upkeep Failed", part=name, code=error.code, error=error.message)


async def _publish(*, seconds: float) -> None:
    """Tell the other processes of a limit, off this loop: Redis may be slow."""
    await asyncio.to_thread(budget.block, exchange=EXCHANGE, seconds=seconds)


def _age_ms(moment: datetime) -> float:
    return (datetime.now(UTC) - moment).total_seconds() * 1000


def understood(shape: Callable[[Any], T], raw: object, *, effect: bool) -> T:
    """Read an answer by `shape`; an odd one is Unknown after a call with effect, else Temporary."""
    try:
        return wire.read(shape, raw)
    except ValueError:
        pass
    kind = Unknown if effect else Temporary
    raise kind("The exchange's answer cannot be read.", code=reasons.BAD_ANSWER)
