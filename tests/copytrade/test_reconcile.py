"""What a subscription's legs missed is found at the exchange within one period (EXE-1)."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from agora.sandbox.client import SandboxControl
from compliance.models import AuditRow
from copytrade.models import CopyOrder, CopyPosition, Fill, MasterOrder, Signal, Subscription
from copytrade.replication import reconcile
from copytrade.selectors.drift import drift, drifts
from tests.copying import hold, mark, new_follower, new_strategy, new_subscription
from tests.copytrade.replicating import master_order, settle, signal
from tests.faults.worker import wait_until
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


@pytest.fixture(autouse=True)
def _price(sandbox: SandboxControl) -> None:
    sandbox.binance.price("BTCUSDT", "50000")
    mark("BTC/USDT", "50000")


def _copied(sandbox: SandboxControl) -> tuple[Subscription, CopyOrder]:
    """A follower who copied the master's buy; the master still holds it."""
    strategy = new_strategy()
    hold(strategy, quantity="0.01")
    subscription = new_subscription(strategy=strategy, follower=new_follower(control=sandbox))
    (leg,) = settle(signal(strategy))
    assert leg.state == "FILLED"
    return subscription, leg


def _reconcile(subscription: Subscription) -> Subscription:
    Subscription.objects.filter(pk=subscription.pk).update(next_attempt_at=timezone.now())
    reconcile.reconcile(subscription_id=subscription.pk, now=timezone.now())
    found = Subscription.objects.get(pk=subscription.pk)
    assert found.last_error == "", found.last_error
    return found


def _forget(leg: CopyOrder, **changes: object) -> None:
    """Put the row back to what it was before the exchange's last word, trades unbooked."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM copytrade_ledgerentry WHERE account_id = %s", [leg.account_id])
        cursor.execute("DELETE FROM copytrade_fill WHERE copy_order_id = %s", [leg.pk])
        cursor.execute("SET session_replication_role = origin")
    CopyPosition.objects.filter(subscription=leg.subscription_id).delete()
    CopyOrder.objects.filter(pk=leg.pk).update(updated_at=timezone.now(), **changes)


def test_nothing_drifts_after_a_copy(sandbox: SandboxControl) -> None:
    subscription, _leg = _copied(sandbox)

    assert drifts(subscription=subscription) == {}


def test_drift_is_what_the_exchange_has_beyond_the_position(sandbox: SandboxControl) -> None:
    subscription, leg = _copied(sandbox)
    CopyPosition.objects.filter(subscription=subscription).update(quantity=0)

    assert drift(subscription=subscription, symbol="BTC/USDT") == leg.filled * D("0.999")


def test_what_others_trade_on_the_account_is_no_drift(sandbox: SandboxControl) -> None:
    _subscription, leg = _copied(sandbox)
    other = new_subscription(strategy=new_strategy(), follower=None)
    Subscription.objects.filter(pk=other.pk).update(account=leg.account_id)
    other.refresh_from_db()

    assert drift(subscription=other, symbol="BTC/USDT") == 0


def test_a_fill_after_the_end_is_booked_and_alarmed(sandbox: SandboxControl) -> None:
    subscription, leg = _copied(sandbox)
    _forget(leg, state="CANCELLED", reason="price_moved", filled=0, quote_filled=0)
    assert drifts(subscription=subscription)

    _reconcile(subscription)

    found = CopyOrder.objects.get(pk=leg.pk)
    assert (found.state, found.filled, found.attention) == ("FILLED", leg.filled, True)
    assert drifts(subscription=subscription) == {}
    assert AuditRow.objects.filter(action="copy_order.filled_after_end").count() == 1


def test_trades_that_were_not_booked_are(sandbox: SandboxControl) -> None:
    subscription, leg = _copied(sandbox)
    _forget(leg)

    _reconcile(subscription)
    _reconcile(subscription)

    assert Fill.objects.filter(copy_order=leg).count() == 1
    assert drifts(subscription=subscription) == {}


def test_a_subscription_without_doubtful_legs_asks_the_exchange_nothing(
    sandbox: SandboxControl,
) -> None:
    subscription, _leg = _copied(sandbox)
    _reconcile(subscription)
    before = sandbox.binance.summary()["requests"]

    found = _reconcile(subscription)

    assert sandbox.binance.summary()["requests"] == before
    assert found.reconciled_at is not None
    assert found.next_attempt_at is not None


def test_what_the_master_holds_no_more_is_closed_once(sandbox: SandboxControl) -> None:
    subscription, _leg = _copied(sandbox)
    subscription.strategy.positions.all().delete()

    _reconcile(subscription)
    _reconcile(subscription)

    orphan = Signal.objects.get(cause="orphan")
    assert (orphan.kind, orphan.subscription_id) == ("CLOSE", subscription.pk)
    (leg,) = settle(orphan)
    assert leg.state == "FILLED"
    _reconcile(subscription)
    assert Signal.objects.filter(cause="orphan").count() == 1
    assert CopyPosition.objects.get(subscription=subscription).quantity < D("0.00001")


def test_nothing_is_closed_while_the_masters_order_is_open(sandbox: SandboxControl) -> None:
    subscription, _leg = _copied(sandbox)
    subscription.strategy.positions.all().delete()
    order = master_order(subscription.strategy, type="LIMIT", state="WORKING")

    _reconcile(subscription)
    assert not Signal.objects.filter(cause="orphan").exists()

    MasterOrder.objects.filter(pk=order.pk).update(state="CANCELLED")
    _reconcile(subscription)
    assert Signal.objects.filter(cause="orphan").exists()


def test_what_the_master_buys_in_this_moment_is_not_closed(
    sandbox: SandboxControl, settings: Settings, tmp_path: Path
) -> None:
    settings.FAILPOINTS_DIR = str(tmp_path)
    subscription, _leg = _copied(sandbox)
    subscription.strategy.positions.all().delete()
    armed = tmp_path / "reconcile.orphan.before_commit"
    armed.write_text("pause 1")

    def both(number: int) -> None:
        if number == 0:
            _reconcile(subscription)
            return
        wait_until(lambda: not armed.exists(), limit=20, what="that the close is about to be made")
        hold(subscription.strategy, quantity="0.01")

    assert at_once(2, both) == [None, None]

    assert not Signal.objects.filter(cause="orphan").exists()


def test_nothing_is_closed_while_the_master_holds_it(sandbox: SandboxControl) -> None:
    subscription, _leg = _copied(sandbox)

    _reconcile(subscription)

    assert not Signal.objects.filter(cause="orphan").exists()


def test_what_is_too_small_to_be_sold_is_left(sandbox: SandboxControl) -> None:
    strategy = new_strategy()
    subscription = new_subscription(strategy=strategy, follower=new_follower(control=sandbox))
    hold(subscription, quantity="0.00001")

    _reconcile(subscription)

    assert not Signal.objects.exists()


def test_a_leg_that_nobody_would_look_at_again_is_due(sandbox: SandboxControl) -> None:
    subscription, leg = _copied(sandbox)
    CopyOrder.objects.filter(pk=leg.pk).update(state="WORKING", next_attempt_at=None)

    _reconcile(subscription)

    assert CopyOrder.objects.get(pk=leg.pk).next_attempt_at is not None


def test_a_stop_is_finished_and_the_comparison_ends_with_it(sandbox: SandboxControl) -> None:
    subscription, _leg = _copied(sandbox)
    Subscription.objects.filter(pk=subscription.pk).update(state="STOPPING", on_stop="keep")

    found = _reconcile(subscription)

    assert (found.state, found.next_attempt_at) == ("STOPPED", None)


def test_an_exchange_that_is_away_is_asked_again_soon(sandbox: SandboxControl) -> None:
    subscription, leg = _copied(sandbox)
    _forget(leg)
    sandbox.fault("GET /binance/api/v3/order", "status", count=None)
    Subscription.objects.filter(pk=subscription.pk).update(next_attempt_at=timezone.now())

    reconcile.reconcile(subscription_id=subscription.pk, now=timezone.now())

    found = Subscription.objects.get(pk=subscription.pk)
    assert found.last_error
    assert found.reconciled_at is None
    assert found.next_attempt_at is not None
    assert found.next_attempt_at < timezone.now() + timedelta(seconds=60)
    sandbox.clear_faults()
    _reconcile(subscription)
    assert drifts(subscription=subscription) == {}
