"""A sandbox process of its own for these tests, and the vendors' SDKs pointed at it."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.trading.client import TradingClient

from agora.sandbox.client import SandboxControl

if TYPE_CHECKING:
    from fireblocks.client import Fireblocks

ROOT = Path(__file__).parents[2]
QUICK = ("--fill-delay", "0.03", "--status-delay", "0.01")
START_LIMIT = 30
API_KEY = "sandbox-fireblocks-key"


@pytest.fixture(scope="session", autouse=True)
def _services_for_all() -> None:
    """The sandbox stands apart: its tests need no database, queue or chain."""


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """No cache either."""


@dataclass
class Sandbox:
    """One sandbox process on a data folder; `start` again after `kill` to see what it kept."""

    data: Path
    flags: tuple[str, ...] = QUICK
    process: subprocess.Popen[str] | None = None
    port: int = 0

    def start(self) -> Sandbox:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agora.sandbox", "--data", str(self.data), *self.flags],
            cwd=ROOT, stdout=subprocess.PIPE, text=True, env=_environment(),
        )  # fmt: skip
        self.port = json.loads(self._ready_line())["port"]
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        status = self.process.wait(START_LIMIT)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return status

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    @property
    def control(self) -> SandboxControl:
        return SandboxControl(f"http://127.0.0.1:{self.port}")

    @property
    def trading(self) -> TradingClient:
        return trading_client(self.control.alpaca_url)

    @property
    def client_key(self) -> str:
        return (self.data / "fireblocks_client.pem").read_text()

    @property
    def fireblocks(self) -> Fireblocks:
        # Imported here: it costs seconds, and only the tests that use it should pay.
        from fireblocks.client import Fireblocks
        from fireblocks.client_configuration import ClientConfiguration

        return Fireblocks(
            ClientConfiguration(
                api_key=API_KEY,
                secret_key=self.client_key,
                base_path=self.control.fireblocks_url,
            )
        )

    def _ready_line(self) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        # Not select(): it takes no descriptor above 1023, and a whole run has more open.
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(START_LIMIT), "the sandbox did not get ready"
        return self.process.stdout.readline()


def trading_client(url: str, key: str = "sandbox-key") -> TradingClient:
    """The vendor's client with raw answers and without its 3 s pauses on 429 and 504."""
    client = TradingClient(key, "sandbox-secret", raw_data=True, url_override=url)
    client._retry = 0
    return client


def _environment() -> dict[str, str]:
    given = ("ALPACA_", "FIREBLOCKS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(given)}


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    running = Sandbox(data=tmp_path_factory.mktemp("sandbox")).start()
    yield running
    running.stop()


@pytest.fixture
def box(_shared: Sandbox) -> Sandbox:
    """The shared sandbox with empty books."""
    _shared.control.reset()
    return _shared


@pytest.fixture
def own_box(tmp_path: Path) -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes of the test's own, with more flags when given."""
    started: list[Sandbox] = []

    def start(*flags: str) -> Sandbox:
        made = Sandbox(data=tmp_path / str(len(started)), flags=(*QUICK, *flags)).start()
        started.append(made)
        return made

    yield start
    for made in started:
        if made.process is not None:
            made.kill()


@pytest.fixture
def control(box: Sandbox) -> SandboxControl:
    return box.control


@pytest.fixture
def trading(box: Sandbox) -> TradingClient:
    return box.trading


@pytest.fixture
def data(box: Sandbox) -> StockHistoricalDataClient:
    return StockHistoricalDataClient(
        "sandbox-key", "sandbox-secret", url_override=box.control.alpaca_data_url
    )


@pytest.fixture(scope="session")
def _vault_client(_shared: Sandbox) -> Iterator[Fireblocks]:
    with _shared.fireblocks as client:
        yield client


@pytest.fixture
def vault(box: Sandbox, _vault_client: Fireblocks) -> Fireblocks:
    """The vendor's client on the shared sandbox."""
    return _vault_client


def until(read: Callable[[], bool], *, limit: float = 10) -> None:
    """Wait for a condition, no longer than `limit` seconds."""
    deadline = time.monotonic() + limit
    while not read():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)
