"""Risk limits by page and API: strict input, nobody else's, effective at once (RISK-1)."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.second_factors import add_authenticator_app
from copytrade.models import RiskLimits, Subscription
from copytrade.replication import risk
from tests.api.conftest import Answer, Api, assert_problem, pointers
from tests.copying import hold, mark, new_subscription
from tests.people import TOTP_SECRET, new_user

pytestmark = pytest.mark.django_db
MINE = "/api/v1/copy/risk-limits"


@pytest.fixture
def subscription() -> Subscription:
    return new_subscription()


@pytest.fixture
def owner(subscription: Subscription) -> Api:
    return Api(subscription.follower)


def of(subscription: Subscription) -> str:
    return f"/api/v1/copy/subscriptions/{subscription.pk}/risk-limits"


def put(api: Api, path: str, body: object) -> Answer:
    return api.call("PUT", path, body)


def guarded(owner: Api) -> Api:
    """The same person with a token that may widen."""
    assert owner.user is not None
    add_authenticator_app(user=owner.user, secret=TOTP_SECRET)
    return Api(owner.user, scopes=("read", "copy", "security"))


@pytest.mark.parametrize("wider", ["100.01", None])
def test_widening_takes_more_than_a_token_that_copies(
    owner: Api, subscription: Subscription, wider: str | None
) -> None:
    strong = guarded(owner)
    for path in (MINE, of(subscription)):
        assert put(owner, path, {"max_order": "200"}).status == 200
        assert put(owner, path, {"max_order": "100", "daily_loss": "5"}).status == 200

        answer = put(owner, path, {"max_order": wider, "daily_loss": "4"})

        assert assert_problem(answer, 403, "insufficient_scope")["required_scope"] == "security"
        assert (owner.get(path).body["max_order"], owner.get(path).body["daily_loss"]) == (
            "100",
            "5",
        )
        assert put(strong, path, {"max_order": wider, "daily_loss": "4"}).status == 200


def test_without_limits_all_are_null(owner: Api) -> None:
    assert owner.get(MINE).body == {
        "max_order": None,
        "max_symbol": None,
        "max_exposure": None,
        "daily_loss": None,
        "timezone": "UTC",
        "lost_today": "0",
        "updated_at": None,
    }


def test_limits_are_replaced_as_a_whole(owner: Api, subscription: Subscription) -> None:
    first = put(owner, MINE, {"max_order": "100.50", "timezone": "America/Asuncion"})
    assert (first.status, first.body["max_order"]) == (200, "100.5")
    assert first.body["timezone"] == "America/Asuncion"

    second = put(guarded(owner), MINE, {"daily_loss": "5"})
    assert (second.body["max_order"], second.body["daily_loss"]) == (None, "5")
    assert put(owner, of(subscription), {"max_symbol": "7"}).body["max_symbol"] == "7"
    assert RiskLimits.objects.count() == 2


def test_what_is_lost_today_is_told(owner: Api, subscription: Subscription) -> None:
    hold(subscription)
    mark("BTC/USDT", "49000")

    assert owner.get(MINE).body["lost_today"] == "10"
    assert owner.get(of(subscription)).body["lost_today"] == "10"


def test_a_limit_set_by_the_api_strikes(owner: Api, subscription: Subscription) -> None:
    hold(subscription)
    mark("BTC/USDT", "49000")
    put(owner, MINE, {"daily_loss": "10"})

    assert risk.watch(now=timezone.now()) == [subscription.pk]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"max_order": 5}, "#/max_order"),
        ({"max_order": "5,5"}, "#/max_order"),
        ({"max_order": "-5"}, "#/max_order"),
        ({"max_order": "0"}, "#/max_order"),
        ({"max_order": "1e3"}, "#/max_order"),
        ({"max_order": "NaN"}, "#/max_order"),
        ({"max_order": "٣"}, "#/max_order"),
        ({"max_order": "9" * 30}, "#/max_order"),
        ({"daily_loss": ""}, "#/daily_loss"),
        ({"timezone": "Mars/Olympus"}, "#/timezone"),
        ({"max_ordre": "5"}, "#/max_ordre"),
    ],
)
def test_what_is_no_amount_is_refused_with_its_place(
    owner: Api, body: dict[str, Any], pointer: str
) -> None:
    answer = put(owner, MINE, body)

    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == [pointer]
    assert not RiskLimits.objects.exists()


def test_a_subscription_has_no_time_zone_of_its_own(owner: Api, subscription: Subscription) -> None:
    assert_problem(put(owner, of(subscription), {"timezone": "UTC"}), 422, "invalid")


def test_strangers_and_weaker_tokens_change_nothing(subscription: Subscription) -> None:
    stranger = Api(new_user())
    assert_problem(stranger.get(of(subscription)), 404, "not_found")
    assert_problem(put(stranger, of(subscription), {"max_order": "1"}), 404, "not_found")
    reader = Api(subscription.follower, scopes=("read",))
    assert_problem(put(reader, MINE, {"max_order": "1"}), 403, "insufficient_scope")
    assert_problem(put(Api(None), MINE, {}), 401, "unauthenticated")
    assert_problem(reader.call("POST", MINE, {}), 405, "method_not_allowed")
    assert not RiskLimits.objects.exists()


# --- pages


@pytest.fixture
def browser(client: Client, subscription: Subscription) -> Client:
    client.force_login(subscription.follower)
    return client


def test_the_page_sets_limits_and_shows_them_again(
    browser: Client, subscription: Subscription
) -> None:
    page = reverse("risk-limits")
    answer = browser.post(page, {"daily_loss": "50.5", "timezone": "America/Sao_Paulo"})
    assert (answer.status_code, answer.headers["Location"]) == (302, page)
    own = reverse("risk-subscription", args=[subscription.pk])
    assert browser.post(own, {"max_order": "25"}).status_code == 302

    text = browser.get(page).content.decode()
    assert 'value="50.5"' in text
    assert "Lost today: 0.00 of 50.50 USDT" in text
    assert 'value="25"' in browser.get(own).content.decode()


@pytest.mark.parametrize("value", ["abc", "-1", "0", "NaN", "1" * 41, "0.0000000000000000001"])
def test_a_page_names_what_is_wrong_and_keeps_it(browser: Client, value: str) -> None:
    answer = browser.post(reverse("risk-limits"), {"max_order": value, "timezone": "UTC"})

    assert answer.status_code == 422
    assert "errorlist" in answer.content.decode()
    assert not RiskLimits.objects.exists()


def test_pages_of_others_are_not_there(client: Client, subscription: Subscription) -> None:
    client.force_login(new_user())

    address = reverse("risk-subscription", args=[subscription.pk])
    assert client.get(address).status_code == 404
    assert client.post(address, {"max_order": "1"}).status_code == 404
    assert not RiskLimits.objects.exists()


def test_going_on_by_the_page(browser: Client, subscription: Subscription) -> None:
    hold(subscription)
    mark("BTC/USDT", "49000")
    RiskLimits.objects.create(
        subscription=subscription, daily_loss=Decimal(10), updated_at=timezone.now()
    )
    assert "Copy in full again now" not in browser.get(reverse("risk-limits")).content.decode()
    risk.watch(now=timezone.now())
    assert "Copy in full again now" in browser.get(reverse("risk-limits")).content.decode()

    browser.post(reverse("subscription-resume", args=[subscription.pk]), {"confirm": "1"})

    subscription.refresh_from_db()
    assert subscription.state == "ACTIVE"
