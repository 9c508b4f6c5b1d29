"""Limits of a person hold over all of their subscriptions together, at the moment of sending (RISK-1)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from copytrade.models import CopyOrder, MarkPrice, RiskLimits, Subscription
from copytrade.replication.claims import Facts, Selection, claim
from copytrade.replication.planning import Decision, Send, Skip, decide
from tests.copying import hold, mark, new_follower, new_strategy, new_subscription
from tests.copytrade.replicating import signal
from tests.copytrade.rules import a_market

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


@pytest.fixture
def other() -> Subscription:
    """One of two subscriptions of a person who wants to hold at most 600 USDT in all."""
    first = new_follower()
    subscription = new_subscription(strategy=new_strategy(), follower=first)
    RiskLimits.objects.create(user=first.user, max_exposure=D(600), updated_at=timezone.now())
    mark()
    return subscription


def _opening(other: Subscription) -> tuple[Facts, Decision]:
    """What is decided about an open of 500 USDT for the person's second subscription."""
    second = new_follower(user=other.follower)
    strategy = new_strategy()
    subscription = new_subscription(
        strategy=strategy, follower=second, sizing="fixed", factor=D(500)
    )
    leg = CopyOrder.objects.get(signal=signal(strategy), subscription=subscription)
    with transaction.atomic():
        (facts,) = claim(Selection(ids=[leg.pk]), limit=1)
    market = {"BTC/USDT": a_market()}
    return facts, decide(facts, switches=[], markets=market, now=timezone.now())


def test_an_open_within_the_limit_is_sent(other: Subscription) -> None:
    _facts, decision = _opening(other)

    assert isinstance(decision, Send)
    assert decision.sized.reason == ""


def test_what_another_subscription_holds_counts(other: Subscription) -> None:
    hold(other, quantity="0.01")

    facts, decision = _opening(other)

    assert facts.person_value == 500
    assert isinstance(decision, Send)
    assert decision.sized.reason == "risk_max_exposure"
    assert decision.order.quantity * D(50_250) <= 100


def test_what_another_subscription_has_resting_counts(other: Subscription) -> None:
    resting = CopyOrder.objects.get(signal=signal(other.strategy, type="LIMIT"))
    CopyOrder.objects.filter(pk=resting.pk).update(
        state="WORKING", sent=D("0.01"), price=D(50_000), quote_filled=D(100)
    )

    facts, decision = _opening(other)

    assert facts.person_value == 400
    assert isinstance(decision, Send)
    assert decision.sized.reason == "risk_max_exposure"


@pytest.mark.parametrize("age", [timedelta(minutes=5), None], ids=["old", "none"])
def test_nothing_is_opened_while_a_price_of_another_subscription_is_not_known(
    other: Subscription, age: timedelta | None
) -> None:
    hold(other, symbol="ETH/USDT", quantity="0.01", price="3000")
    if age is not None:
        mark("ETH/USDT", "3000", at=timezone.now() - age)

    _facts, decision = _opening(other)

    assert isinstance(decision, Skip)
    assert decision.reason == "risk_stale"
    assert MarkPrice.objects.filter(symbol="ETH/USDT").exists() is (age is not None)
