"""A master learns of followers in sum only: what one of them alone did stays theirs."""

from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from copytrade.models import Signal, Subscription
from copytrade.replication.publish import publish
from copytrade.selectors import desk, explain
from tests.copying import hold, new_strategy, new_subscription
from tests.copytrade.replicating import signal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def subscription() -> Subscription:
    return new_subscription(strategy=new_strategy())


@pytest.fixture
def stop(subscription: Subscription) -> Signal:
    """A follower's own close on stop."""
    hold(subscription)
    now = timezone.now()
    with transaction.atomic():
        made = publish(
            strategy=subscription.strategy,
            kind=Signal.Kind.CLOSE,
            symbol="BTC/USDT",
            type="MARKET",
            price=Decimal(50_000),
            at=now,
            now=now,
            cumulative=Decimal(1),
            position_before=Decimal(1),
            cause=Signal.Cause.STOP,
            subscription=subscription,
        )
        transaction.get_connection().run_on_commit.clear()
    assert made is not None
    return made


def test_what_one_follower_did_is_not_the_masters_to_see(
    subscription: Subscription, stop: Signal
) -> None:
    strategy = subscription.strategy

    assert list(explain.signals_for(strategy.master)) == []
    assert desk.desk_of(strategy=strategy, now=timezone.now()).signals == []
    with pytest.raises(Signal.DoesNotExist):
        explain.signal_for(user=strategy.master, signal_id=stop.pk)


def test_its_follower_sees_it(subscription: Subscription, stop: Signal) -> None:
    assert list(explain.signals_for(subscription.follower)) == [stop]


def test_masters_see_what_they_gave(subscription: Subscription) -> None:
    given = signal(subscription.strategy)

    assert list(explain.signals_for(subscription.strategy.master)) == [given]
    shown = desk.desk_of(strategy=subscription.strategy, now=timezone.now()).signals
    assert shown == [given]
