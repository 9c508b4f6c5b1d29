"""The event loop of this process on which the exchange is talked to, for code that is not async.

One thread with one loop and one `Venue` a process, made when first needed. A fork takes neither
thread nor connections along, so a child starts with none and makes its own.
"""

import asyncio
import atexit
import concurrent.futures
import os
import threading
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from agora.lib.outcome import Unknown
from copytrade.exchange import reasons
from copytrade.exchange.types import Credentials, KeyRights

if TYPE_CHECKING:
    from copytrade.exchange.venue import Venue

_CHECK_SECONDS = 8.0
_START_SECONDS = 10.0
_STOP_SECONDS = 2.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Home:
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    venue: "Venue"


_lock = threading.Lock()
_home: _Home | None = None


def preload() -> None:
    """Import ccxt (a second, 100 MB) before workers fork, so that they share it."""
    import uvloop  # noqa: F401

    import copytrade.exchange.venue  # noqa: F401


def venue() -> "Venue":
    """This process's venue. Its coroutines are to be handed to `run` or `start`."""
    return _at_home().venue


def start(work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
    """Begin a coroutine on the loop; its result or error arrives in the future."""
    return asyncio.run_coroutine_threadsafe(work, _at_home().loop)


def run(work: Coroutine[Any, Any, T], *, timeout: float) -> T:
    """Do a coroutine on the loop and wait for it; raises what it raises.

    After `timeout` seconds it is cancelled and the outcome is Unknown (timeout).
    """
    future = start(work)
    try:
        return future.result(timeout)
    except concurrent.futures.TimeoutError:
        if not future.cancel():
            # It ended in this moment, or the error is its own.
            return future.result()
    raise Unknown("The exchange took too long.", code=reasons.TIMEOUT)


def check_key(*, api_key: str, secret: str) -> KeyRights:
    """What a key may do, within 8 seconds, for a page; raises Rejected, Temporary or Unknown."""
    credentials = Credentials(account_id=uuid.UUID(int=0), api_key=api_key, secret=secret)
    return run(venue().rights(credentials), timeout=_CHECK_SECONDS)


def _at_home() -> _Home:
    global _home
    if _home is None:
        with _lock:
            if _home is None:
                _home = _settle()
    return _home


def _settle() -> _Home:
    import uvloop

    from copytrade.exchange.venue import Venue

    async def make() -> Venue:
        return Venue()

    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=_live, args=(loop,), name="exchange", daemon=True)
    thread.start()
    made = asyncio.run_coroutine_threadsafe(make(), loop)
    return _Home(loop, thread, made.result(_START_SECONDS))


def _live(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped, end what is left on it, and give its files back."""
    loop.run_forever()
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=_STOP_SECONDS))
    loop.close()


def close() -> None:
    """Close connections and loop; the next use makes new ones."""
    global _home
    with _lock:
        home, _home = _home, None
    if home is None:
        return
    closing = asyncio.run_coroutine_threadsafe(home.venue.close(), home.loop)
    try:
        closing.result(_STOP_SECONDS)
    except concurrent.futures.TimeoutError:
        closing.cancel()
    home.loop.call_soon_threadsafe(home.loop.stop)
    home.thread.join(2 * _STOP_SECONDS)


def _forget() -> None:
    """In a forked child: the parent's thread is not here, and its connections are not ours."""
    global _home, _lock
    _home, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
atexit.register(close)
