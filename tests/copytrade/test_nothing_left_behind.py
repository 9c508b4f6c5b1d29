"""What the master ended ends for every follower: resting orders, what was kept back, choices on stop."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from agora.sandbox.client import SandboxControl
from copytrade.exchange.types import OrderReport, OrderStatus, Trade
from copytrade.models import CopyOrder, CopyPosition, MasterOrder, Signal, Strategy, Subscription
from copytrade.replication import reconcile
from copytrade.replication.claims import Facts, Selection, claim
from copytrade.replication.sightings import record
from copytrade.services import subscriptions
from tests.copying import hold, mark, new_follower, new_strategy, new_subscription
from tests.copytrade.replicating import master_order, settle, signal, work

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


def _see(order: MasterOrder, status: OrderStatus, *, filled: str = "0") -> MasterOrder:
    """The order as the exchange tells it, with one trade for all that filled."""
    now, quantity = timezone.now(), D(filled)
    trade = Trade(
        id=f"{order.pk.int % 10**9}",
        order_id="7",
        symbol=order.symbol,
        side="SELL" if order.side == "SELL" else "BUY",
        price=D(50_000),
        quantity=quantity,
        quote_quantity=quantity * 50_000,
        fee=D(0),
        fee_asset="USDT",
        at=now,
        maker=False,
    )
    report = OrderReport(
        id=f"{order.pk.int % 10**9}",
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=trade.side,
        type=order.type,
        status=status,
        quantity=order.quantity,
        price=order.price,
        filled=quantity,
        quote_filled=quantity * 50_000,
        created_at=now,
        at=now,
        trades=(trade,) if quantity else (),
    )
    with transaction.atomic():
        return record(order=order, report=report, trades=report.trades, now=now)


def _placed(strategy: Strategy, **changes: Any) -> MasterOrder:
    later = strategy.created_at + timedelta(seconds=1)
    return master_order(strategy, state="WORKING", placed_at=later, **changes)


@pytest.fixture
def resting() -> CopyOrder:
    """A follower's order that rests although the master's own was filled."""
    strategy = new_strategy(copy_on="accept")
    new_subscription(strategy=strategy)
    order = _placed(strategy, type="LIMIT")
    _see(order, "NEW")
    leg = CopyOrder.objects.get()
    CopyOrder.objects.filter(pk=leg.pk).update(state="WORKING", sent=D("0.01"), price=D(50_000))
    _see(order, "FILLED", filled="0.01")
    return leg


def test_orders_still_resting_are_cancelled_once_the_master_sold_all(resting: CopyOrder) -> None:
    _see(_placed(resting.signal.strategy, side="SELL"), "FILLED", filled="0.01")

    cancel = CopyOrder.objects.get(kind=Signal.Kind.CANCEL)
    assert (cancel.state, cancel.reason) == ("PLANNED", "")
    (facts,) = _claimed(cancel)
    assert facts.target_id == resting.pk


def test_orders_keep_resting_while_the_master_holds_a_part(resting: CopyOrder) -> None:
    _see(_placed(resting.signal.strategy, side="SELL", quantity="0.004"), "FILLED", filled="0.004")

    assert not Signal.objects.filter(kind=Signal.Kind.CANCEL).exists()


def test_orders_that_the_master_still_rests_too_are_not_cancelled() -> None:
    strategy = new_strategy(copy_on="accept")
    new_subscription(strategy=strategy)
    hold(strategy)
    _see(_placed(strategy, type="LIMIT"), "NEW")
    CopyOrder.objects.update(state="WORKING")

    _see(_placed(strategy, side="SELL"), "FILLED", filled="0.01")

    assert not Signal.objects.filter(kind=Signal.Kind.CANCEL).exists()


@pytest.mark.parametrize("state", ["PAUSED", "REDUCING"])
def test_orders_do_not_rest_while_only_closes_are_copied(
    sandbox: SandboxControl, state: str
) -> None:
    sandbox.binance.price("BTCUSDT", "50000")
    strategy = new_strategy(copy_on="accept")
    hold(strategy)
    subscription = new_subscription(strategy=strategy, follower=new_follower(control=sandbox))
    opened = signal(strategy, type="LIMIT", price=D(40_000))
    work(opened)
    assert CopyOrder.objects.get(signal=opened).state == "WORKING"

    Subscription.objects.update(state=state, next_attempt_at=timezone.now())
    reconcile.reconcile(subscription_id=subscription.pk, now=timezone.now())

    cancel = Signal.objects.get(kind=Signal.Kind.CANCEL)
    assert [leg.state for leg in settle(cancel)] == ["DONE"]
    assert CopyOrder.objects.get(signal=opened).state == "CANCELLED"


def test_pausing_has_resting_orders_looked_at_at_once() -> None:
    subscription = new_subscription()

    subscriptions.pause(
        user=subscription.follower, subscription_id=subscription.pk, now=timezone.now()
    )

    subscription.refresh_from_db()
    assert subscription.next_attempt_at is not None
    assert subscription.next_attempt_at <= timezone.now()


@pytest.mark.parametrize(
    ("sold", "left"), [("0.01", "0"), ("0.0025", "0.0015")], ids=["all", "a quarter"]
)
def test_what_was_kept_for_the_next_open_goes_with_what_the_master_sold(
    sandbox: SandboxControl, sold: str, left: str
) -> None:
    strategy = new_strategy()
    subscription = new_subscription(strategy=strategy)
    CopyPosition.objects.create(
        subscription=subscription,
        symbol="BTC/USDT",
        carried=D("0.002"),
        updated_at=timezone.now(),
    )

    (leg,) = settle(signal(strategy, kind="CLOSE", quantity=sold, before="0.01"))

    assert (leg.state, leg.reason) == ("SKIPPED", "no_position")
    assert CopyPosition.objects.get().carried == D(left)


def test_what_a_follower_keeps_on_stop_is_not_sold_with_the_master() -> None:
    strategy = new_strategy()
    subscription = new_subscription(
        strategy=strategy,
        state="STOPPING",
        on_stop=Subscription.OnStop.KEEP,
    )
    hold(subscription)

    published = signal(strategy, kind="CLOSE", before="0.01")

    leg = CopyOrder.objects.get(signal=published)
    assert (leg.state, leg.reason) == ("SKIPPED", "subscription_stopping")


def _claimed(leg: CopyOrder) -> list[Facts]:
    with transaction.atomic():
        return claim(Selection(ids=[leg.pk]), limit=1)


@pytest.mark.parametrize(
    ("left", "outcome"),
    [("0.004", ("FILLED", D("0.004"))), ("0.00001", ("REJECTED", D(0)))],
    ids=["some", "dust"],
)
def test_a_close_sells_what_is_left_when_the_person_sold_some_by_hand(
    sandbox: SandboxControl, left: str, outcome: tuple[str, Decimal]
) -> None:
    sandbox.binance.price("BTCUSDT", "50000")
    follower = new_follower(control=sandbox, balances={"USDT": "100", "BTC": left})
    strategy = new_strategy()
    hold(new_subscription(strategy=strategy, follower=follower), quantity="0.01")

    (leg,) = settle(signal(strategy, kind="CLOSE", before="0.01"))

    assert (leg.state, leg.filled) == outcome
    assert (leg.reason, leg.attention) == ("insufficient_funds", True)


def test_a_close_waits_until_it_is_known_what_resting_orders_bought(
    sandbox: SandboxControl,
) -> None:
    sandbox.binance.price("BTCUSDT", "50000")
    strategy = new_strategy(copy_on="accept")
    subscription = new_subscription(strategy=strategy, follower=new_follower(control=sandbox))
    opened = signal(strategy, type="LIMIT", price=D(45_000))
    work(opened)
    sandbox.binance.price("BTCUSDT", "44000")  # theirs fills with the master's, a minute unseen

    close = signal(strategy, kind="CLOSE", quantity="0.005", before="0.01", price=D(44_000))
    work(close)
    assert CopyOrder.objects.get(signal=close).state == "PLANNED"
    work(opened)  # as it was nudged to
    (leg,) = settle(close)

    assert CopyOrder.objects.get(signal=opened).filled == D("0.001")
    assert (leg.state, leg.filled) == ("FILLED", D("0.00049"))  # half of it, after its fee
    assert CopyPosition.objects.get(subscription=subscription).quantity == D("0.000509")


def test_a_close_does_not_wait_for_ever_for_a_resting_order(sandbox: SandboxControl) -> None:
    sandbox.binance.price("BTCUSDT", "50000")
    strategy = new_strategy(copy_on="accept")
    follower = new_follower(control=sandbox, balances={"USDT": "1000", "BTC": "0.01"})
    hold(new_subscription(strategy=strategy, follower=follower), quantity="0.01")
    work(signal(strategy, type="LIMIT", price=D(45_000)))
    close = signal(strategy, kind="CLOSE", before="0.01")
    CopyOrder.objects.filter(signal=close).update(created_at=timezone.now() - timedelta(minutes=1))
    CopyOrder.objects.exclude(signal=close).update(
        created_at=timezone.now() - timedelta(minutes=2),
        updated_at=timezone.now() - timedelta(minutes=2),
    )

    (leg,) = settle(close)

    assert (leg.state, leg.filled) == ("FILLED", D("0.01"))


def test_positions_that_are_to_be_kept_are_no_orphans_of_a_deleted_strategy() -> None:
    strategy = new_strategy(state="DELETED")
    subscription = new_subscription(
        strategy=strategy, on_stop=Subscription.OnStop.KEEP, next_attempt_at=timezone.now()
    )
    hold(subscription)
    mark()

    reconcile.reconcile(subscription_id=subscription.pk, now=timezone.now())

    subscription.refresh_from_db()
    assert (subscription.state, subscription.state_reason) == ("STOPPED", "strategy_deleted")
    assert not Signal.objects.exists()


def test_a_close_of_more_than_one_order_may_sell_takes_several(sandbox: SandboxControl) -> None:
    sandbox.binance.price("BTCUSDT", "50000")
    follower = new_follower(control=sandbox, balances={"USDT": "100", "BTC": "250"})
    strategy = new_strategy()
    hold(new_subscription(strategy=strategy, follower=follower), quantity="250")

    legs = settle(signal(strategy, kind="CLOSE", quantity="0.006", before="0.01"), limit=30)

    assert [leg.state for leg in legs] == ["FILLED", "FILLED"]
    assert sum(leg.filled for leg in legs) == 150
