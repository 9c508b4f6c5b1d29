"""Kill switches: who may engage them, that nothing leaves afterwards, and that all is told."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from agora.sandbox.client import SandboxControl
from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import AuditRow
from copytrade.decisions import propose_release
from copytrade.models import CopyOrder, KillSwitch, Strategy, Subscription
from copytrade.selectors.switches import engaged_for, engaged_for_person
from copytrade.services import kill
from copytrade.services.kill import KillRefused, engage, release
from tests.copying import mark, new_follower, new_strategy, new_subscription
from tests.copytrade.booking import a_leg, a_signal
from tests.copytrade.replicating import master_order, settle, signal, work
from tests.people import new_officer, new_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def subscription() -> Subscription:
    return new_subscription()


def officer() -> User:
    user = new_user(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="change_killswitch"))
    return User.objects.get(pk=user.pk)


def stop(by: User | None, **target: Any) -> kill.Engaged:
    level = next((name for name in ("subscription", "strategy") if name in target), "platform")
    values = {"level": level, "reason": "test", "by": by, "now": timezone.now(), **target}
    return engage(**values)


def test_owners_stop_what_is_theirs(subscription: Subscription) -> None:
    strategy = subscription.strategy

    for switch in (
        stop(subscription.follower, subscription=subscription).switch,
        stop(strategy.master, strategy=strategy).switch,
    ):
        assert switch.released_at is None
    assert len(engaged_for(subscription=subscription)) == 2
    assert len(engaged_for(strategy=strategy)) == 1
    assert AuditRow.objects.filter(action="kill.engaged").count() == 2


def test_nobody_stops_what_is_not_theirs(subscription: Subscription) -> None:
    for by, target in (
        (new_user(), {"subscription": subscription}),
        (subscription.strategy.master, {"subscription": subscription}),
        (subscription.follower, {"strategy": subscription.strategy}),
        (subscription.follower, {}),
        (subscription.follower, {"level": "exchange", "exchange": "binance"}),
    ):
        with pytest.raises(KillRefused) as refused:
            stop(by, **target)
        assert refused.value.code == "not_allowed"
    assert not KillSwitch.objects.exists()


def test_officers_and_the_operator_stop_everything(subscription: Subscription) -> None:
    assert stop(officer()).switch.level == "platform"
    at_exchange = stop(None, level="exchange", exchange="binance").switch
    assert at_exchange.engaged_by == "system:operator"

    assert [s.level for s in engaged_for(subscription=subscription)] == ["platform", "exchange"]
    assert len(engaged_for_person(subscription.follower)) == 2
    assert len(engaged_for_person(new_user())) == 1  # everything is stopped for everybody


@pytest.mark.parametrize(
    "target",
    [
        {"level": "exchange", "exchange": ""},
        {"level": "exchange", "exchange": "nowhere"},
        {"level": "platform", "exchange": "binance"},
        {"level": "galaxy"},
        {"level": "strategy"},
    ],
)
def test_a_switch_names_what_it_stops(target: dict[str, str]) -> None:
    with pytest.raises(KillRefused) as refused:
        stop(None, **target)
    assert refused.value.code == "target_unknown"


def test_a_reason_is_needed(subscription: Subscription) -> None:
    with pytest.raises(KillRefused) as refused:
        stop(subscription.follower, subscription=subscription, reason=" \t ")
    assert refused.value.code == "reason_missing"


def test_engaging_twice_is_engaging_once(subscription: Subscription) -> None:
    first = stop(subscription.follower, subscription=subscription)
    second = stop(subscription.follower, subscription=subscription)

    assert (first.is_new, second.is_new) == (True, False)
    assert first.switch == second.switch
    assert AuditRow.objects.filter(action="kill.engaged").count() == 1


def test_releasing_is_told_once_and_can_be_repeated(subscription: Subscription) -> None:
    switch = stop(subscription.follower, subscription=subscription).switch

    for _ in range(2):
        release(switch_id=switch.pk, by=subscription.follower, now=timezone.now())
    assert engaged_for(subscription=subscription) == []
    assert AuditRow.objects.filter(action="kill.released").count() == 1
    assert stop(subscription.follower, subscription=subscription).switch != switch


def test_an_owner_does_not_release_what_an_officer_engaged(subscription: Subscription) -> None:
    own = stop(subscription.follower, subscription=subscription).switch
    theirs = stop(officer(), subscription=subscription).switch
    assert theirs != own

    with pytest.raises(KillRefused) as refused:
        release(switch_id=theirs.pk, by=subscription.follower, now=timezone.now())
    assert refused.value.code == "not_allowed"
    again = stop(subscription.follower, subscription=subscription)
    assert (again.is_new, again.switch) == (False, theirs)
    assert len(engaged_for(subscription=subscription)) == 1
    release(switch_id=theirs.pk, by=officer(), now=timezone.now())
    assert engaged_for(subscription=subscription) == []


def test_nor_does_an_officer_who_owns_it(subscription: Subscription) -> None:
    """By the pages for customers, at that: without a second factor, from anywhere."""
    strategy = subscription.strategy
    for owner, target in (
        (subscription.follower, {"subscription": subscription}),
        (strategy.master, {"strategy": strategy}),
    ):
        owner.user_permissions.add(Permission.objects.get(codename="change_killswitch"))
        switch = stop(officer(), **target).switch

        with pytest.raises(KillRefused) as refused:
            release(switch_id=switch.pk, by=User.objects.get(pk=owner.pk), now=timezone.now())
        assert refused.value.code == "not_allowed"
        release(switch_id=switch.pk, by=officer(), now=timezone.now())


@pytest.mark.parametrize(
    "target", [{"level": "platform"}, {"level": "exchange", "exchange": "binance"}]
)
def test_what_stops_others_is_released_by_two_people(target: dict[str, Any]) -> None:
    maker, checker = officer(), new_officer("decide_proposal")
    switch = stop(maker, **target).switch

    with pytest.raises(KillRefused) as refused:
        release(switch_id=switch.pk, by=maker, now=timezone.now())
    assert refused.value.code == "two_people"
    proposal = propose_release(
        switch_id=switch.pk, reason="It was a drill.", maker=maker, now=timezone.now()
    )
    switch.refresh_from_db()
    assert switch.released_at is None

    four_eyes.approve(proposal_id=proposal.pk, checker=checker, now=timezone.now())

    switch.refresh_from_db()
    assert (switch.released_at is not None, switch.released_by) == (True, f"user:{checker.pk}")
    assert AuditRow.objects.get(action="kill.released").object_id == str(switch.pk)
    with pytest.raises(Refused) as late:
        propose_release(switch_id=switch.pk, reason="Again.", maker=maker, now=timezone.now())
    assert late.value.code == "released"


def test_the_operator_alone_releases_it_in_an_emergency_and_that_is_told() -> None:
    switch = stop(None, level="platform").switch
    with pytest.raises(KillRefused):
        release(switch_id=switch.pk, by=None, now=timezone.now())

    release(switch_id=switch.pk, by=None, emergency="nobody else is awake", now=timezone.now())

    row = AuditRow.objects.get(action="kill.released_in_emergency")
    assert row.evidence["emergency"] == "nobody else is awake"


def test_what_one_person_releases_anyway_is_no_emergency(subscription: Subscription) -> None:
    switch = stop(None, subscription=subscription).switch

    release(switch_id=switch.pk, by=None, emergency="nobody is awake", now=timezone.now())

    assert AuditRow.objects.filter(action="kill.released").count() == 1
    assert not AuditRow.objects.filter(action="kill.released_in_emergency").exists()


def test_one_subscription_s_switch_needs_no_second_person(subscription: Subscription) -> None:
    maker = officer()
    switch = stop(maker, subscription=subscription).switch

    with pytest.raises(Refused) as refused:
        propose_release(switch_id=switch.pk, reason="x", maker=maker, now=timezone.now())
    assert refused.value.code == "one_person"
    release(switch_id=switch.pk, by=maker, now=timezone.now())


def test_strangers_find_no_switch_to_release(subscription: Subscription) -> None:
    switch = stop(subscription.follower, subscription=subscription).switch

    with pytest.raises(KillSwitch.DoesNotExist):
        release(switch_id=switch.pk, by=new_user(), now=timezone.now())
    with pytest.raises(KillSwitch.DoesNotExist):
        release(switch_id=switch.pk + 999, by=officer(), now=timezone.now())


def test_the_database_holds_one_engaged_switch_for_each_target(
    subscription: Subscription,
) -> None:
    switch = stop(subscription.follower, subscription=subscription).switch
    switch.pk = None

    with pytest.raises(IntegrityError, match="copytrade_kill_once"), transaction.atomic():
        switch.save(force_insert=True)


def test_it_tells_of_orders_on_the_wire_and_of_resting_ones(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kill, "LONGEST_WAIT_SECONDS", 0.2)
    published = a_signal(subscription.strategy, subscription=subscription)
    now = timezone.now()
    a_leg(
        published,
        subscription,
        state="SENDING",
        asked_at=now,
        lease_until=now + timedelta(minutes=1),
    )
    a_leg(published, subscription, leg=1, state="WORKING")
    elsewhere = new_subscription()
    a_leg(
        a_signal(elsewhere.strategy, subscription=elsewhere),
        elsewhere,
        state="SENDING",
        asked_at=now,
        lease_until=now + timedelta(minutes=1),
    )

    engaged = stop(subscription.follower, subscription=subscription)
    assert (engaged.in_flight, engaged.left, engaged.resting) == (1, 1, 1)


def test_a_dead_worker_keeps_nobody_waiting(subscription: Subscription) -> None:
    published = a_signal(subscription.strategy, subscription=subscription)
    past = timezone.now() - timedelta(minutes=1)
    a_leg(published, subscription, state="SENDING", asked_at=past, lease_until=past)

    begun = time.monotonic()
    assert stop(subscription.follower, subscription=subscription).left == 0
    assert time.monotonic() - begun < 3


def test_a_masters_own_order_on_the_wire_is_waited_for(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kill, "LONGEST_WAIT_SECONDS", 0.2)
    now = timezone.now()
    for strategy in (subscription.strategy, new_strategy()):
        master_order(
            strategy,
            state="PENDING",
            asked_at=now,
            next_attempt_at=now,
            lease_until=now + timedelta(minutes=1),
        )

    strategy = subscription.strategy
    assert stop(strategy.master, strategy=strategy).left == 1
    assert stop(subscription.follower, subscription=subscription).left == 0
    assert stop(None).left == 2


# --- with workers


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("level", ["platform", "exchange", "strategy", "subscription"])
def test_nothing_is_sent_while_engaged_and_closes_go_out_after(
    sandbox: SandboxControl, level: str
) -> None:
    sandbox.binance.price("BTCUSDT", "50000")
    mark("BTC/USDT", "50000")
    strategy, follower = new_strategy(), new_follower(control=sandbox)
    subscription = new_subscription(strategy=strategy, follower=follower, sizing="multiplier")
    settle(signal(strategy, quantity="0.01"))
    target: dict[str, Any] = {"level": level}
    if level == "exchange":
        target["exchange"] = "binance"
    if level in ("strategy", "subscription"):
        target[level] = strategy if level == "strategy" else subscription
    switch = stop(None, **target).switch
    sent = len(sandbox.binance.orders(follower.label))

    (skipped,) = settle(signal(strategy, quantity="0.02", of="0.02"))
    closing = signal(strategy, kind="CLOSE", quantity="0.01", before="0.01")
    work(closing)

    assert (skipped.state, skipped.reason) == ("SKIPPED", "kill_switch")
    waiting = CopyOrder.objects.get(signal=closing)
    assert (waiting.state, waiting.last_error) == ("PLANNED", "kill_switch")
    assert len(sandbox.binance.orders(follower.label)) == sent

    release(switch_id=switch.pk, by=None, emergency="drill", now=timezone.now())
    CopyOrder.objects.filter(pk=waiting.pk).update(next_attempt_at=timezone.now())
    (closed,) = settle(closing)
    assert closed.state == "FILLED"
    assert len(sandbox.binance.orders(follower.label)) == sent + 1


@pytest.mark.django_db(transaction=True)
def test_engaging_waits_for_an_intent_that_is_about_to_be_committed() -> None:
    """A worker that read the switches a moment earlier must not send after the answer."""
    subscription = new_subscription()
    leg = a_leg(a_signal(subscription.strategy, subscription=subscription), subscription)
    read, commit = threading.Event(), threading.Event()

    def worker() -> None:
        with transaction.atomic():
            CopyOrder.objects.select_for_update().get(pk=leg.pk)
            assert not KillSwitch.objects.filter(released_at=None).exists()
            read.set()
            commit.wait(10)
            now = timezone.now()
            CopyOrder.objects.filter(pk=leg.pk).update(
                state="SENDING", asked_at=now, lease_until=now + timedelta(seconds=1)
            )
        connection.close()

    thread = threading.Thread(target=worker)
    thread.start()
    assert read.wait(5)
    threading.Timer(0.3, commit.set).start()
    engaged = stop(None)
    thread.join()
    assert (engaged.in_flight, engaged.left) == (1, 0)  # seen, and waited for until its lease ended


@pytest.mark.django_db(transaction=True)
def test_many_at_once_make_one_switch() -> None:
    subscription = new_subscription()
    found: list[kill.Engaged] = []

    def press() -> None:
        found.append(stop(subscription.follower, subscription=subscription))
        connection.close()

    threads = [threading.Thread(target=press) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert KillSwitch.objects.count() == 1
    assert sum(engaged.is_new for engaged in found) == 1
    assert len(found) == 5


# --- pages


@pytest.fixture
def browser(client: Client, subscription: Subscription) -> Client:
    client.force_login(subscription.follower)
    return client


def test_the_red_button_asks_first_and_shows_on_the_pages(
    browser: Client, subscription: Subscription
) -> None:
    address = reverse("kill-engage", args=["subscription", subscription.pk])
    assert "Emergency stop?" in browser.get(address).content.decode()
    assert not KillSwitch.objects.exists()
    assert browser.post(address, {"reason": ""}).status_code == 422

    assert browser.post(address, {"reason": "<b>odd</b>"}).status_code == 302

    page = browser.get(reverse("risk-limits")).content.decode()
    assert "Copying is stopped" in page
    assert "&lt;b&gt;odd&lt;/b&gt;" in page
    switch = KillSwitch.objects.get()
    address = reverse("kill-release", args=[switch.pk])
    assert address in page
    assert browser.get(address).status_code == 200
    assert browser.post(address).status_code == 302
    assert "Copying is stopped" not in browser.get(reverse("risk-limits")).content.decode()


@pytest.mark.parametrize("level", ["strategy", "subscription", "platform", "exchange", "x"])
def test_strangers_and_odd_levels_get_404(client: Client, level: str) -> None:
    subscription = new_subscription()
    pk = subscription.strategy_id if level == "strategy" else subscription.pk
    client.force_login(new_user())

    address = reverse("kill-engage", args=[level, pk])
    assert client.get(address).status_code == 404
    assert client.post(address, {"reason": "x"}).status_code == 404
    assert not KillSwitch.objects.exists()
    switch = stop(subscription.follower, subscription=subscription).switch
    assert client.post(reverse("kill-release", args=[switch.pk])).status_code == 404
    switch.refresh_from_db()
    assert switch.released_at is None


def test_what_an_officer_stopped_has_no_button(browser: Client, subscription: Subscription) -> None:
    stop(officer(), strategy=subscription.strategy)

    page = browser.get(reverse("risk-limits")).content.decode()
    assert "Copying is stopped" in page
    assert "release" not in page


def test_a_deleted_strategy_is_stopped_like_any_other(subscription: Subscription) -> None:
    Strategy.objects.filter(pk=subscription.strategy_id).update(state="DELETED")

    assert stop(None, strategy=subscription.strategy).is_new
