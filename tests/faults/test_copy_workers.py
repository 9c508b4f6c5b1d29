"""Copies survive workers that die, pause and hear everything three times, and a queue that is lost.

Followers are many, their orders go through real Celery workers, one answer in twenty is lost; what
counts is what the exchange's own books say in the end (issue "Must hold").
"""

import os
import random
import signal as signals
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.test import override_settings
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from agora.lib import work
from agora.lib.failpoints import declared
from agora.sandbox.client import SandboxControl
from copytrade.models import CopyOrder, CopyPosition, KillSwitch, Signal, Strategy, Subscription
from copytrade.replication.publish import FAN_OUT_TASK, publish
from copytrade.services import kill
from tests.copying import Trader, mark, new_follower, new_strategy, new_subscription
from tests.copytrade.exchange_books import net_base, placed_twice
from tests.copytrade.replicating import master_order, signal
from tests.faults.worker import Worker, wait_until

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300), pytest.mark.fault]

POINTS = [p for p in declared(Path(__file__).resolve().parents[2]) if p.startswith("copy.")]
PLACE, FIND = "POST /binance/api/v3/order", "GET /binance/api/v3/*"
_ENVIRON = {"COPY_LEASE_SECONDS": "2", "COPY_SEND_TIMEOUT": "1"}
FOLLOWERS = 120
DUST = Decimal("0.0001")  # less than the exchange's minimum of 5 USDT at 50,000


@pytest.fixture(scope="module")
def sandbox_exchange(sandbox_server: str) -> Iterator[SandboxControl]:
    control = SandboxControl(sandbox_server)
    control.binance.price("BTCUSDT", "50000")
    yield control
    control.calm()


@pytest.fixture(scope="module")
def worker(
    tmp_path_factory: pytest.TempPathFactory,
    sandbox_exchange: SandboxControl,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Worker]:
    """A running worker on the test database, which is emptied when the module is done."""
    with (
        django_db_blocker.unblock(),
        pytest.MonkeyPatch.context() as patch,
        # Workers die, restart and wait for leases: a busy machine may need longer than an open lives.
        override_settings(COPY_OPEN_EXPIRY_SECONDS=120),
    ):
        for name, value in _ENVIRON.items():
            patch.setenv(name, value)
        Redis.from_url(settings.REDIS_URL).flushall()
        mark("BTC/USDT", "50000")
        made = Worker(folder=tmp_path_factory.mktemp("worker"))
        made.start()
        yield made
        made.kill()
        call_command("flush", interactive=False, verbosity=0)


@dataclass
class Crowd:
    """A strategy and its followers, each with an account of its own at the exchange."""

    control: SandboxControl
    strategy: Strategy
    followers: dict[Subscription, Trader]

    def send(self, *, times: int = 1, **event: Any) -> Signal:
        """Publish an event and have the workers told of it, so many times."""
        mark("BTC/USDT", "50000")
        published = signal(self.strategy, **event)
        for _ in range(times):
            work.nudge(FAN_OUT_TASK, pk=published.pk)
        return published

    def orders(self) -> dict[Subscription, list[dict[str, Any]]]:
        return {s: self.control.binance.orders(t.label) for s, t in self.followers.items()}

    def faults(self, *, flat: bool) -> list[str]:
        """What is wrong by the exchange's own books; nothing when all is well."""
        found = []
        ours: dict[object, dict[str, Decimal]] = {s.pk: {} for s in self.followers}
        for pk, client_id, filled in CopyOrder.objects.filter(
            subscription__in=self.followers
        ).values_list("subscription_id", "client_order_id", "filled"):
            ours[pk][client_id] = filled
        held = dict(
            CopyPosition.objects.filter(subscription__in=self.followers).values_list(
                "subscription_id", "quantity"
            )
        )
        for subscription, orders in self.orders().items():
            net = net_base(orders)
            known = ours[subscription.pk]
            if twice := placed_twice(orders):
                found.append(f"placed twice: {twice}")
            for order in orders:
                filled = known.get(order["client_id"])
                if filled != Decimal(order["executed"]):
                    found += [f"not ours, or not as filled: {filled} {order}"]
            if net != held.get(subscription.pk, 0):
                found.append(f"drift: {net} at the exchange, {held.get(subscription.pk)} here")
            if flat and net >= DUST:
                found.append(f"not closed: {net} left")
        return found


def a_crowd(control: SandboxControl, count: int) -> Crowd:
    strategy = new_strategy(max_followers=1000)
    multiple = Subscription.Sizing.MULTIPLIER
    traders = [new_follower(control=control) for _ in range(count)]
    return Crowd(
        control,
        strategy,
        {new_subscription(strategy=strategy, follower=t, sizing=multiple): t for t in traders},
    )


def sweep() -> None:
    current_app.send_task("copytrade.tasks.sweep_legs", ignore_result=True)


def beat_until(done: Callable[[], bool], *, limit: float, what: str) -> None:
    """Do beat's part, the sweep, until it is so."""
    last = 0.0

    def swept() -> bool:
        nonlocal last
        if time.monotonic() - last > 0.5:
            last = time.monotonic()
            sweep()
        return done()

    try:
        wait_until(swept, limit=limit, what=what)
    except AssertionError as error:
        legs = CopyOrder.objects.exclude(next_attempt_at=None)[:5]
        told = [
            (leg.state, leg.kind, leg.attempts, leg.last_error, leg.lease_until) for leg in legs
        ]
        raise AssertionError(f"{error} {told}") from None


def settled(*published: Signal) -> None:
    """Wait until no leg of the signals is open any more."""
    open_legs = CopyOrder.objects.filter(signal__in=published, next_attempt_at__isnull=False)
    beat_until(lambda: not open_legs.exists(), limit=120, what="all legs at rest")


# --- Killed at every mark ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def killed(worker: Worker, sandbox_exchange: SandboxControl) -> list[Crowd]:
    """Crowds whose open and whose close lost a worker at every mark, one after the other."""
    crowds = [a_crowd(sandbox_exchange, 6) for _ in POINTS]
    events: list[tuple[list[str], dict[str, Any]]] = [
        (POINTS, {"kind": "OPEN"}),
        (["copy.before_call", "copy.after_call"], {"kind": "CLOSE", "before": "0.01"}),
    ]
    for points, event in events:
        for point in points:
            (worker.points / point).write_text("kill")
        published = [crowd.send(**event) for crowd in crowds]
        settled(*published)
        # What was not bought cannot be sold: the marks of the closes would stay armed, too.
        assert outcomes(*published) == {("FILLED", "")}
        assert worker.armed() == []
    return crowds


def outcomes(*published: Signal) -> set[tuple[str, str]]:
    """States and reasons of the legs of signals."""
    return set(CopyOrder.objects.filter(signal__in=published).values_list("state", "reason"))


def test_workers_killed_at_every_mark_neither_double_nor_lose_a_copy(killed: list[Crowd]) -> None:
    assert [fault for crowd in killed for fault in crowd.faults(flat=True)] == []


def test_the_marks_of_the_engine_are_all_here() -> None:
    assert {
        "copy.before_intent",
        "copy.after_intent",
        "copy.before_call",
        "copy.after_call",
        "copy.recorded",
    } <= set(POINTS)


# --- Paused past its lease --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def paused(worker: Worker, sandbox_exchange: SandboxControl) -> list[str]:
    """What is wrong after workers went on whose leases had passed to others meanwhile."""
    crowds = {}
    published = []
    for point in ("copy.before_call", "copy.after_call"):
        crowds[point] = a_crowd(sandbox_exchange, 4)
        (worker.points / point).write_text("pause 3")
        published.append(crowds[point].send())
        beat_until(lambda: not worker.armed(), limit=30, what="a paused worker")
    settled(*published)
    settled(*(crowd.send(kind="CLOSE", before="0.01") for crowd in crowds.values()))
    return [fault for crowd in crowds.values() for fault in crowd.faults(flat=True)]


def test_a_worker_paused_past_its_lease_does_nothing_twice(paused: list[str]) -> None:
    assert paused == []


# --- Under load -------------------------------------------------------------------------------------


def harm(worker: Worker, *, chance: random.Random) -> None:
    """One of the things that happen to workers and queues."""
    what = chance.choice(["kill", "stop", "flush", "kill and flush"])
    if "flush" in what:
        Redis.from_url(settings.REDIS_URL).flushall()
    if what != "flush":
        victim = chance.choice(worker.children())
        os.kill(victim, signals.SIGKILL if "kill" in what else signals.SIGSTOP)
        if what == "stop":
            # Goes on when its lease, if it has one, is long over.
            threading.Timer(3.0, _go_on, (victim,)).start()


def _go_on(pid: int) -> None:
    with suppress(ProcessLookupError):  # the worker may have been ended meanwhile
        os.kill(pid, signals.SIGCONT)


def lose_answers(control: SandboxControl, *, seed: int) -> None:
    """One order and one look-up in twenty: unheard, unanswered, or answered too late."""
    share = {"count": None, "probability": 0.05 / 3}
    for n, route in enumerate((PLACE, FIND)):
        control.fault(route, "drop_after", seed=seed + n, **share)
        control.fault(route, "drop_before", seed=seed + n + 10, **share)
        control.fault(route, "delay", delay=1.5, after=True, seed=seed + n + 20, **share)


@dataclass(frozen=True)
class Found:
    """What was seen in the exchange's books and our tables at the end."""

    faults: list[str]
    filled: int
    orders: int


EVENTS: list[dict[str, Any]] = [
    {"quantity": "0.004", "of": "0.009"},
    {"quantity": "0.009", "of": "0.009"},
    {"kind": "CLOSE", "quantity": "0.003", "before": "0.009"},
    {"kind": "CLOSE", "quantity": "0.006", "before": "0.006"},
]


@pytest.fixture(scope="module")
def loaded(worker: Worker, sandbox_exchange: SandboxControl) -> Found:
    """Two slices of an open, a partial close, and the close of all, for many, under harm."""
    chance = random.Random(20261122)
    crowd = a_crowd(sandbox_exchange, FOLLOWERS)
    lose_answers(sandbox_exchange, seed=7)
    opening = master_order(crowd.strategy, quantity="0.009")
    published = []
    for event in EVENTS:
        order = opening if "of" in event else master_order(crowd.strategy, side="SELL")
        one = crowd.send(times=3, order=order, **event)
        assert again(one) is None
        published.append(one)
        done = one.legs.filter(next_attempt_at=None)
        for share in (0, FOLLOWERS // 2):
            beat_until(
                lambda done=done, share=share: done.count() > share,  # type: ignore[misc]
                limit=60,
                what=f"{share} of {event}",
            )
            harm(worker, chance=chance)
    sandbox_exchange.clear_faults()
    settled(*published)
    orders = sum(len(found) for found in crowd.orders().values())
    filled = CopyOrder.objects.filter(signal__in=published, state="FILLED").count()
    return Found(crowd.faults(flat=True), filled, orders)


def again(published: Signal) -> Signal | None:
    """The same event of the master, told once more."""
    with transaction.atomic():
        return publish(
            strategy=published.strategy,
            kind=published.kind,
            symbol=published.symbol,
            type=published.type,
            price=published.price,
            at=published.at,
            now=timezone.now(),
            master_order=published.master_order,
            cumulative=published.cumulative,
            order_quantity=published.order_quantity,
            position_before=published.position_before,
        )


def test_under_load_and_harm_nothing_is_doubled_lost_or_adrift(loaded: Found) -> None:
    assert loaded.faults == []


def test_the_harm_did_not_simply_stop_everything(loaded: Found) -> None:
    assert loaded.filled > 0.7 * FOLLOWERS * len(EVENTS)
    assert loaded.orders == loaded.filled


# --- Kill switch ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stopped:
    """What happened around a kill switch; times in Unix seconds by this machine's clock."""

    engaged_at: float
    taken: list[float]
    waiting: int
    faults: list[str]


@pytest.fixture(scope="module")
def stopped(worker: Worker, sandbox_exchange: SandboxControl) -> Stopped:
    """Opens under way, answers getting lost, then the switch; a close comes; then its release."""
    crowd = a_crowd(sandbox_exchange, 60)
    settled(crowd.send(quantity="0.004"))
    lose_answers(sandbox_exchange, seed=99)
    opened = crowd.send(quantity="0.004", times=3)
    beat_until(opened.legs.exclude(state="PLANNED").exists, limit=30, what="a leg under way")
    engaged = kill.engage(
        level=KillSwitch.Level.STRATEGY,
        strategy=crowd.strategy,
        reason="Trouble",
        by=None,
        now=timezone.now(),
    )
    engaged_at = time.time()
    sandbox_exchange.clear_faults()
    closed = crowd.send(kind="CLOSE", quantity="0.008", before="0.008", times=3)
    settled(opened)
    tried = closed.legs.filter(last_error="kill_switch")
    beat_until(lambda: tried.count() == 60, limit=30, what="every close held back")
    taken = [o["accepted_at"] for orders in crowd.orders().values() for o in orders]
    waiting = closed.legs.filter(state="PLANNED").count()
    kill.release(switch_id=engaged.switch.pk, by=None, emergency="drill", now=timezone.now())
    settled(closed)
    return Stopped(engaged_at, taken, waiting, crowd.faults(flat=True))


def test_after_a_kill_switch_no_order_is_taken_until_it_is_released(stopped: Stopped) -> None:
    assert stopped.taken
    assert max(stopped.taken) < stopped.engaged_at


def test_closes_wait_for_the_release_of_a_kill_switch_and_none_is_lost(stopped: Stopped) -> None:
    assert stopped.waiting == 60
    assert stopped.faults == []
