"""Changing, pausing, resuming and stopping a subscription (SUB-1)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Notice, User
from agora.sandbox.client import SandboxControl
from compliance.models import AuditRow
from copytrade.exchange import runner
from copytrade.models import CopyOrder, CopyPosition, Signal, Strategy, Subscription
from copytrade.replication import stopping
from copytrade.replication.publish import publish
from copytrade.replication.risk import DAILY_LOSS
from copytrade.services import strategies, subscriptions
from copytrade.services.subscriptions import Changed, SubscriptionRefused
from tests.copying import hold, mark, new_follower, new_strategy, new_subscription
from tests.people import new_user
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def made() -> Subscription:
    return new_subscription(strategy=new_strategy(name="Steady"))


def change(
    made: Subscription,
    *,
    user: User | None = None,
    version: int | None = None,
    held: Decimal | None = Decimal(10_000),
    **changes: Any,
) -> Changed:
    return subscriptions.update(
        user=user or made.follower,
        subscription_id=made.pk,
        changes=changes,
        version=made.version if version is None else version,
        held=held,
        now=timezone.now(),
    )


def refusal(made: Subscription, **options: Any) -> SubscriptionRefused:
    before = Subscription.objects.values().get(pk=made.pk)
    with pytest.raises(SubscriptionRefused) as caught:
        change(made, **options)
    assert Subscription.objects.values().get(pk=made.pk) == before
    assert not Notice.objects.exists()
    return caught.value


# --- Changing -----------------------------------------------------------------------------------


def test_only_what_is_given_changes(made: Subscription) -> None:
    change(made, slippage_bps=30)
    made.refresh_from_db()
    assert (made.slippage_bps, made.allocated, made.version) == (30, 1000, 2)


def test_the_same_again_changes_and_tells_nothing(made: Subscription) -> None:
    pairs = made.symbols[::-1]
    change(made, allocated=Decimal("1000.00"), slippage_bps=50, symbols=pairs)
    made.refresh_from_db()
    assert made.version == 1
    assert not Notice.objects.exists()
    assert not AuditRow.objects.exists()


def test_a_change_is_recorded_with_before_and_after(made: Subscription) -> None:
    change(made, max_open=5)
    row = AuditRow.objects.get(action="subscription.changed")
    assert row.evidence["changes"] == {"max_open": [20, 5]}
    assert "apply to new orders only" in Notice.objects.get().text


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"allocated": Decimal(1001)}, "allocated"),
        ({"slippage_bps": 51}, "slippage_bps"),
        ({"max_open": 21}, "max_open"),
        ({"factor": Decimal("1.1")}, "factor"),
        ({"sizing": "multiplier"}, "factor"),
        ({"symbols": ["BTC/USDT", "ETH/USDT", "SOL/USDT"]}, "symbols"),
        ({"stop_loss_percent": None}, "stop_loss_percent"),
        ({"stop_loss_percent": Decimal(60)}, "stop_loss_percent"),
    ],
)
def test_widening_says_so(made: Subscription, changes: dict[str, Any], name: str) -> None:
    Subscription.objects.update(stop_equity=Decimal(500), symbols=["BTC/USDT", "ETH/USDT"])
    assert change(made, **changes).widened == [name]
    notice = Notice.objects.get()
    assert notice.level == "warning"
    assert "more risk" in notice.title


def test_narrowing_is_not_called_widening(made: Subscription) -> None:
    changes: dict[str, Any] = {
        "allocated": Decimal(900),
        "slippage_bps": 10,
        "max_open": 3,
        "factor": Decimal("0.5"),
        "symbols": ["BTC/USDT"],
        "stop_loss_percent": Decimal(10),
    }
    assert change(made, **changes).widened == []


def test_a_change_of_an_older_version_is_refused(made: Subscription) -> None:
    change(made, max_open=5)
    Notice.objects.all().delete()
    assert refusal(made, version=1, max_open=6).code == "changed_meanwhile"


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_at_once_one_is_refused(made: Subscription) -> None:
    outcomes = at_once(2, lambda number: change(made, version=1, max_open=5 + number))
    refused = [one.code for one in outcomes if isinstance(one, SubscriptionRefused)]
    assert refused == ["changed_meanwhile"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"allocated": Decimal(5)}, "allocated"),
        ({"allocated": Decimal(10_001)}, "allocated"),
        ({"slippage_bps": 1001}, "slippage_bps"),
        ({"symbols": []}, "symbols"),
        ({"symbols": ["DOGE/USDT"]}, "symbols"),
        ({"sizing": "fixed", "factor": Decimal(2000)}, "factor"),
        ({"stop_loss_percent": Decimal(1)}, "stop_loss_percent"),
    ],
)
def test_a_wrong_change_is_told_at_its_field(
    made: Subscription, changes: dict[str, Any], field: str
) -> None:
    error = refusal(made, **changes)
    assert [fault.field for fault in error.faults] == [field]


def test_more_is_not_allocated_than_is_free(made: Subscription) -> None:
    hold(made, quantity="0.01", price="50000")  # 500 of the 1,000 are spent
    assert refusal(made, held=Decimal(999), allocated=Decimal(1500)).code == "terms_invalid"
    assert change(made, held=Decimal(1000), allocated=Decimal(1500)).widened == ["allocated"]


def test_less_may_be_allocated_without_asking_the_exchange(made: Subscription) -> None:
    change(made, held=None, allocated=Decimal(500))
    assert refusal_of_more(made) == "terms_invalid"


def refusal_of_more(made: Subscription) -> str:
    made.refresh_from_db()
    Notice.objects.all().delete()
    return refusal(made, held=None, allocated=Decimal(600)).code


def test_pairs_that_the_master_dropped_may_stay(made: Subscription) -> None:
    Strategy.objects.update(symbols=["BTC/USDT"], min_equity=Decimal(5000))
    change(made, max_open=5)
    made.refresh_from_db()
    assert "SOL/USDT" in made.symbols


def test_the_stop_loss_counts_from_what_the_copy_is_worth(made: Subscription) -> None:
    hold(made, quantity="0.01", price="50000")
    mark("BTC/USDT", "60000")  # worth 1,100
    change(made, stop_loss_percent=Decimal(10))
    made.refresh_from_db()
    assert made.stop_equity == 990


def test_the_stop_loss_moves_with_the_allocation(made: Subscription) -> None:
    Subscription.objects.update(stop_equity=Decimal(800))
    change(made, allocated=Decimal(2000))
    made.refresh_from_db()
    assert made.stop_equity == 1600


def test_a_change_by_which_the_stop_loss_would_strike_is_refused(made: Subscription) -> None:
    Subscription.objects.update(stop_equity=Decimal(800))
    hold(made, quantity="0.01", price="50000")
    mark("BTC/USDT", "35000")  # worth 850
    error = refusal(made, allocated=Decimal(500))  # would be worth 350, and stop at 400
    assert [fault.code for fault in error.faults] == ["stop_loss_would_strike"]


@pytest.mark.parametrize("state", ["STOPPING", "STOPPED"])
def test_what_is_ending_cannot_be_changed(made: Subscription, state: str) -> None:
    Subscription.objects.update(state=state)
    assert refusal(made, max_open=5).code == "not_changeable"


# --- Pause and resume ---------------------------------------------------------------------------


def pause(made: Subscription) -> Subscription:
    return subscriptions.pause(user=made.follower, subscription_id=made.pk, now=timezone.now())


def resume(made: Subscription, *, confirm: bool = False) -> Subscription:
    return subscriptions.resume(
        user=made.follower, subscription_id=made.pk, confirm=confirm, now=timezone.now()
    )


def test_pausing_and_resuming_are_recorded_and_told(made: Subscription) -> None:
    assert pause(made).state == "PAUSED"
    assert pause(made).state == "PAUSED"
    assert resume(made).state == "ACTIVE"
    assert resume(made).state == "ACTIVE"
    actions = list(AuditRow.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["subscription.paused", "subscription.resumed"]
    assert Notice.objects.count() == 2


def test_only_what_copies_is_paused(made: Subscription) -> None:
    for state in ("STOPPING", "STOPPED"):
        Subscription.objects.update(state=state)
        with pytest.raises(SubscriptionRefused) as caught:
            pause(made)
        assert caught.value.code == "not_active"


def test_what_a_loss_limit_holds_back_may_be_paused_for_longer(made: Subscription) -> None:
    Subscription.objects.update(state="REDUCING", state_reason=DAILY_LOSS)

    assert pause(made).state == "PAUSED"


def test_a_limit_of_the_day_is_lifted_only_when_confirmed(made: Subscription) -> None:
    Subscription.objects.update(state="REDUCING", state_reason=DAILY_LOSS)
    with pytest.raises(SubscriptionRefused) as caught:
        resume(made)
    assert caught.value.code == "confirm_resume"
    assert resume(made, confirm=True).state == "ACTIVE"


def test_nothing_is_resumed_on_a_paused_account(made: Subscription) -> None:
    pause(made)
    type(made.account).objects.update(state="PAUSED")
    with pytest.raises(SubscriptionRefused) as caught:
        resume(made)
    assert caught.value.code == "account_paused"


def test_what_has_ended_is_not_resumed(made: Subscription) -> None:
    Subscription.objects.update(state="STOPPED")
    with pytest.raises(SubscriptionRefused) as caught:
        resume(made)
    assert caught.value.code == "not_paused"


def test_a_stranger_finds_nothing(made: Subscription) -> None:
    stranger, now = new_user(), timezone.now()
    for act in (subscriptions.pause, subscriptions.resume, subscriptions.stop):
        with pytest.raises(Subscription.DoesNotExist):
            act(user=stranger, subscription_id=made.pk, now=now)
    with pytest.raises(Subscription.DoesNotExist):
        change(made, user=stranger, max_open=5)


# --- Stopping -----------------------------------------------------------------------------------


@pytest.fixture
def _exchange(sandbox: SandboxControl) -> None:
    """The exchange's rules: lots of 0.00001 BTC, orders from 5 USDT."""
    runner.close()


def stop(made: Subscription, on_stop: str = "") -> Subscription:
    return subscriptions.stop(
        user=made.follower, subscription_id=made.pk, on_stop=on_stop, now=timezone.now()
    )


def finish(made: Subscription) -> bool:
    found = Subscription.objects.select_related("strategy", "follower").get(pk=made.pk)
    return stopping.finish_stop(subscription=found, now=timezone.now())


def copiers(made: Subscription) -> int:
    return Strategy.objects.get(pk=made.strategy_id).copiers


def leg(made: Subscription, *, state: str, kind: str = "OPEN", **changes: Any) -> CopyOrder:
    """A leg of the subscription in some state."""
    now = timezone.now()
    with transaction.atomic():
        signal = publish(
            strategy=made.strategy,
            kind=kind,
            symbol="BTC/USDT",
            type="LIMIT",
            price=Decimal(50_000),
            at=now,
            now=now,
            cumulative=Decimal(1),
            position_before=Decimal(1),
            subscription=made,
        )
        transaction.get_connection().run_on_commit.clear()
    CopyOrder.objects.filter(signal=signal).update(
        **{"state": state, "next_attempt_at": None, "price": 50_000, **changes}
    )
    return CopyOrder.objects.get(signal=signal)


def published() -> list[tuple[str, str, str]]:
    rows = Signal.objects.filter(cause="stop").order_by("number")
    return list(rows.values_list("kind", "symbol", "cause"))


def test_what_holds_nothing_ends_at_once(made: Subscription) -> None:
    ended = stop(made)
    assert (ended.state, ended.stopped_at is not None) == ("STOPPED", True)
    assert copiers(made) == 0
    assert not Signal.objects.exists()
    assert "Steady" in Notice.objects.get().title


def test_closing_publishes_one_close_for_each_pair_held(made: Subscription) -> None:
    hold(made, symbol="BTC/USDT")
    hold(made, symbol="ETH/USDT", quantity="0.5", price="2000")
    hold(made, symbol="SOL/USDT", quantity="0")
    mark("BTC/USDT", "60000")
    stopped = stop(made)
    assert stopped.state == "STOPPING"
    assert published() == [("CLOSE", "BTC/USDT", "stop"), ("CLOSE", "ETH/USDT", "stop")]
    assert copiers(made) == 1
    kinds = list(CopyOrder.objects.values_list("kind", "state"))
    assert kinds == [("CLOSE", "PLANNED")] * 2


def test_others_of_the_strategy_are_not_concerned(made: Subscription) -> None:
    other = new_subscription(strategy=made.strategy)
    hold(made)
    hold(other)
    stop(made)
    assert not CopyOrder.objects.filter(subscription=other).exists()
    other.refresh_from_db()
    assert other.state == "ACTIVE"


def test_keeping_cancels_what_rests_and_closes_nothing(made: Subscription) -> None:
    hold(made)
    leg(made, state="WORKING")
    stop(made, "keep")
    assert published() == [("CANCEL", "BTC/USDT", "stop")]
    made.refresh_from_db()
    assert (made.state, made.on_stop) == ("STOPPING", "keep")


def test_keeping_ends_when_nothing_is_open(made: Subscription) -> None:
    hold(made)
    resting = leg(made, state="WORKING")
    stop(made, "keep")
    assert not finish(made)
    CopyOrder.objects.filter(pk=resting.pk).update(state="CANCELLED")
    CopyOrder.objects.filter(kind="CANCEL").update(state="DONE")
    assert finish(made)
    made.refresh_from_db()
    assert made.state == "STOPPED"
    assert CopyPosition.objects.get(subscription=made).quantity > 0


def test_every_resting_order_is_cancelled_once(made: Subscription) -> None:
    leg(made, state="WORKING")
    leg(made, state="WORKING")
    stop(made)
    finish(made)
    finish(made)
    assert [kind for kind, *_rest in published()] == ["CANCEL", "CANCEL"]


@pytest.mark.usefixtures("_exchange")
def test_closing_ends_when_the_positions_are_sold(made: Subscription) -> None:
    hold(made)
    mark()
    stop(made)
    assert not finish(made)
    CopyPosition.objects.update(quantity=0, cost=0, realized=Decimal("-12.345"))
    assert not finish(made)  # the close is not known to have ended
    CopyOrder.objects.update(state="FILLED")
    assert finish(made)
    assert copiers(made) == 0
    notice = Notice.objects.get(kind="subscription-stopped")
    assert "-12.3" in notice.text
    assert finish(made)  # again: still ended, and told once
    assert copiers(made) == 0
    assert Notice.objects.filter(kind="subscription-stopped").count() == 1


@pytest.mark.usefixtures("_exchange")
def test_dust_does_not_keep_it_from_ending(made: Subscription) -> None:
    hold(made, quantity="0.00005", price="50000")  # 2.50 USDT, below the exchange's 5
    mark()
    stop(made)
    CopyOrder.objects.update(state="SKIPPED", reason="below_minimum")
    assert finish(made)


@pytest.mark.usefixtures("_exchange")
def test_what_a_close_left_is_closed_again(made: Subscription) -> None:
    hold(made)
    mark()
    stop(made)
    CopyOrder.objects.update(state="CANCELLED")  # sold in part only
    assert not finish(made)
    assert [kind for kind, *_rest in published()] == ["CLOSE", "CLOSE"]


@pytest.mark.usefixtures("_exchange")
def test_a_refused_close_is_not_sent_again_at_once(made: Subscription) -> None:
    hold(made)
    mark()
    stop(made)
    CopyOrder.objects.update(state="REJECTED", reason="rejected")
    assert not finish(made)
    assert len(published()) == 1
    CopyOrder.objects.update(updated_at=timezone.now() - timedelta(minutes=11))
    assert not finish(made)
    assert len(published()) == 2


def test_a_repeat_changes_nothing(made: Subscription) -> None:
    hold(made)
    stop(made)
    stop(made)
    assert len(published()) == 1
    assert AuditRow.objects.filter(action="subscription.stopping").count() == 1


def test_closing_can_be_given_up_for_an_account_that_cannot_sell(made: Subscription) -> None:
    hold(made)
    stop(made)
    stop(made, "keep")
    assert list(CopyOrder.objects.values_list("state", flat=True)) == ["SKIPPED"]
    assert finish(made)
    made.refresh_from_db()
    assert (made.state, made.on_stop) == ("STOPPED", "keep")


def test_an_unknown_choice_stops_nothing(made: Subscription) -> None:
    with pytest.raises(SubscriptionRefused) as caught:
        stop(made, "burn")
    assert caught.value.code == "on_stop_invalid"
    made.refresh_from_db()
    assert made.state == "ACTIVE"


@pytest.mark.django_db(transaction=True)
def test_stopping_at_once_frees_one_place(made: Subscription) -> None:
    new_subscription(strategy=made.strategy)
    assert copiers(made) == 2
    at_once(6, lambda _number: stop(made))
    assert copiers(made) == 1
    assert AuditRow.objects.filter(action="subscription.stopped").count() == 1


def test_a_deleted_strategy_stops_its_subscriptions_as_each_chose() -> None:
    strategy = new_strategy()
    closing = new_subscription(strategy=strategy, follower=new_follower())
    keeping = new_subscription(strategy=strategy, on_stop="keep")
    for one in (closing, keeping):
        hold(one)
    strategies.delete_strategy(master=strategy.master, strategy_id=strategy.pk, now=timezone.now())
    strategies.wind_down(strategy_id=strategy.pk, limit=10, now=timezone.now())
    closing.refresh_from_db()
    keeping.refresh_from_db()
    assert (closing.state, keeping.state) == ("STOPPING", "STOPPED")
    assert closing.state_reason == "strategy_deleted"
