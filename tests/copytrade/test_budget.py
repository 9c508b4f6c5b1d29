"""The budget of requests: shared by all processes, never over the exchange's limit."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
from django.conf import settings
from django.test import override_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from copytrade import budget

LIMIT = 100
MINUTE = 1_800_000_000.0  # the beginning of a minute, seconds since 1970
BINANCE = "binance"


@contextmanager
def an_address(*, limit: int = LIMIT, reserved: int = 20) -> Iterator[None]:
    """A network address that nothing was sent from yet, in a process that knows nothing."""
    with override_settings(
        EGRESS_NAME=uuid.uuid4().hex,
        EXCHANGE_WEIGHT_PER_MINUTE=limit,
        EXCHANGE_RESERVED_SHARE=reserved,
    ):
        another_process()
        yield
        another_process()


def another_process() -> None:
    """What follows is done by a process that remembers nothing of what was granted before."""
    budget.forget()


@pytest.fixture(autouse=True)
def address() -> Iterator[None]:
    with an_address():
        yield


def take(weight: int, *, count: int = 1, urgent: bool = False, now: float = MINUTE) -> budget.Grant:
    return budget.take(exchange=BINANCE, weights=[weight] * count, urgent=urgent, now=now)


def without_redis() -> override_settings:
    return override_settings(REDIS_URL="redis://127.0.0.1:1/0")


# --- The limit ------------------------------------------------------------------------------


def test_a_batch_is_granted_in_one_go() -> None:
    assert take(1, count=50) == budget.Grant(50, 0.0)


def test_a_batch_over_the_limit_is_granted_from_its_beginning_on() -> None:
    assert take(1, count=300).granted == 80


def test_an_empty_batch_gets_nothing_and_waits_for_nothing() -> None:
    assert budget.take(exchange=BINANCE, weights=[], urgent=False) == budget.Grant(0, 0.0)


def test_all_processes_share_one_budget() -> None:
    take(80)
    another_process()

    assert take(1).granted == 0


def test_two_addresses_have_a_budget_each() -> None:
    take(80)

    with override_settings(EGRESS_NAME="another"):
        another_process()
        assert take(80, now=MINUTE + uuid.uuid4().int % 10**6 * 3600).granted == 1


def test_the_wait_is_as_long_as_it_takes_until_the_next_item_fits() -> None:
    take(40, now=MINUTE)
    take(40, now=MINUTE + 30)

    waiting = take(1, now=MINUTE + 31)

    assert waiting.granted == 0
    assert take(1, now=MINUTE + 31 + waiting.wait_seconds - 0.5).granted == 0
    assert take(1, now=MINUTE + 31 + waiting.wait_seconds).granted == 1


Batches = st.lists(
    st.tuples(
        st.floats(0, 25, allow_nan=False),  # seconds after the one before
        st.integers(1, 30),  # weight of an item
        st.integers(1, 8),  # items
        st.booleans(),  # urgent
        st.booleans(),  # by another process
    ),
    max_size=30,
)


@examples(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(Batches)
def test_no_minute_is_ever_granted_more_than_the_limit(
    batches: list[tuple[float, int, int, bool, bool]],
) -> None:
    granted: list[tuple[float, int, bool]] = []
    now = MINUTE
    with an_address():
        for pause, weight, count, urgent, anew in batches:
            now += pause
            if anew:
                another_process()
            spent = take(weight, count=count, urgent=urgent, now=now).granted * weight
            granted.append((now, spent, urgent))

    for end, _, _ in granted:
        window = [weight for at, weight, _ in granted if end - 60 < at <= end]
        assert sum(window) <= LIMIT
    for end, spent, urgent in granted:
        if spent and not urgent:
            before = [weight for at, weight, _ in granted if end - 60 < at < end]
            assert sum(before) + spent <= LIMIT * 80 // 100


# --- The reserved share ---------------------------------------------------------------------


def test_closes_still_go_when_opens_have_used_their_share_up() -> None:
    take(80)

    assert take(1).granted == 0
    assert take(1, count=30, urgent=True).granted == 20


def test_opens_are_shed_while_closes_use_more_than_the_reserve() -> None:
    take(90, urgent=True)

    assert take(1).granted == 0


# --- What the exchange says -----------------------------------------------------------------


def test_weight_that_others_used_behind_the_same_address_counts() -> None:
    budget.observe(exchange=BINANCE, used_weight=70, now=MINUTE + 10)

    assert take(1, count=80, now=MINUTE + 10).granted == 10


def test_the_exchanges_count_of_what_was_granted_here_is_not_counted_twice() -> None:
    take(50, now=MINUTE + 5)
    budget.observe(exchange=BINANCE, used_weight=50, now=MINUTE + 10)

    assert take(1, count=80, now=MINUTE + 11).granted == 30


def test_what_the_exchange_says_reaches_the_other_processes() -> None:
    budget.observe(exchange=BINANCE, used_weight=79, now=MINUTE + 10)
    take(1, now=MINUTE + 11)
    another_process()

    assert take(1, now=MINUTE + 12).granted == 0


def test_the_exchanges_count_begins_anew_with_its_minute() -> None:
    budget.observe(exchange=BINANCE, used_weight=80, now=MINUTE + 10)
    waiting = take(1, now=MINUTE + 11)

    assert waiting.granted == 0
    assert waiting.wait_seconds == pytest.approx(49, abs=0.01)
    assert take(1, count=80, now=MINUTE + 61).granted == 80


def test_a_refused_address_is_silent_in_all_processes() -> None:
    budget.block(exchange=BINANCE, seconds=20, now=MINUTE)
    another_process()

    assert take(1, urgent=True, now=MINUTE + 5).granted == 0
    assert take(1, now=MINUTE + 5).wait_seconds == pytest.approx(15, abs=0.01)
    assert take(1, now=MINUTE + 20.1).granted == 1


def test_a_shorter_refusal_does_not_end_a_longer_one() -> None:
    budget.block(exchange=BINANCE, seconds=60, now=MINUTE)
    another_process()
    budget.block(exchange=BINANCE, seconds=1, now=MINUTE)

    assert take(1, now=MINUTE + 30).granted == 0


def test_a_refusal_heard_of_while_redis_is_away_is_told_later() -> None:
    with without_redis():
        budget.block(exchange=BINANCE, seconds=60, now=MINUTE)
        assert take(1, urgent=True, now=MINUTE + 1).granted == 0
    take(1, now=MINUTE + 10)
    another_process()

    assert take(1, now=MINUTE + 11).granted == 0


# --- An account's orders --------------------------------------------------------------------


def orders(*accounts: uuid.UUID, urgent: bool = False, now: float = MINUTE) -> budget.Grant:
    weights = [0] * len(accounts)
    return budget.take(exchange=BINANCE, weights=weights, urgent=urgent, accounts=accounts, now=now)


def test_an_account_with_too_many_orders_is_held_and_the_others_go_on() -> None:
    busy, quiet = uuid.uuid4(), uuid.uuid4()
    orders(*[busy] * 80)

    grant = orders(busy, quiet, busy)

    assert grant.granted == 3
    assert grant.held == {0, 2}


def test_an_accounts_reserve_is_for_its_closes() -> None:
    busy = uuid.uuid4()

    assert len(orders(*[busy] * 90).held) == 10
    assert len(orders(*[busy] * 30, urgent=True).held) == 10


@examples(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 8), st.integers(1, 60)), max_size=15))
def test_no_ten_seconds_get_more_orders_of_an_account_than_allowed(
    batches: list[tuple[float, int]],
) -> None:
    account, placed, now = uuid.uuid4(), [], MINUTE
    with an_address():
        for pause, count in batches:
            now += pause
            placed.append((now, count - len(orders(*[account] * count, urgent=True, now=now).held)))

    for end, _ in placed:
        window = [count for at, count in placed if end - 10 < at <= end]
        assert sum(window) <= budget.ORDERS_PER_10_SECONDS


# --- Redis away or emptied ------------------------------------------------------------------


def test_without_redis_a_process_has_a_small_share_and_no_more() -> None:
    with without_redis():
        assert take(1, count=50).granted == LIMIT * budget.ALONE_SHARE // 100 * 80 // 100
        assert take(1, urgent=True).granted == 1


def test_without_redis_what_redis_had_granted_still_counts() -> None:
    take(30, now=MINUTE)

    with without_redis():
        assert take(1, now=MINUTE + 30).granted == 0
        assert take(1, now=MINUTE + 61).granted == 1


def test_what_was_granted_without_redis_is_counted_when_it_is_back() -> None:
    take(1, now=MINUTE)
    with without_redis():
        assert take(7, now=MINUTE + 1).granted == 1
    take(1, now=MINUTE + 3)
    take(1, now=MINUTE + 3)
    another_process()

    assert take(1, count=100, now=MINUTE + 4).granted == 80 - 1 - 7 - 2


def test_an_emptied_redis_is_told_what_was_granted() -> None:
    take(70, now=MINUTE)
    redis.Redis.from_url(settings.REDIS_URL).flushdb()

    assert take(1, count=50, now=MINUTE + 1).granted == 10


def test_an_unreachable_redis_is_not_asked_at_every_turn(caplog: pytest.LogCaptureFixture) -> None:
    with without_redis():
        for _ in range(20):
            take(1, now=MINUTE)

    assert caplog.text.count("Shared Budget Unavailable") == 1


def test_time_is_that_of_redis_when_none_is_given() -> None:
    assert budget.take(exchange=BINANCE, weights=[80], urgent=False).granted == 1

    waiting = budget.take(exchange=BINANCE, weights=[1], urgent=False)

    assert waiting.granted == 0
    assert 55 < waiting.wait_seconds <= 61


def test_a_grant_costs_little() -> None:
    """One round trip for a batch: the fan-out asks for each chunk of followers."""
    with override_settings(EXCHANGE_WEIGHT_PER_MINUTE=10**6):
        accounts = [uuid.uuid4() for _ in range(50)]
        began = time.process_time()
        for _ in range(20):
            budget.take(exchange=BINANCE, weights=[1] * 50, urgent=False, accounts=accounts)

        assert (time.process_time() - began) / 20 < 0.01
