"""The exchange cannot be reached, or its clock is another's: nothing is lost, nobody is blamed."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings

from agora.sandbox.client import SandboxControl
from copytrade.exchange import runner
from copytrade.models import CopyOrder, CopyPosition, ExchangeAccount, Strategy, Subscription
from tests.copying import Trader, mark, new_follower, new_strategy, new_subscription
from tests.copytrade.exchange_books import placed_twice
from tests.copytrade.replicating import settle, signal, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault]


class Road:
    """A TCP port that leads to the exchange as long as it is open."""

    def __init__(self, to: str) -> None:
        self._to = urlsplit(to)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._travellers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self._to.path}"

    def open(self) -> None:
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(5)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)

    def remove(self) -> None:
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._travellers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._to.hostname, self._to.port)
        self._travellers |= {writer, back}
        await asyncio.gather(self._pipe(reader, back), self._pipe(there, writer))

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        sink.close()
        self._travellers.discard(sink)


@pytest.fixture
def road(sandbox: SandboxControl, settings: Settings) -> Iterator[Road]:
    made = Road(settings.BINANCE_BASE_URL)
    settings.BINANCE_BASE_URL = made.url
    runner.close()
    sandbox.binance.price("BTCUSDT", "50000")
    mark("BTC/USDT", "50000")
    made.open()
    yield made
    runner.close()
    made.remove()


@pytest.fixture
def crowd(sandbox: SandboxControl) -> tuple[Strategy, list[Trader]]:
    strategy = new_strategy()
    people = [new_follower(control=sandbox) for _ in range(3)]
    for person in people:
        new_subscription(strategy=strategy, follower=person, sizing=Subscription.Sizing.MULTIPLIER)
    return strategy, people


def test_a_close_waits_for_an_exchange_that_refuses_connections(
    road: Road, sandbox: SandboxControl, crowd: tuple[Strategy, list[Trader]]
) -> None:
    strategy, people = crowd
    settle(signal(strategy))
    road.close()
    closed = signal(strategy, kind="CLOSE", before="0.01")

    work(closed)

    assert set(closed.legs.values_list("state", flat=True)) == {"PLANNED"}
    assert not ExchangeAccount.objects.filter(failures__gt=0).exists()
    road.open()
    assert {leg.state for leg in settle(closed)} == {"FILLED"}
    for person in people:
        orders = sandbox.binance.orders(person.label)
        assert (len(orders), placed_twice(orders)) == (2, [])
    held = CopyPosition.objects.values_list("quantity", flat=True)
    assert all(quantity < Decimal("0.0001") for quantity in held)


def test_a_worker_that_cannot_even_read_the_rules_leaves_everything_due(
    road: Road, crowd: tuple[Strategy, list[Trader]]
) -> None:
    road.close()
    opened = signal(crowd[0])

    assert work(opened) == 0

    assert opened.legs.filter(state="PLANNED", next_attempt_at__isnull=False).count() == 3
    road.open()
    assert {leg.state for leg in settle(opened)} == {"FILLED"}


@pytest.mark.parametrize("ahead", [90_000, -90_000])
def test_a_clock_that_jumps_is_read_anew_and_every_copy_made_once(
    sandbox: SandboxControl, crowd: tuple[Strategy, list[Trader]], ahead: int
) -> None:
    strategy, people = crowd
    sandbox.binance.price("BTCUSDT", "50000")
    settle(signal(strategy, quantity="0.002"))
    sandbox.binance.venue(clock_offset_ms=ahead)

    legs = settle(signal(strategy, quantity="0.002"))

    assert {leg.state for leg in legs} == {"FILLED"}
    assert [len(sandbox.binance.orders(p.label)) for p in people] == [2, 2, 2]
    assert not CopyOrder.objects.filter(attention=True).exists()
    runner.close()
