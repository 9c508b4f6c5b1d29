"""The loop on which the exchange is talked to: one a process, made anew after a fork."""

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agora import doctor
from agora.lib.outcome import Rejected, Unknown
from agora.runtime import Services
from copytrade.exchange import reasons, runner
from copytrade.exchange.types import KeyRights
from tests.trading_at import done, open_account, order

if TYPE_CHECKING:
    from agora.sandbox.client import SandboxControl
    from copytrade.exchange.venue import Venue

FORKING = """
import os, django
django.setup()
from copytrade.exchange import runner
before = runner.venue()
assert len(runner.run(before.prices(), timeout=10)) > 10
child = os.fork()
if child == 0:
    after = runner.venue()
    works = after is not before and len(runner.run(after.prices(), timeout=10)) > 10
    os._exit(0 if works else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert runner.venue() is before
assert len(runner.run(before.prices(), timeout=10)) > 10
"""
LOADING = """
import sys, django
django.setup()
import agora.wsgi, agora.urls, copytrade.exchange.runner
assert "ccxt" not in sys.modules
from agora.celery import preload
preload(options={"queues": ["seal"]})
assert "ccxt" not in sys.modules
preload(options={"queues": ["another"]})
assert "ccxt.async_support.binance" in sys.modules
"""


def python(code: str, services: Services) -> None:
    """Run a program in a process of its own; it must end well."""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**services.env, "DJANGO_SETTINGS_MODULE": "agora.settings", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.usefixtures("sandbox_server")
def test_a_forked_process_talks_over_connections_of_its_own(services: Services) -> None:
    python(FORKING, services)


def test_ccxt_is_loaded_in_workers_that_trade_before_they_fork_and_nowhere_else(
    services: Services,
) -> None:
    python(LOADING, services)


def test_a_process_has_one_venue(venue: "Venue") -> None:
    assert runner.venue() is venue


def test_what_takes_too_long_is_unknown(venue: "Venue") -> None:
    ended = []

    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    with pytest.raises(Unknown) as late:
        done(endless(), timeout=0.05)
    done(asyncio.sleep(0))

    assert late.value.code == reasons.TIMEOUT
    assert ended == ["cancelled"]


def test_an_error_of_the_work_itself_is_passed_on(venue: "Venue") -> None:
    async def late_by_itself() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        done(late_by_itself())


def test_work_begun_is_waited_for_later(venue: "Venue") -> None:
    begun = [runner.start(venue.prices()) for _ in range(3)]

    assert all(len(future.result(10)) > 10 for future in begun)


def test_no_more_requests_are_under_way_than_allowed(
    venue: "Venue", sandbox: "SandboxControl"
) -> None:
    account = open_account(venue, sandbox)
    done(venue.load())
    sandbox.binance.venue(latency_ms=100)
    venue._connection._slots = asyncio.Semaphore(5)

    async def place_all() -> None:
        await asyncio.gather(
            *(venue.place(account.credentials, order(quantity="0.001")) for _ in range(20))
        )

    began = time.monotonic()
    done(place_all())

    assert time.monotonic() - began >= 0.4


def test_a_page_checks_a_key_and_waits(venue: "Venue", sandbox: "SandboxControl") -> None:
    account = open_account(venue, sandbox)

    rights = runner.check_key(
        api_key=account.credentials.api_key, secret=account.credentials.secret
    )

    assert rights == KeyRights(True, True, False, False)


def test_the_doctor_tells_which_side_of_the_exchange_is_used(venue: "Venue") -> None:
    assert doctor._exchange().startswith("Agora's own sandbox, clocks 0.")


def test_a_page_is_told_of_a_wrong_key(venue: "Venue") -> None:
    with pytest.raises(Rejected) as refused:
        runner.check_key(api_key="a" * 64, secret="b" * 64)

    assert refused.value.code == reasons.KEY_INVALID


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_closing_gives_its_files_back_though_something_is_under_way(
    sandbox: "SandboxControl",
) -> None:
    runner.run(runner.venue().prices(), timeout=10)
    runner.close()
    before = open_files()

    for _time in range(3):
        runner.run(runner.venue().prices(), timeout=10)
        waiting = runner.start(asyncio.sleep(60))
        runner.close()
        assert waiting.cancelled()

    assert open_files() <= before
    assert not [thread for thread in threading.enumerate() if thread.name == "exchange"]
