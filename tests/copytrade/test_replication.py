"""From a signal to the followers' orders, judged by the exchange sandbox's own books (EXE-1)."""

import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Notice
from agora.sandbox.client import SandboxControl
from copytrade.models import CopyOrder, CopyPosition, Fill, LedgerEntry, RiskLimits, Subscription
from copytrade.replication.risk import USER_DAILY_LOSS
from tests.copying import hold, mark, new_account, new_follower, new_strategy, new_subscription
from tests.copytrade.replicating import settle, signal, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _price(sandbox: SandboxControl) -> None:
    sandbox.binance.price("BTCUSDT", "50000")
    mark("BTC/USDT", "50000")


def _orders(sandbox: SandboxControl, label: str) -> list[dict[str, object]]:
    return sandbox.binance.orders(label)


def test_an_open_is_bought_in_proportion_to_equity(sandbox: SandboxControl) -> None:
    strategy = new_strategy()
    follower = new_follower(control=sandbox)
    new_subscription(strategy=strategy, follower=follower, allocated=Decimal(1000))

    (leg,) = settle(signal(strategy, quantity="0.01", equity="10000"))

    assert (leg.state, leg.reason) == ("FILLED", "")
    assert leg.ideal == leg.rounded == leg.sent == leg.filled == Decimal("0.001")
    (order,) = _orders(sandbox, follower.label)
    assert Decimal(str(order["executed"])) == Decimal("0.001")
    assert order["client_id"] == leg.client_order_id


def test_a_fill_is_booked_with_entries_and_position(sandbox: SandboxControl) -> None:
    strategy = new_strategy()
    follower = new_follower(control=sandbox)
    subscription = new_subscription(strategy=strategy, follower=follower)

    settle(signal(strategy))

    fill = Fill.objects.get(account=follower.account)
    position = CopyPosition.objects.get(subscription=subscription)
    assert position.quantity == fill.quantity - fill.fee
    assert position.cost == fill.quote_quantity
    kinds = LedgerEntry.objects.filter(fill=fill).values_list("kind", flat=True)
    assert sorted(kinds) == ["base", "fee", "quote"]


def test_a_close_sells_the_same_fraction_and_flat_means_flat(sandbox: SandboxControl) -> None:
    strategy = new_strategy()
    follower = new_follower(control=sandbox)
    subscription = new_subscription(
        strategy=strategy, follower=follower, sizing=Subscription.Sizing.MULTIPLIER
    )
    settle(signal(strategy, quantity="0.01"))

    (half,) = settle(signal(strategy, kind="CLOSE", quantity="0.005", before="0.01"))
    (rest,) = settle(signal(strategy, kind="CLOSE", quantity="0.005", before="0.005"))

    assert (half.state, rest.state) == ("FILLED", "FILLED")
    position = CopyPosition.objects.get(subscription=subscription)
    assert position.quantity < Decimal("0.00001")  # less than the exchange's step remains


def test_every_follower_has_a_row_and_only_those_due_an_order(sandbox: SandboxControl) -> None:
    strategy = new_strategy()
    followers = [new_follower(control=sandbox) for _ in range(5)]
    subscriptions = [new_subscription(strategy=strategy, follower=f) for f in followers]
    Subscription.objects.filter(pk=subscriptions[0].pk).update(state="PAUSED")
    Subscription.objects.filter(pk=subscriptions[1].pk).update(symbols=["ETH/USDT"])

    legs = settle(signal(strategy))

    assert sorted((leg.state, leg.reason) for leg in legs) == [
        ("FILLED", ""),
        ("FILLED", ""),
        ("FILLED", ""),
        ("SKIPPED", "subscription_paused"),
        ("SKIPPED", "symbol_not_allowed"),
    ]
    placed = [len(_orders(sandbox, f.label)) for f in followers]
    assert placed == [0, 0, 1, 1, 1]


@pytest.mark.fault
def test_a_slow_account_keeps_no_worker_waiting(sandbox: SandboxControl, settings: Any) -> None:
    settings.COPY_SEND_TIMEOUT = 30
    strategy = new_strategy()
    followers = [new_follower(control=sandbox) for _ in range(12)]
    for follower in followers:
        new_subscription(strategy=strategy, follower=follower)
    published = signal(strategy)
    slow = CopyOrder.objects.filter(signal=published).order_by("rank").first()
    assert slow is not None
    sandbox.fault("POST /binance/api/v3/order", "delay", delay=20, match=slow.client_order_id)

    began = time.monotonic()
    work(published)

    assert time.monotonic() - began < 10
    slow.refresh_from_db()
    assert (slow.state, slow.lease_token) == ("SENDING", None)
    assert CopyOrder.objects.filter(signal=published, state="FILLED").count() == 11


def test_a_follower_is_told_that_a_close_was_refused(sandbox: SandboxControl) -> None:
    strategy = new_strategy()
    follower = new_follower(control=sandbox)
    new_subscription(strategy=strategy, follower=follower)
    settle(signal(strategy))
    sandbox.binance.script(account=follower.label, outcome="reject", message="Not now.")

    (leg,) = settle(signal(strategy, kind="CLOSE", quantity="0.01", before="0.01"))

    assert leg.state == "REJECTED"
    notice = Notice.objects.get(user=follower.user, kind="close-refused")
    assert str(leg.pk) in notice.url


def test_nothing_is_copied_in_proportion_to_an_equity_that_is_not_known(
    sandbox: SandboxControl,
) -> None:
    strategy = new_strategy()
    follower = new_follower(control=sandbox)
    new_subscription(strategy=strategy, follower=follower)

    (leg,) = settle(signal(strategy, equity="0"))

    assert (leg.state, leg.reason) == ("SKIPPED", "risk_stale")
    assert _orders(sandbox, follower.label) == []


def test_what_a_person_lost_elsewhere_today_counts_as_an_open_is_sent(
    sandbox: SandboxControl,
) -> None:
    strategy = new_strategy()
    follower = new_follower(control=sandbox)
    here = new_subscription(strategy=strategy, follower=follower)
    elsewhere = new_subscription(
        follower=replace(follower, account=new_account(user=follower.user))
    )
    hold(elsewhere, symbol="BTC/USDT", quantity="0.01", price="56000")  # 60 USDT above its price
    RiskLimits.objects.create(user=follower.user, daily_loss=Decimal(50), updated_at=timezone.now())

    (leg,) = settle(signal(strategy))

    assert (leg.state, leg.reason) == ("SKIPPED", "risk_reducing")
    assert _orders(sandbox, follower.label) == []
    here.refresh_from_db()
    assert (here.state, here.state_reason) == ("REDUCING", USER_DAILY_LOSS)
