"""Strategies and marketplace over the API: the master's alone to change (MKT-1, MKT-2)."""

from datetime import timedelta
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import User
from copytrade.models import NavPoint, Strategy, TrackRecord
from tests.api.conftest import Answer, Api, assert_problem, pointers
from tests.copying import Trader, new_account, new_master, new_strategy, new_subscription
from tests.people import new_user

PATH = "/api/v1/copy/strategies"


@pytest.fixture
def trader(user: User) -> Trader:
    return new_master(user=user)


@pytest.fixture
def somebody(db: None) -> Api:
    return Api(new_user())


def body(trader: Trader, **changes: Any) -> dict[str, Any]:
    return {
        "account_id": str(trader.account.pk),
        "name": "Calm swing",
        "symbols": ["BTC/USDT"],
        "style": "swing",
        "min_equity": "100.5",
        **changes,
    }


def listed(**changes: Any) -> Strategy:
    """A strategy with records, as the marketplace lists it."""
    roi = changes.pop("roi", "0.1")
    strategy = new_strategy(**changes)
    for period in TrackRecord.Period.values:
        TrackRecord.objects.create(
            strategy=strategy,
            period=period,
            roi=Decimal(roi),
            pnl=1,
            max_drawdown=Decimal("0.2"),
            computed_at=timezone.now(),
        )
    return strategy


def names(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.raw
    return [each["name"] for each in answer.body["results"]]


# --- publishing and changing --------------------------------------------------------------


def test_publishing(api: Api, trader: Trader) -> None:
    answer = api.post(PATH, body(trader))

    assert answer.status == 201, answer.raw
    made = Strategy.objects.get()
    assert answer.headers["Location"] == f"{PATH}/{made.pk}"
    assert answer.body["min_equity"] == "100.5"
    assert answer.body["max_followers"] == 100
    assert answer.body["invite_url"].endswith(f"/copy/invite/{made.invite_code}/")
    assert [record["period"] for record in answer.body["records"]] == [7, 30, 90, 365]


def test_a_repeat_with_the_same_key_publishes_nothing(api: Api, trader: Trader) -> None:
    first = api.post(PATH, body(trader), key="one")
    again = api.post(PATH, body(trader), key="one")

    assert (again.status, again.raw) == (201, first.raw)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Strategy.objects.count() == 1


def test_publishing_needs_a_key(api: Api, trader: Trader) -> None:
    assert_problem(api.post(PATH, body(trader), key=None), 400, "idempotency_key_missing")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": ""}, "#/name"),
        ({"name": 5}, "#/name"),
        ({"name": "a\u202eb"}, "#/name"),
        ({"symbols": "BTC/USDT"}, "#/symbols"),
        ({"symbols": []}, "#/symbols"),
        ({"symbols": ["BTC"]}, "#/symbols"),
        ({"symbols": [{"a": 1}]}, "#/symbols/0"),
        ({"style": "wild"}, "#/style"),
        ({"min_equity": 100}, "#/min_equity"),
        ({"min_equity": "1e5"}, "#/min_equity"),
        ({"min_equity": "-1"}, "#/min_equity"),
        ({"max_followers": 0}, "#/max_followers"),
        ({"max_followers": 10**30}, "#/max_followers"),
        ({"is_public": "yes"}, "#/is_public"),
        ({"account_id": "1"}, "#/account_id"),
        ({"account_id": str(uuid4())}, "#/account_id"),
        ({"copiers": 9}, "#/copiers"),
    ],
)
def test_unusable_members_are_pointed_at(
    api: Api, trader: Trader, changes: dict[str, Any], pointer: str
) -> None:
    answer = api.post(PATH, body(trader, **changes))

    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == [pointer]
    assert not Strategy.objects.exists()


def test_a_taken_name_or_account_is_a_conflict(api: Api, trader: Trader) -> None:
    api.post(PATH, body(trader))
    second = new_account(user=trader.user)

    assert_problem(api.post(PATH, body(trader, name="Other")), 409, "account_taken")
    taken = api.post(PATH, body(trader, account_id=str(second.pk), name="calm SWING"))
    assert_problem(taken, 409, "name_taken")
    assert pointers(taken) == ["#/name"]


def test_changing_some_terms_leaves_the_others(api: Api, trader: Trader) -> None:
    strategy = new_strategy(master=trader)

    answer = api.call("PATCH", f"{PATH}/{strategy.pk}", {"min_equity": "7", "is_public": False})

    assert (answer.status, answer.body["min_equity"], answer.body["is_public"]) == (200, "7", False)
    assert answer.body["name"] == strategy.name


def test_the_cap_cannot_go_below_the_followers(api: Api, trader: Trader) -> None:
    strategy = new_strategy(master=trader)
    new_subscription(strategy=strategy)
    new_subscription(strategy=strategy)

    answer = api.call("PATCH", f"{PATH}/{strategy.pk}", {"max_followers": 1})

    assert_problem(answer, 409, "below_followers")


def test_pausing_resuming_and_deleting(api: Api, trader: Trader) -> None:
    path = f"{PATH}/{new_strategy(master=trader).pk}"

    states = [
        api.call(method, f"{path}{act}").body["state"]
        for method, act in (("POST", "/pause"), ("POST", "/resume"), ("DELETE", ""), ("DELETE", ""))
    ]

    assert states == ["PAUSED", "ACTIVE", "DELETED", "DELETED"]
    assert_problem(api.call("POST", f"{path}/resume"), 409, "strategy_deleted")
    assert api.get(path).body["state"] == "DELETED"


@pytest.mark.parametrize(
    ("method", "act"),
    [("PATCH", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume")],
)
def test_a_stranger_changes_nothing(trader: Trader, somebody: Api, method: str, act: str) -> None:
    strategy = new_strategy(master=trader)

    answer = somebody.call(method, f"{PATH}/{strategy.pk}{act}", {"name": "Mine"})

    assert_problem(answer, 404, "not_found")
    strategy.refresh_from_db()
    assert strategy.state == "ACTIVE"


@pytest.mark.parametrize("act", ["", "/curve", "/trades"])
def test_a_private_strategy_is_hidden_from_strangers(
    api: Api, trader: Trader, somebody: Api, act: str
) -> None:
    strategy = new_strategy(master=trader, is_public=False)

    assert_problem(somebody.get(f"{PATH}/{strategy.pk}{act}"), 404, "not_found")
    assert api.get(f"{PATH}/{strategy.pk}{act}").status == 200


def test_an_invitation_opens_a_private_strategy(trader: Trader, somebody: Api) -> None:
    strategy = new_strategy(master=trader, is_public=False)

    answer = somebody.get(f"/api/v1/copy/invitations/{strategy.invite_code}")

    assert (answer.status, answer.body["id"]) == (200, str(strategy.pk))
    assert answer.body["invite_url"] is None, "only the master hands it out"
    assert_problem(somebody.get("/api/v1/copy/invitations/nothing"), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", PATH, "read"),
        ("GET", f"{PATH}/mine", "read"),
        ("POST", PATH, "copy"),
        ("GET", f"{PATH}/{uuid4()}", "read"),
        ("PATCH", f"{PATH}/{uuid4()}", "copy"),
        ("DELETE", f"{PATH}/{uuid4()}", "copy"),
        ("POST", f"{PATH}/{uuid4()}/pause", "copy"),
        ("POST", f"{PATH}/{uuid4()}/resume", "copy"),
        ("GET", f"{PATH}/{uuid4()}/curve", "read"),
        ("GET", f"{PATH}/{uuid4()}/trades", "read"),
        ("GET", "/api/v1/copy/invitations/x", "read"),
    ],
)
def test_scope_is_needed(user: User, anybody: Api, method: str, path: str, scope: str) -> None:
    others = tuple(name for name in ("read", "trade", "copy") if name != scope)

    answer = Api(user, scopes=others).call(method, path, {}, headers={"Idempotency-Key": "k"})

    assert assert_problem(answer, 403, "insufficient_scope")["required_scope"] == scope
    assert_problem(anybody.call(method, path, {}), 401, "unauthenticated")


def test_own_strategies_are_listed_with_deleted_ones(api: Api, trader: Trader) -> None:
    new_strategy(master=trader, name="Old", state="DELETED")
    new_strategy(master=trader, name="New", is_public=False)
    new_strategy(name="Another's")

    assert names(api.get(f"{PATH}/mine")) == ["New", "Old"]


# --- reading ------------------------------------------------------------------------------


def test_money_of_the_account_is_told_to_its_master_alone(
    api: Api, trader: Trader, somebody: Api
) -> None:
    strategy, today = new_strategy(master=trader), timezone.now().date()
    for age in (100, 1, 0):
        NavPoint.objects.create(
            strategy=strategy, day=today - timedelta(days=age), nav=1, equity=500, flows=0
        )

    own = api.get(f"{PATH}/{strategy.pk}/curve").body["points"]
    told = somebody.get(f"{PATH}/{strategy.pk}/curve").body["points"]

    assert own[-1] == {"day": today.isoformat(), "nav": "1", "equity": "500", "flows": "0"}
    assert told[-1] == {"day": today.isoformat(), "nav": "1"}
    assert len(told) == 2
    assert len(api.get(f"{PATH}/{strategy.pk}/curve?days=365").body["points"]) == 3


@pytest.mark.parametrize("days", ["0", "-1", "9999", "all", "1e2", "٣"])
def test_days_are_a_small_number(api: Api, trader: Trader, days: str) -> None:
    strategy = new_strategy(master=trader)

    assert_problem(api.get(f"{PATH}/{strategy.pk}/curve?days={days}"), 400, "malformed")


def test_the_marketplace_lists_active_public_strategies(api: Api) -> None:
    listed(name="Shown")
    listed(name="Hidden", is_public=False)
    listed(name="Resting", state="PAUSED")
    listed(name="Gone", state="DELETED")

    answer = api.get(PATH)

    assert names(answer) == ["Shown"]
    assert answer.body["results"][0]["record"]["roi"] == "0.1"
    assert (answer.body["next"], answer.body["previous"]) == (None, None)


def test_pages_of_the_marketplace_are_linked(api: Api) -> None:
    for number in range(5):
        listed(name=f"S{number}", roi="0.1")

    first = api.get(f"{PATH}?page_size=2&sort=return")
    second = api.get(first.body["next"])
    third = api.get(second.body["next"])

    pages = [names(page) for page in (first, second, third)]
    assert sorted(chain.from_iterable(pages)) == [f"S{n}" for n in range(5)]
    assert third.body["next"] is None
    assert names(api.get(third.body["previous"])) == pages[1]
    assert 'rel="next"' in first.headers["Link"]
    assert 'rel="prev"' in second.headers["Link"]


@pytest.mark.parametrize(
    "query",
    [
        "period=31", "sort=luck", "slots=1", "min_return=5%25", "min_return=NaN", "capital=-1e3",
        "page_size=0", "page_size=101", "page_size=x", "cursor=abc", "cursor=W10", "cursor=%F0%9F",
        "cursor=" + "A" * 400, "q=" + "x" * 101, "nothing=1",
    ],
)  # fmt: skip
def test_odd_questions_are_refused(api: Api, query: str) -> None:
    listed()

    assert_problem(api.get(f"{PATH}?{query}"), 400, "malformed")
