"""What the demo prepares for copy trading: marked as demo, by real accounts, and only once."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.models import Notice, User
from agora.runtime import demo_copying, telling
from agora.sandbox.client import SandboxControl
from copytrade.models import (
    ExchangeAccount,
    Fill,
    MasterOrder,
    MasterPosition,
    Strategy,
    Subscription,
)
from copytrade.services import accounts, keys
from copytrade.states import SubscriptionState
from tests.people import new_user

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_start_makes_master_followers_and_strategies_and_the_next_one_nothing(
    sandbox: SandboxControl,
) -> None:
    first = demo_copying.ensure(control=sandbox, password="long enough", begin=False)
    made = [kind.objects.count() for kind in (User, ExchangeAccount, Strategy, Subscription)]
    again = demo_copying.ensure(control=sandbox, password="long enough", begin=False)

    assert made == [21, 24, 4, 20]
    assert [
        kind.objects.count() for kind in (User, ExchangeAccount, Strategy, Subscription)
    ] == made
    assert again == first
    assert not User.objects.filter(is_demo=False).exists()
    assert not Strategy.objects.exclude(name__startswith="Demo", is_demo=True).exists()
    assert Subscription.objects.get(state=SubscriptionState.PAUSED).follower.email.startswith(
        "follower-18@"
    )
    for email in (first["master"], first["follower"]):
        assert User.objects.get(email=email).check_password("long enough")


def test_no_track_record_is_invented_and_nobody_is_mailed(sandbox: SandboxControl) -> None:
    demo_copying.ensure(control=sandbox, password="long enough", begin=True)

    assert not Fill.objects.exists()
    assert set(MasterOrder.objects.values_list("state", flat=True)) == {"PENDING"}
    assert MasterOrder.objects.count() == 4
    assert Notice.objects.exists()
    assert not Notice.objects.filter(next_attempt_at__isnull=False).exists()


def test_the_keys_that_are_offered_work_and_are_those_that_nobody_entered(
    sandbox: SandboxControl,
) -> None:
    def offered() -> list[dict[str, str]]:
        told = demo_copying.ensure(control=sandbox, password="long enough", begin=False)
        return list(told["spare_keys"])

    used, kept = offered()
    person = new_user()
    examined = keys.examine(user=person, api_key=used["api_key"], secret=used["secret_key"])
    assert examined.balances == {"USDT": Decimal(10_000)}
    accounts.add_account(
        user=person,
        exchange="binance",
        label="Mine",
        examined=examined,
        now=timezone.now(),
    )

    left, fresh = offered()
    assert left == kept
    assert fresh not in (used, kept)


def test_the_master_buys_where_nothing_is_held_and_else_sells_it(sandbox: SandboxControl) -> None:
    told = demo_copying.ensure(control=sandbox, password="long enough", begin=False)
    assert told["order"] == {
        "symbol": "BTC/USDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"
    }  # fmt: skip
    MasterPosition.objects.filter(strategy=told["strategy"], symbol="BTC/USDT").delete()
    MasterPosition.objects.create(
        strategy_id=told["strategy"],
        symbol="BTC/USDT",
        quantity=Decimal("0.0099999"),
        updated_at=timezone.now(),
    )

    again = demo_copying.ensure(control=sandbox, password="long enough", begin=False)["order"]

    assert (again["side"], again["quantity"]) == ("SELL", "0.00999")


def test_the_greeting_tells_where_to_trade_and_by_which_keys(sandbox: SandboxControl) -> None:
    told = demo_copying.ensure(control=sandbox, password="long enough", begin=False)
    greeting = telling.greeting(
        site="http://localhost:8000",
        password="pw",
        accounts=dict.fromkeys(("buyer", "officer", "second_officer", "auditor"), "x@demo.example"),
        second_factor={"key": "KEY", "codes": []},
        copying=told,
        data=Path("/d"),
    )

    assert f"http://localhost:8000/copy/strategies/{told['strategy']}/desk/" in greeting
    for key in told["spare_keys"]:
        assert key["api_key"] in greeting
        assert key["secret_key"] in greeting
