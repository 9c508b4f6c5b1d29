"""From subscribing to the last sale, judged by the exchange sandbox's own books (SUB-1)."""

from decimal import Decimal

import pytest
from django.utils import timezone

from agora.sandbox.client import SandboxControl
from copytrade.models import Signal, Strategy, Subscription
from copytrade.replication import reconcile
from copytrade.services import funds, keys, subscribing, subscriptions
from copytrade.services.accounts import add_account
from copytrade.services.terms import Terms
from tests.copying import Trader, hold, mark, new_strategy, sandbox_key
from tests.copytrade.replicating import settle, signal
from tests.people import new_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _price(sandbox: SandboxControl) -> None:
    sandbox.binance.price("BTCUSDT", "50000")
    mark("BTC/USDT", "50000")


@pytest.fixture
def follower(sandbox: SandboxControl) -> Trader:
    """Somebody who has connected an account by its key."""
    user = new_user()
    label, key = sandbox_key(sandbox)
    account = add_account(
        user=user,
        exchange="binance",
        label="Main",
        examined=keys.examine(user=user, api_key=key[0], secret=key[1]),
        now=timezone.now(),
    )
    return Trader(user, account, label, *key)


def subscribe(strategy: Strategy, follower: Trader, *, start: str = "new") -> Subscription:
    terms = Terms(
        sizing="proportional",
        factor=Decimal(1),
        allocated=Decimal(1000),
        symbols=["BTC/USDT"],
        slippage_bps=50,
        max_open=5,
        minimum="skip",
        on_stop="close",
    )
    return subscribing.subscribe(
        user=follower.user,
        strategy_id=strategy.pk,
        account_id=follower.account.pk,
        terms=terms,
        start=start,
        held=funds.held_now(follower.account),
        now=timezone.now(),
    )


def bitcoin_of(sandbox: SandboxControl, follower: Trader) -> Decimal:
    """What the exchange says the follower holds."""
    held = sandbox.binance.balances(follower.label).get("BTC", {"free": "0", "locked": "0"})
    return Decimal(held["free"]) + Decimal(held["locked"])


def stop(made: Subscription, on_stop: str) -> Subscription:
    """Stop, work on what that publishes, and reconcile; the subscription afterwards."""
    now = timezone.now()
    subscriptions.stop(user=made.follower, subscription_id=made.pk, on_stop=on_stop, now=now)
    for published in Signal.objects.filter(cause="stop", subscription=made):
        settle(published)
    Subscription.objects.filter(pk=made.pk).update(next_attempt_at=timezone.now())
    reconcile.reconcile(subscription_id=made.pk, now=timezone.now())
    return Subscription.objects.get(pk=made.pk)


def test_a_copy_is_bought_and_sold_again_on_stop(sandbox: SandboxControl, follower: Trader) -> None:
    strategy = new_strategy()
    made = subscribe(strategy, follower)
    settle(signal(strategy, quantity="0.01", equity="10000"))
    assert bitcoin_of(sandbox, follower) > Decimal("0.0009")

    ended = stop(made, "close")
    assert ended.state == "STOPPED"
    assert bitcoin_of(sandbox, follower) < Decimal("0.00001")  # less than one lot
    strategy.refresh_from_db()
    assert strategy.copiers == 0


def test_a_copy_may_be_kept_on_stop(sandbox: SandboxControl, follower: Trader) -> None:
    strategy = new_strategy()
    made = subscribe(strategy, follower)
    settle(signal(strategy, quantity="0.01", equity="10000"))
    held = bitcoin_of(sandbox, follower)

    assert stop(made, "keep").state == "STOPPED"
    assert bitcoin_of(sandbox, follower) == held > 0
    assert len(sandbox.binance.orders(follower.label)) == 1


def test_joining_buys_what_the_master_holds(sandbox: SandboxControl, follower: Trader) -> None:
    strategy = new_strategy()
    hold(strategy, quantity="0.02", price="50000")
    subscribe(strategy, follower, start="join")
    (leg,) = settle(Signal.objects.get(cause="join"))
    assert (leg.state, leg.reason) == ("FILLED", "")
    # The master's account is worth 10,000 USDT and his 0.02 BTC; the copy has 1,000.
    assert Decimal("0.0015") < bitcoin_of(sandbox, follower) < Decimal("0.0021")


def test_a_paused_copy_opens_nothing_and_closes(sandbox: SandboxControl, follower: Trader) -> None:
    strategy = new_strategy()
    made = subscribe(strategy, follower)
    settle(signal(strategy, quantity="0.01", equity="10000"))
    subscriptions.pause(user=made.follower, subscription_id=made.pk, now=timezone.now())

    (skipped,) = settle(signal(strategy, quantity="0.01", equity="10000"))
    assert (skipped.state, skipped.reason) == ("SKIPPED", "subscription_paused")
    (closed,) = settle(signal(strategy, kind="CLOSE", quantity="0.01", before="0.01"))
    assert closed.state == "FILLED"
    assert bitcoin_of(sandbox, follower) < Decimal("0.00001")
