"""Signals, workers, pauses and stops at the same moment: an account sends one order at a time."""

import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from agora.lib.outcome import Unknown
from agora.sandbox.client import SandboxControl
from copytrade.exchange import reasons, runner
from copytrade.ledger.booking import lock_accounts
from copytrade.models import (
    CopyOrder,
    CopyPosition,
    ExchangeAccount,
    Signal,
    Strategy,
    Subscription,
)
from copytrade.replication import breaker, engine, stopping
from copytrade.replication.claims import Selection, claim
from copytrade.replication.outcomes import of_failure
from copytrade.replication.planning import Send
from tests.copying import Trader, mark, new_follower, new_strategy, new_subscription
from tests.copytrade.exchange_books import net_base, placed_twice
from tests.copytrade.legs import NOW, a_leg
from tests.copytrade.replicating import master_order, settle, signal, work
from tests.faults.worker import wait_until
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 8
MULTIPLE = Subscription.Sizing.MULTIPLIER


@pytest.fixture(autouse=True)
def exchange(sandbox: SandboxControl) -> Iterator[SandboxControl]:
    sandbox.binance.price("BTCUSDT", "50000")
    mark("BTC/USDT", "50000")
    yield sandbox
    runner.close()


def followed(
    control: SandboxControl, traders: list[Trader], **changes: Any
) -> tuple[Strategy, list[Subscription]]:
    strategy = new_strategy(max_followers=1000)
    return strategy, [
        new_subscription(strategy=strategy, follower=t, sizing=MULTIPLE, **changes) for t in traders
    ]


def traders(control: SandboxControl, count: int) -> list[Trader]:
    return [new_follower(control=control) for _ in range(count)]


def settled(*published: Signal) -> None:
    for one in published:
        settle(one, limit=30)


def held_here(*subscriptions: Subscription) -> Decimal:
    held = CopyPosition.objects.filter(subscription__in=subscriptions)
    return sum(held.values_list("quantity", flat=True), Decimal(0))


def errors_of(results: list[Any]) -> list[Exception]:
    return [result for result in results if isinstance(result, Exception)]


# --- One signal, many workers -----------------------------------------------------------------------


def test_many_workers_on_one_signal_send_each_copy_once(exchange: SandboxControl) -> None:
    people = traders(exchange, 30)
    strategy, _ = followed(exchange, people)
    opened = signal(strategy)

    results = at_once(WORKERS, lambda _: work(opened))

    settled(opened)
    assert errors_of(results) == []
    orders = [exchange.binance.orders(t.label) for t in people]
    assert [len(placed) for placed in orders] == [1] * 30


def test_one_event_told_by_many_at_once_is_one_signal(exchange: SandboxControl) -> None:
    strategy, _ = followed(exchange, traders(exchange, 3))
    order = master_order(strategy)

    results = at_once(WORKERS, lambda _: signal(strategy, order=order))

    (made,) = [one for one in results if isinstance(one, Signal)]
    # The others were told that it was published before.
    assert {type(one) for one in results} == {Signal, AssertionError}
    assert CopyOrder.objects.filter(signal=made).count() == CopyOrder.objects.count() == 3


# --- Many signals, one account ----------------------------------------------------------------------


def test_signals_of_two_masters_go_out_one_after_the_other(exchange: SandboxControl) -> None:
    """Every order is looked at as it is taken: no other leg of its account is being sent then."""
    people = traders(exchange, 10)
    pairs = [followed(exchange, people) for _ in range(4)]
    exchange.binance.venue(latency_ms=30)
    seen: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            counts = (
                CopyOrder.objects.filter(state="SENDING", account__in=[t.account for t in people])
                .values("account")
                .order_by("account")
                .values_list("account", flat=True)
            )
            found = list(counts)
            seen.append(len(found) - len(set(found)))
        connection.close()

    watcher = threading.Thread(target=watch)
    watcher.start()
    published = [signal(strategy, quantity="0.001") for strategy, _ in pairs]
    results = at_once(len(published) * 2, lambda n: work(published[n % len(published)]))
    settled(*published)
    stop.set()
    watcher.join()

    assert errors_of(results) == []
    assert max(seen) == 0
    for trader in people:
        orders = exchange.binance.orders(trader.label)
        assert (len(orders), placed_twice(orders)) == (4, [])
    subscriptions = [s for _, group in pairs for s in group]
    assert held_here(*subscriptions) == sum(
        (net_base(exchange.binance.orders(t.label)) for t in people), Decimal(0)
    )


def test_the_database_itself_refuses_a_second_order_on_the_way(exchange: SandboxControl) -> None:
    (person,) = traders(exchange, 1)
    legs = [
        signal(followed(exchange, [person])[0]).legs.get(),
        signal(followed(exchange, [person])[0]).legs.get(),
    ]

    def send(leg: CopyOrder) -> None:
        CopyOrder.objects.filter(pk=leg.pk).update(state="SENDING", asked_at=timezone.now())

    send(legs[0])
    with pytest.raises(IntegrityError, match="copytrade_leg_serial"):
        send(legs[1])


def test_a_batch_goes_on_when_another_worker_was_quicker_with_one_account(
    exchange: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim reads, then another worker begins a leg of one of the accounts, then the claim writes.

    The database refuses the whole batch; the other accounts must not wait for the next sweep.
    """
    people = traders(exchange, 5)
    first, _ = followed(exchange, people)
    second, _ = followed(exchange, people[:1])
    opened, other = signal(first, quantity="0.001"), signal(second, quantity="0.001")
    raced: list[Any] = []

    def begin_other(_: int) -> int:
        now = timezone.now()
        return CopyOrder.objects.filter(signal=other).update(
            state="SENDING", asked_at=now, next_attempt_at=now
        )

    def slow_claim(selection: Selection, *, limit: int) -> list[Any]:
        legs = claim(selection, limit=limit)
        if not raced:
            raced.extend(at_once(1, begin_other))
        return legs

    monkeypatch.setattr(engine, "claim", slow_claim)

    work(opened)

    assert raced == [1]
    assert opened.legs.filter(state="FILLED").count() == 4
    assert opened.legs.get(state="PLANNED").account == people[0].account


def test_an_account_that_somebody_holds_keeps_nobody_elses_outcome_from_being_written(
    exchange: SandboxControl,
) -> None:
    people = traders(exchange, 6)
    strategy, _ = followed(exchange, people)
    opened = signal(strategy)
    exchange.binance.venue(latency_ms=300)
    held, done = people[0].account, threading.Event()

    def hold(number: int) -> None:
        if number:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '200ms'")
            work(opened)
            done.set()
            return
        wait_until(lambda: not opened.legs.exclude(state="SENDING").exists(), limit=10, what="sent")
        with transaction.atomic():
            lock_accounts([held.pk])
            assert done.wait(20)

    results = at_once(2, hold)

    assert errors_of(results) == []
    assert opened.legs.filter(state="FILLED").count() == 5
    assert opened.legs.get(state="SENDING").account == held


# --- A close races with the claim of the open --------------------------------------------------------


@pytest.mark.parametrize("attempt", range(3))
def test_a_close_of_all_and_the_open_before_it_end_flat(
    exchange: SandboxControl, attempt: int
) -> None:
    people = traders(exchange, 12)
    strategy, subscriptions = followed(exchange, people)
    opened = signal(strategy)
    made: list[Signal] = []

    def race(number: int) -> None:
        if number:
            work(opened)
        else:
            time.sleep(attempt * 0.01)
            made.append(signal(strategy, kind="CLOSE", before="0.01"))

    results = at_once(3, race)
    settled(opened, *made)

    assert errors_of(results) == []
    assert held_here(*subscriptions) < Decimal("0.0001") * len(people)
    for trader in people:
        orders = exchange.binance.orders(trader.label)
        assert net_base(orders) < Decimal("0.0001")
        assert placed_twice(orders) == []
        assert len(orders) in (0, 2)


# --- Failures and bookings of the same accounts --------------------------------------------------------


def test_counting_failures_and_booking_trades_never_lock_each_other_out() -> None:
    accounts = [new_follower().account.pk for _ in range(20)]
    error = Unknown("?", code=reasons.TIMEOUT)
    failed = [
        of_failure(a_leg(account_id=pk), object.__new__(Send), error, now=NOW) for pk in accounts
    ]

    def count_or_book(number: int) -> None:
        for _ in range(25):
            if number % 2:
                with transaction.atomic():
                    lock_accounts(sorted(accounts))
                    ExchangeAccount.objects.filter(pk=accounts[number]).update(failures=0)
            else:
                breaker.note(failed, tally=breaker.Tally(heard=1000), now=NOW)
                ExchangeAccount.objects.filter(pk=accounts[number]).update(state="ACTIVE")

    assert errors_of(at_once(6, count_or_book)) == []


# --- Everything at once -------------------------------------------------------------------------------


class Bustle:
    """What many threads do to three strategies of the same followers; each act takes a turn number."""

    def __init__(self, control: SandboxControl) -> None:
        self.people = traders(control, 10)
        self.crowds = [followed(control, self.people, allocated=Decimal(5000)) for _ in range(3)]
        self.published: list[Signal] = []
        self.until = time.monotonic() + 5

    @property
    def subscriptions(self) -> list[Subscription]:
        return [s for _, group in self.crowds for s in group]

    def again_and_again(self, act: Callable[[int], None]) -> int:
        """Until the time is over; how often."""
        turns = 0
        while time.monotonic() < self.until:
            act(turns)
            turns += 1
        return turns

    def publish(self, turn: int) -> None:
        strategy, _ = self.crowds[turn % 3]
        kind = "CLOSE" if turn % 4 == 3 else "OPEN"
        self.published.append(signal(strategy, kind=kind, quantity="0.0005", before="0.001"))
        time.sleep(0.05)

    def fan_out(self, turn: int) -> None:
        if self.published:
            work(self.published[turn % len(self.published)])

    def single(self, turn: int) -> None:
        due = CopyOrder.objects.filter(next_attempt_at__lte=timezone.now()).order_by("?")[:5]
        engine.work_through(Selection(ids=[leg.pk for leg in due]))

    def pause(self, turn: int) -> None:
        one = self.crowds[turn % 3][1][turn % 5]
        state = "PAUSED" if turn % 2 else "ACTIVE"
        with transaction.atomic():
            ExchangeAccount.objects.select_for_update(no_key=True).get(pk=one.account_id)
            Subscription.objects.select_for_update(no_key=True).get(pk=one.pk)
            Subscription.objects.filter(pk=one.pk).update(state=state, version=F("version") + 1)
        time.sleep(0.01)

    def fail(self, turn: int) -> None:
        accounts = [t.account.pk for t in self.people[:6]]
        error = Unknown("?", code=reasons.TIMEOUT)
        failed = [
            of_failure(a_leg(account_id=pk), object.__new__(Send), error, now=NOW)
            for pk in (accounts if turn % 2 else accounts[::-1])
        ]
        breaker.note(failed, tally=breaker.Tally(), now=NOW)
        for pk in accounts:
            ExchangeAccount.objects.filter(pk=pk).update(
                failures=0, blocked_until=None, state="ACTIVE"
            )
        time.sleep(0.02)

    def stop(self, turn: int) -> None:
        one = Subscription.objects.get(pk=self.crowds[turn % 3][1][5 + turn % 5].pk)
        stopping.begin_stop(subscription=one, reason="user", now=timezone.now())
        time.sleep(0.4)


def test_everything_at_once_for_a_while_locks_nobody_out_and_loses_nothing(
    exchange: SandboxControl,
) -> None:
    bustle = Bustle(exchange)
    acts = [bustle.publish, bustle.fan_out, bustle.single] * 2
    acts += [bustle.pause, bustle.fail, bustle.stop]

    results = at_once(len(acts), lambda n: bustle.again_and_again(acts[n]))

    assert errors_of(results) == []
    assert all(isinstance(turns, int) and turns > 3 for turns in results)
    open_legs = CopyOrder.objects.filter(next_attempt_at__isnull=False)
    deadline = time.monotonic() + 40
    while ids := list(open_legs.values_list("pk", flat=True)):
        assert time.monotonic() < deadline, list(open_legs.values("state", "kind", "last_error"))
        engine.work_through(Selection(ids=ids))
    assert not CopyOrder.objects.filter(state__in=["PLANNED", "SENDING", "WORKING"]).exists()
    at_exchange = [exchange.binance.orders(t.label) for t in bustle.people]
    assert [placed_twice(orders) for orders in at_exchange] == [[]] * len(bustle.people)
    assert held_here(*bustle.subscriptions) == sum(map(net_base, at_exchange), Decimal(0))
