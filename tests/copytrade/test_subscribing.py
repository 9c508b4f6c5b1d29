"""Subscribing: every choice checked, funds and places held exactly, circles refused (SUB-1)."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Notice
from compliance.models import AuditRow
from copytrade.models import CopyOrder, Signal, Strategy, Subscription
from copytrade.services import strategies, subscribing
from copytrade.services.subscriptions import SubscriptionRefused
from copytrade.services.terms import Terms
from tests.copying import (
    Trader,
    hold,
    mark,
    new_account,
    new_follower,
    new_master,
    new_strategy,
    new_subscription,
)
from tests.people import new_user
from tests.threads import at_once

pytestmark = pytest.mark.django_db

TERMS = Terms(
    sizing="proportional",
    factor=Decimal(1),
    allocated=Decimal(1000),
    symbols=["BTC/USDT", "ETH/USDT"],
    slippage_bps=50,
    max_open=20,
    minimum="skip",
    on_stop="close",
    stop_loss_percent=None,
)
HELD = Decimal(10_000)


def subscribe(
    strategy: Strategy,
    follower: Trader,
    *,
    held: Decimal = HELD,
    start: str = "new",
    invite_code: str = "",
    **changes: Any,
) -> Subscription:
    """Subscribe as pages and API do; changes are to the terms."""
    return subscribing.subscribe(
        user=follower.user,
        strategy_id=strategy.pk,
        account_id=follower.account.pk,
        terms=replace(TERMS, **changes),
        start=start,
        held=held,
        invite_code=invite_code,
        now=timezone.now(),
    )


def refusal(strategy: Strategy, follower: Trader, **options: Any) -> SubscriptionRefused:
    """What refuses it; nothing may have been stored or counted."""
    before = Subscription.objects.count(), AuditRow.objects.count(), Notice.objects.count()
    copiers = Strategy.objects.get(pk=strategy.pk).copiers
    with pytest.raises(SubscriptionRefused) as caught:
        subscribe(strategy, follower, **options)
    assert (
        Subscription.objects.count(),
        AuditRow.objects.count(),
        Notice.objects.count(),
    ) == before
    assert Strategy.objects.get(pk=strategy.pk).copiers == copiers
    return caught.value


# --- What it makes ------------------------------------------------------------------------------


def test_a_subscription_takes_a_place_and_keeps_the_terms() -> None:
    strategy, follower = new_strategy(), new_follower()
    made = subscribe(strategy, follower, stop_loss_percent=Decimal(20))
    made.refresh_from_db()
    assert (made.state, made.allocated, made.symbols) == ("ACTIVE", 1000, TERMS.symbols)
    assert made.stop_equity == 800
    assert made.next_attempt_at is not None  # its reconciling is due
    strategy.refresh_from_db()
    assert strategy.copiers == 1


def test_subscribing_is_recorded_and_told() -> None:
    strategy, follower = new_strategy(name="Slow and steady"), new_follower()
    made = subscribe(strategy, follower)
    row = AuditRow.objects.get(action="subscription.started")
    assert (row.actor, row.object_id) == (f"user:{follower.user.pk}", str(made.pk))
    assert row.evidence["allocated"] == "1000"
    notice = Notice.objects.get(user=follower.user)
    assert "Slow and steady" in notice.title
    assert notice.next_attempt_at is not None  # an e-mail is due


def test_starting_with_new_orders_sends_nothing() -> None:
    strategy = new_strategy()
    hold(strategy)
    mark()
    subscribe(strategy, new_follower())
    assert not Signal.objects.exists()


def test_joining_opens_what_the_master_holds_in_the_allowed_pairs() -> None:
    strategy = new_strategy(symbols=("BTC/USDT", "ETH/USDT", "SOL/USDT"))
    hold(strategy, symbol="BTC/USDT", quantity="0.02")
    hold(strategy, symbol="SOL/USDT", quantity="5", price="100")
    hold(strategy, symbol="ETH/USDT", quantity="0")
    mark("BTC/USDT", "60000")
    mark("SOL/USDT", "100")
    made = subscribe(strategy, new_follower(), start="join", symbols=["BTC/USDT", "ETH/USDT"])
    signal = Signal.objects.get()
    assert (signal.kind, signal.cause, signal.subscription) == ("OPEN", "join", made)
    assert (signal.symbol, signal.cumulative, signal.price) == (
        "BTC/USDT",
        Decimal("0.02"),
        60_000,
    )
    assert signal.equity_before > 0
    assert CopyOrder.objects.get().subscription == made


def test_others_are_not_concerned_when_somebody_joins() -> None:
    strategy = new_strategy()
    new_subscription(strategy=strategy)
    hold(strategy)
    mark()
    made = subscribe(strategy, new_follower(), start="join")
    assert set(CopyOrder.objects.values_list("subscription", flat=True)) == {made.pk}


# --- Choices that are refused -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"allocated": Decimal("9.99")}, "allocated"),
        ({"allocated": Decimal(0)}, "allocated"),
        ({"allocated": Decimal(-1000)}, "allocated"),
        ({"allocated": Decimal("NaN")}, "allocated"),
        ({"allocated": Decimal("Infinity")}, "allocated"),
        ({"allocated": Decimal("1000.000000001")}, "allocated"),
        ({"allocated": Decimal("1e30")}, "allocated"),
        ({"sizing": "yolo"}, "sizing"),
        ({"factor": Decimal("0.009")}, "factor"),
        ({"factor": Decimal("10.01")}, "factor"),
        ({"factor": Decimal("NaN")}, "factor"),
        ({"sizing": "multiplier", "factor": Decimal("100.1")}, "factor"),
        ({"sizing": "multiplier", "factor": Decimal(0)}, "factor"),
        ({"sizing": "fixed", "factor": Decimal("0.99")}, "factor"),
        ({"sizing": "fixed", "factor": Decimal(1001)}, "factor"),
        ({"symbols": []}, "symbols"),
        ({"symbols": ["DOGE/USDT"]}, "symbols"),
        ({"symbols": ["BTC/USDT", "BTC/USDT"]}, "symbols"),
        ({"symbols": ["btc/usdt"]}, "symbols"),
        ({"slippage_bps": 0}, "slippage_bps"),
        ({"slippage_bps": 1001}, "slippage_bps"),
        ({"max_open": 0}, "max_open"),
        ({"max_open": 101}, "max_open"),
        ({"minimum": "double"}, "minimum"),
        ({"on_stop": "panic"}, "on_stop"),
        ({"stop_loss_percent": Decimal("4.99")}, "stop_loss_percent"),
        ({"stop_loss_percent": Decimal("95.1")}, "stop_loss_percent"),
        ({"stop_loss_percent": Decimal("NaN")}, "stop_loss_percent"),
    ],
)
def test_a_wrong_choice_is_told_at_its_field(changes: dict[str, Any], field: str) -> None:
    error = refusal(new_strategy(), new_follower(), **changes)
    assert error.code == "terms_invalid"
    assert [fault.field for fault in error.faults] == [field]
    assert str(error.faults[0].message)


def test_every_wrong_choice_is_told_at_once() -> None:
    error = refusal(new_strategy(), new_follower(), slippage_bps=0, max_open=0, symbols=[])
    assert {fault.field for fault in error.faults} == {"slippage_bps", "max_open", "symbols"}


@pytest.mark.parametrize(
    "changes",
    [
        {"allocated": Decimal(10)},
        {"factor": Decimal("0.01")},
        {"factor": Decimal(10)},
        {"sizing": "multiplier", "factor": Decimal(100)},
        {"sizing": "fixed", "factor": Decimal(1)},
        {"sizing": "fixed", "factor": Decimal(1000)},
        {"slippage_bps": 1},
        {"slippage_bps": 1000},
        {"max_open": 1},
        {"max_open": 100},
        {"stop_loss_percent": Decimal(5)},
        {"stop_loss_percent": Decimal(95)},
    ],
)
def test_the_edge_of_each_range_is_taken(changes: dict[str, Any]) -> None:
    assert subscribe(new_strategy(), new_follower(), **changes).state == "ACTIVE"


def test_the_strategy_sets_the_smallest_allocation() -> None:
    strategy = new_strategy(min_equity=Decimal(1500))
    error = refusal(strategy, new_follower())
    assert "1500" in str(error.faults[0].message)
    assert subscribe(strategy, new_follower(), allocated=Decimal(1500)).state == "ACTIVE"


def test_an_unknown_start_is_refused() -> None:
    assert refusal(new_strategy(), new_follower(), start="all-in").code == "start_invalid"


# --- Funds --------------------------------------------------------------------------------------


def test_more_than_the_account_holds_is_refused() -> None:
    error = refusal(new_strategy(), new_follower(), held=Decimal("999.99"))
    assert [fault.field for fault in error.faults] == ["allocated"]
    assert "999.99" in str(error.faults[0].message)


def test_what_other_subscriptions_may_spend_is_not_free() -> None:
    follower = new_follower()
    other = new_subscription(follower=follower, allocated=Decimal(4000))
    # 1,500 of the 4,000 are in a position already, so 2,500 may still be spent.
    hold(other, quantity="0.03", price="50000")
    strategy = new_strategy()
    error = refusal(strategy, follower, held=Decimal("3499.99"))
    assert "999.99" in str(error.faults[0].message)
    assert subscribe(strategy, follower, held=Decimal(3500)).state == "ACTIVE"


def test_a_stopped_subscription_frees_its_funds() -> None:
    follower = new_follower()
    new_subscription(follower=follower, allocated=Decimal(4000), state="STOPPED")
    assert subscribe(new_strategy(), follower, held=Decimal(1000)).state == "ACTIVE"


# --- Who, with which account --------------------------------------------------------------------


def test_nobody_copies_themselves() -> None:
    master = new_master()
    strategy = new_strategy(master=master)
    other = Trader(master.user, new_account(user=master.user), "", "", "")
    assert refusal(strategy, other).code == "own_strategy"


def test_a_strategy_is_copied_once_at_a_time() -> None:
    strategy, follower = new_strategy(), new_follower()
    first = subscribe(strategy, follower)
    assert refusal(strategy, follower).code == "already_subscribed"
    Subscription.objects.filter(pk=first.pk).update(state="STOPPED")
    assert subscribe(strategy, follower).pk != first.pk


@pytest.mark.parametrize("state", ["PAUSED", "DELETED"])
def test_only_an_active_strategy_takes_followers(state: str) -> None:
    strategy = new_strategy(state=state)
    if state == "DELETED":
        with pytest.raises(Strategy.DoesNotExist):
            subscribe(strategy, new_follower())
    else:
        assert refusal(strategy, new_follower()).code == "strategy_not_active"


def test_the_account_must_be_the_followers_own() -> None:
    follower, other = new_follower(), new_follower()
    mixed = Trader(follower.user, other.account, "", "", "")
    assert refusal(new_strategy(), mixed).code == "account_unknown"


@pytest.mark.parametrize(
    ("state", "code"), [("PAUSED", "account_paused"), ("REMOVED", "account_unknown")]
)
def test_the_account_must_be_in_use(state: str, code: str) -> None:
    follower = new_follower()
    type(follower.account).objects.update(state=state)
    strategy = new_strategy()
    assert refusal(strategy, follower).code == code


def test_an_account_that_publishes_does_not_copy() -> None:
    master = new_master()
    new_strategy(master=master)
    assert refusal(new_strategy(), master).code == "account_publishes"


def test_an_account_that_copies_does_not_publish() -> None:
    follower = new_follower()
    new_subscription(follower=follower)
    terms = strategies.Terms(
        name="Copies of copies",
        description="",
        symbols=["BTC/USDT"],
        style="swing",
        copy_on="fill",
        min_equity=Decimal(0),
        max_followers=5,
        is_public=True,
    )
    with pytest.raises(strategies.StrategyRefused) as caught:
        strategies.create_strategy(
            master=follower.user, account_id=follower.account.pk, terms=terms, now=timezone.now()
        )
    assert (caught.value.code, caught.value.field) == ("account_copies", "account")


def test_a_private_strategy_is_found_by_its_invitation_only() -> None:
    strategy, follower = new_strategy(is_public=False, invite_code="the-code"), new_follower()
    for wrong in ("", "the-cod", "the-codes", "ключ", "\x00"):
        with pytest.raises(Strategy.DoesNotExist):
            subscribe(strategy, follower, invite_code=wrong)
    assert subscribe(strategy, follower, invite_code="the-code").state == "ACTIVE"


# --- Circles ------------------------------------------------------------------------------------


def copying(follower: Trader, master: Trader, **changes: Any) -> Subscription:
    """The follower copies a new strategy of the master, with an account of its own."""
    account = new_account(user=master.user)
    strategy = new_strategy(master=replace(master, account=account))
    return new_subscription(strategy=strategy, follower=follower, **changes)


def test_a_master_does_not_copy_a_follower() -> None:
    anna, ben = new_master(), new_master()
    copying(anna, ben)
    strategy = new_strategy(master=replace(anna, account=new_account(user=anna.user)))
    assert refusal(strategy, ben).code == "copies_in_a_circle"


def test_circles_are_seen_through_others() -> None:
    anna, ben, carl = new_master(), new_master(), new_master()
    copying(anna, ben)
    copying(ben, carl)
    strategy = new_strategy(master=replace(anna, account=new_account(user=anna.user)))
    assert refusal(strategy, carl).code == "copies_in_a_circle"


def test_copying_that_has_ended_makes_no_circle() -> None:
    anna, ben = new_master(), new_master()
    copying(anna, ben, state="STOPPED")
    strategy = new_strategy(master=replace(anna, account=new_account(user=anna.user)))
    assert subscribe(strategy, ben).state == "ACTIVE"


@pytest.mark.django_db(transaction=True)
def test_a_circle_cannot_be_closed_from_both_sides_at_once() -> None:
    anna, ben = new_master(), new_master()
    of_anna = new_strategy(master=replace(anna, account=new_account(user=anna.user)))
    of_ben = new_strategy(master=replace(ben, account=new_account(user=ben.user)))
    tries = [(of_anna, ben), (of_ben, anna)]
    outcomes = at_once(2, lambda number: subscribe(*tries[number]))
    refused = [one.code for one in outcomes if isinstance(one, SubscriptionRefused)]
    assert refused == ["copies_in_a_circle"]


# --- Places -------------------------------------------------------------------------------------


def test_a_full_strategy_takes_nobody() -> None:
    strategy = new_strategy(max_followers=1)
    subscribe(strategy, new_follower())
    assert refusal(strategy, new_follower()).code == "strategy_full"


@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_get_the_five_places_there_are() -> None:
    strategy = new_strategy(max_followers=5)
    people = [new_follower() for _ in range(20)]
    outcomes = at_once(20, lambda number: subscribe(strategy, people[number]))
    made = [one for one in outcomes if isinstance(one, Subscription)]
    refused = {one.code for one in outcomes if isinstance(one, SubscriptionRefused)}
    assert (len(made), refused) == (5, {"strategy_full"})
    strategy.refresh_from_db()
    assert strategy.copiers == Subscription.objects.filter(strategy=strategy).count() == 5


@pytest.mark.django_db(transaction=True)
def test_without_the_conditional_update_places_are_given_twice() -> None:
    """The control: the same race, where the place is looked at first and taken afterwards."""
    strategy = new_strategy(max_followers=5)

    def careless(_number: int) -> bool:
        free = Strategy.objects.get(pk=strategy.pk).copiers < 5
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.05)")
        return free

    assert sum(one is True for one in at_once(20, careless)) > 5


@pytest.mark.django_db(transaction=True)
def test_the_same_form_sent_at_once_subscribes_once() -> None:
    strategy, follower = new_strategy(), new_follower()
    outcomes = at_once(6, lambda _number: subscribe(strategy, follower))
    assert sum(isinstance(one, Subscription) for one in outcomes) == 1
    strategy.refresh_from_db()
    assert strategy.copiers == 1


@pytest.mark.django_db(transaction=True)
def test_two_strategies_at_once_do_not_overdraw_the_account() -> None:
    follower, strategies = new_follower(), [new_strategy(), new_strategy()]
    outcomes = at_once(
        2, lambda number: subscribe(strategies[number], follower, held=Decimal(1500))
    )
    assert sum(isinstance(one, Subscription) for one in outcomes) == 1


def test_a_stranger_sees_only_what_is_open() -> None:
    strategy = new_strategy(is_public=False)
    with pytest.raises(Strategy.DoesNotExist):
        subscribing.strategy_to_copy(user=new_user(), strategy_id=strategy.pk)
    found = subscribing.strategy_to_copy(user=strategy.master, strategy_id=strategy.pk)
    assert found == strategy
