"""The most open pairs counts what can be sold, not the dust that every close leaves."""

from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from copytrade.models import CopyOrder, Subscription
from copytrade.replication.claims import Selection, claim
from copytrade.replication.planning import Decision, Send, Skip, decide
from tests.copying import hold, mark, new_strategy, new_subscription
from tests.copytrade.replicating import signal
from tests.copytrade.rules import a_market

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def subscription() -> Subscription:
    """It may hold one pair at a time."""
    mark("BTC/USDT", "50000")
    mark("ETH/USDT", "3000")
    return new_subscription(strategy=new_strategy(), max_open=1)


def _open_bitcoin(subscription: Subscription) -> Decision:
    leg = CopyOrder.objects.get(signal=signal(subscription.strategy))
    with transaction.atomic():
        (facts,) = claim(Selection(ids=[leg.pk]), limit=1)
    market = {"BTC/USDT": a_market()}
    return decide(facts, switches=[], markets=market, now=timezone.now())


def test_dust_of_another_pair_takes_no_place(subscription: Subscription) -> None:
    hold(subscription, symbol="ETH/USDT", quantity="0.00009", price="3000")

    assert isinstance(_open_bitcoin(subscription), Send)


def test_dust_of_the_pair_itself_gives_no_place(subscription: Subscription) -> None:
    hold(subscription, symbol="BTC/USDT", quantity="0.000009")
    hold(subscription, symbol="ETH/USDT", quantity="0.1", price="3000")

    decision = _open_bitcoin(subscription)

    assert isinstance(decision, Skip)
    assert decision.reason == "max_open_reached"


def test_more_of_a_pair_that_is_held_needs_no_place(subscription: Subscription) -> None:
    hold(subscription, symbol="BTC/USDT", quantity=str(Decimal("0.001")))

    assert isinstance(_open_bitcoin(subscription), Send)
