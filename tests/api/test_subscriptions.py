"""Subscriptions over the API (SUB-1)."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from agora.lib.models import IdempotencyKey
from agora.sandbox.client import SandboxControl
from copytrade.exchange import runner
from copytrade.models import Strategy, Subscription
from copytrade.replication.risk import DAILY_LOSS
from tests.api.conftest import Api, assert_problem, pointers
from tests.copying import Trader, hold, mark, new_follower, new_strategy, new_subscription

pytestmark = pytest.mark.django_db

PATH = "/api/v1/copy/subscriptions"


@pytest.fixture
def control(sandbox: SandboxControl) -> Iterator[SandboxControl]:
    runner.close()
    yield sandbox
    runner.close()


@pytest.fixture
def follower(api: Api, control: SandboxControl) -> Trader:
    """The token's owner with 10,000 USDT at the exchange."""
    return new_follower(user=api.user, control=control)


@pytest.fixture
def strategy(db: None) -> Strategy:
    return new_strategy()


@pytest.fixture
def made(api: Api) -> Subscription:
    return new_subscription(follower=new_follower(user=api.user))


def body(strategy: Strategy, follower: Trader, **changes: Any) -> dict[str, Any]:
    return {
        "strategy_id": str(strategy.pk),
        "account_id": str(follower.account.pk),
        "allocated": "1000",
        "sizing": "proportional",
        "factor": "1",
        "symbols": ["BTC/USDT"],
        **changes,
    }


def test_subscribing(api: Api, strategy: Strategy, follower: Trader) -> None:
    answer = api.post(PATH, body(strategy, follower, stop_loss_percent="20"))
    assert answer.status == 201, answer.raw
    made = Subscription.objects.get()
    assert answer.headers["Location"] == f"{PATH}/{made.pk}"
    told = answer.body
    assert (told["state"], told["allocated"], told["stop_equity"]) == ("ACTIVE", "1000", "800")
    assert (told["slippage_bps"], told["minimum"], told["start"]) == (50, "skip", "new")
    assert (told["equity"], told["positions"], told["version"]) == ("1000", [], 1)
    assert api.get(f"{PATH}/{made.pk}").body == told


def test_a_repeat_with_the_same_key_subscribes_once(
    api: Api, strategy: Strategy, follower: Trader
) -> None:
    first, again = (api.post(PATH, body(strategy, follower), key="one") for _ in range(2))
    assert first.body == again.body
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Subscription.objects.count() == 1
    assert_problem(api.post(PATH, body(strategy, follower)), 409, "already_subscribed")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"allocated": "1"}, "#/allocated"),
        ({"allocated": "10000.01"}, "#/allocated"),
        ({"allocated": 1000}, "#/allocated"),
        ({"allocated": "-1"}, "#/allocated"),
        ({"allocated": "1e3"}, "#/allocated"),
        ({"allocated": "NaN"}, "#/allocated"),
        ({"allocated": None}, "#/allocated"),
        ({"factor": "99"}, "#/factor"),
        ({"factor": "abc"}, "#/factor"),
        ({"sizing": "yolo"}, "#/sizing"),
        ({"symbols": []}, "#/symbols"),
        ({"symbols": ["DOGE/USDT"]}, "#/symbols"),
        ({"symbols": "BTC/USDT"}, "#/symbols"),
        ({"slippage_bps": 0}, "#/slippage_bps"),
        ({"slippage_bps": 1001}, "#/slippage_bps"),
        ({"slippage_bps": 10**30}, "#/slippage_bps"),
        ({"max_open": 101}, "#/max_open"),
        ({"minimum": "x"}, "#/minimum"),
        ({"start": "x"}, "#/start"),
        ({"on_stop": "x"}, "#/on_stop"),
        ({"stop_loss_percent": "99"}, "#/stop_loss_percent"),
        ({"account_id": "x"}, "#/account_id"),
        ({"account_id": str(uuid4())}, "#/account_id"),
        ({"leverage": 5}, "#/leverage"),
    ],
)
def test_a_wrong_member_is_pointed_to(
    api: Api, strategy: Strategy, follower: Trader, changes: dict[str, Any], where: str
) -> None:
    answer = api.post(PATH, body(strategy, follower, **changes))
    assert_problem(answer, 422, "invalid")
    assert {place.rsplit("/0", 1)[0] for place in pointers(answer)} == {where}
    assert not Subscription.objects.exists()
    assert not IdempotencyKey.objects.exists()


def test_what_stands_against_it_is_told(api: Api, follower: Trader) -> None:
    full = new_strategy(max_followers=1)
    new_subscription(strategy=full)
    assert_problem(api.post(PATH, body(full, follower)), 409, "strategy_full")
    paused = new_strategy(state="PAUSED")
    assert_problem(api.post(PATH, body(paused, follower)), 409, "strategy_not_active")
    private = new_strategy(is_public=False, invite_code="let-me-in")
    assert_problem(api.post(PATH, body(private, follower)), 404, "not_found")
    invited = api.post(PATH, body(private, follower, invite_code="let-me-in"))
    assert invited.status == 201


def test_the_exchange_must_tell_what_the_account_holds(
    api: Api, strategy: Strategy, follower: Trader, control: SandboxControl
) -> None:
    control.binance.key(follower.label, revoked=True)
    answer = api.post(PATH, body(strategy, follower))
    assert_problem(answer, 503, "exchange_unavailable")
    assert not Subscription.objects.exists()


def test_the_list_is_ones_own(api: Api, made: Subscription) -> None:
    new_subscription()
    assert [each["id"] for each in api.get(PATH).body["results"]] == [str(made.pk)]
    assert api.get(f"{PATH}?state=STOPPED").body["results"] == []
    assert_problem(api.get(f"{PATH}?state=nothing"), 400, "malformed")


def test_a_subscription_tells_what_it_holds(api: Api, made: Subscription) -> None:
    hold(made, quantity="0.01", price="50000")
    mark("BTC/USDT", "60000")
    told = api.get(f"{PATH}/{made.pk}").body
    assert (told["equity"], told["unrealized"]) == ("1100", "100")
    assert told["positions"] == [
        {
            "symbol": "BTC/USDT",
            "quantity": "0.01",
            "average_price": "50000",
            "price": "60000",
            "value": "600",
        }
    ]


def test_a_change_says_what_it_widens(api: Api, made: Subscription) -> None:
    path = f"{PATH}/{made.pk}"
    changed = api.call("PATCH", path, {"version": 1, "slippage_bps": 80, "max_open": 5})
    assert changed.status == 200, changed.raw
    assert changed.body["widened"] == ["slippage_bps"]
    assert changed.body["version"] == 2
    again = api.call("PATCH", path, {"version": 1, "max_open": 6})
    assert_problem(again, 409, "changed_meanwhile")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"max_open": 5}, "#/version"),
        ({"version": 0}, "#/version"),
        ({"version": 1, "allocated": "1"}, "#/allocated"),
        ({"version": 1, "factor": "1,5"}, "#/factor"),
        ({"version": 1, "start": "join"}, "#/start"),
    ],
)
def test_a_wrong_change_is_pointed_to(
    api: Api, made: Subscription, changes: dict[str, Any], where: str
) -> None:
    answer = api.call("PATCH", f"{PATH}/{made.pk}", changes)
    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == [where]


def test_more_is_allocated_only_when_it_is_there(
    api: Api, strategy: Strategy, follower: Trader
) -> None:
    made = new_subscription(strategy=strategy, follower=follower)
    path = f"{PATH}/{made.pk}"
    refused = api.call("PATCH", path, {"version": 1, "allocated": "10000.5"})
    assert pointers(refused) == ["#/allocated"]
    assert api.call("PATCH", path, {"version": 1, "allocated": "9999"}).status == 200


def test_pause_resume_and_stop(api: Api, made: Subscription) -> None:
    path = f"{PATH}/{made.pk}"
    assert api.post(f"{path}/pause", {}).body["state"] == "PAUSED"
    assert api.post(f"{path}/resume", {}).body["state"] == "ACTIVE"
    hold(made)
    assert_problem(api.post(f"{path}/stop", {"on_stop": "burn"}), 422, "invalid")
    stopping = api.post(f"{path}/stop", {"on_stop": "close"})
    assert (stopping.body["state"], stopping.body["on_stop"]) == ("STOPPING", "close")
    assert api.post(f"{path}/stop", {}).status == 200
    assert_problem(api.post(f"{path}/pause", {}), 409, "not_active")


def test_a_loss_limit_is_lifted_only_when_confirmed(api: Api, made: Subscription) -> None:
    Subscription.objects.update(state="REDUCING", state_reason=DAILY_LOSS)
    path = f"{PATH}/{made.pk}/resume"
    assert_problem(api.post(path, {}), 409, "confirm_resume")
    assert api.post(path, {"confirm": True}).body["state"] == "ACTIVE"


def test_a_preview_stores_nothing(api: Api, strategy: Strategy, control: SandboxControl) -> None:
    terms = {
        "allocated": "1000",
        "sizing": "fixed",
        "factor": "100",
        "symbols": ["BTC/USDT"],
        "stop_loss_percent": "50",
    }
    path = f"/api/v1/copy/strategies/{strategy.pk}/preview"
    answer = api.post(path, terms, key=None)
    assert answer.status == 200, answer.raw
    told = answer.body
    assert (told["days"], told["orders"], told["stop_equity"]) == (90, 0, "500")
    assert not Subscription.objects.exists()
    wrong = api.post(path, {**terms, "factor": "2000"}, key=None)
    assert pointers(wrong) == ["#/factor"]
    Strategy.objects.update(is_public=False)
    assert_problem(api.post(path, terms, key=None), 404, "not_found")


def test_a_stranger_finds_nothing(made: Subscription, stranger: Api) -> None:
    path = f"{PATH}/{made.pk}"
    for answer in (
        stranger.get(path),
        stranger.call("PATCH", path, {"version": 1, "max_open": 5}),
        stranger.post(f"{path}/pause", {}),
        stranger.post(f"{path}/resume", {}),
        stranger.post(f"{path}/stop", {}),
    ):
        assert_problem(answer, 404, "not_found")
    made.refresh_from_db()
    assert (made.state, made.allocated) == ("ACTIVE", Decimal(1000))


def test_the_scope_copy_is_needed(api: Api, made: Subscription) -> None:
    reader = Api(api.user, scopes=("read", "trade"))
    answer = reader.post(f"{PATH}/{made.pk}/stop", {})
    assert assert_problem(answer, 403, "insufficient_scope")["required_scope"] == "copy"
    assert reader.get(f"{PATH}/{made.pk}").status == 200
