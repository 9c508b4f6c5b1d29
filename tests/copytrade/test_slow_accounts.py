"""One slow or failing account never delays the others."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from agora.sandbox.client import SandboxControl
from copytrade.exchange import runner
from copytrade.models import CopyOrder, Signal, Subscription
from tests.copying import mark, new_follower, new_strategy, new_subscription
from tests.copytrade.replicating import settle, signal, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault]
PLACE = "POST /binance/api/v3/order"
SLOW = 4


@pytest.fixture
def opened(sandbox: SandboxControl) -> Iterator[Signal]:
    """A signal for 40 followers, of whom the exchange answers the first four not in time."""
    sandbox.binance.price("BTCUSDT", "50000")
    mark("BTC/USDT", "50000")
    strategy = new_strategy()
    for _ in range(40):
        new_subscription(
            strategy=strategy,
            follower=new_follower(control=sandbox),
            sizing=Subscription.Sizing.MULTIPLIER,
        )
    published = signal(strategy)
    for leg in published.legs.filter(rank__lte=SLOW):
        sandbox.fault(PLACE, "delay", delay=4, after=True, match=leg.client_order_id)
    yield published
    runner.close()


def test_everybody_else_is_done_before_the_slow_ones_time_is_up(opened: Signal) -> None:
    work(opened)

    done = opened.legs.filter(state="FILLED")
    assert set(done.values_list("rank", flat=True)) == set(range(SLOW + 1, 41))
    given = opened.legs.filter(rank__lte=SLOW)
    assert set(given.values_list("state", flat=True)) == {"SENDING"}
    latest = max(leg.accepted_at for leg in done if leg.accepted_at)
    assert all(leg.asked_at for leg in given)
    # The first of them was asked before all others, and would have been waited for until then.
    assert latest < min(leg.asked_at for leg in given if leg.asked_at) + timedelta(seconds=3)


def test_the_slow_ones_are_found_at_the_exchange_and_not_sent_again(
    opened: Signal, sandbox: SandboxControl
) -> None:
    legs = settle(opened, limit=40)

    assert {leg.state for leg in legs} == {"FILLED"}
    placed = [e for e in sandbox.journal() if e["method"] == "POST"]
    names = [e["keys"].get("newClientOrderId") for e in placed]
    assert all(names.count(leg.client_order_id) == 1 for leg in legs)
    assert CopyOrder.objects.filter(sends=1).count() == 40
