"""The pages of trades: filters, keyset pages, totals; nobody sees another's."""

import uuid
from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from copytrade.models import RiskLimits, Subscription
from copytrade.selectors.history import BadCursor, Filters, page_of, totals_of, trades_of
from tests.copying import new_follower, new_strategy, new_subscription
from tests.copytrade.booking import copied
from tests.people import new_user

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def subscription() -> Subscription:
    return new_subscription()


@pytest.fixture
def follower(subscription: Subscription) -> User:
    return subscription.follower


@pytest.fixture
def browser(client: Client, follower: User) -> Client:
    client.force_login(follower)
    return client


def page(browser: Client, **asked: str) -> str:
    response = browser.get(reverse("copy-ledger"), asked)
    assert response.status_code == 200, response.content
    return str(response.content.decode())


def test_a_person_without_trades_is_told_where_to_begin(client: Client) -> None:
    client.force_login(new_user())

    assert "No trades yet" in page(client)


def test_a_stranger_sees_none_of_them(subscription: Subscription, client: Client) -> None:
    copied(subscription)
    client.force_login(new_user())

    assert "No trades yet" in page(client)


def test_nobody_sees_the_page_without_signing_in(client: Client) -> None:
    for name in ("copy-ledger", "copy-export", "copy-proof", "risk-limits"):
        assert client.get(reverse(name)).status_code == 302


def test_trades_are_shown_with_their_totals(browser: Client, subscription: Subscription) -> None:
    copied(subscription, quantity="0.02", price="50000", fee="1")
    copied(subscription, side="SELL", quantity="0.01", price="51000", fee="0.5")

    text = page(browser)
    assert "1,000.00 USDT" in text
    assert "510.00 USDT" in text
    assert "1.50 USDT" in text  # fees
    assert subscription.strategy.name in text


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"side": "SELL"}, 1),
        ({"symbol": "ETH/USDT"}, 1),
        ({"symbol": "SOL/USDT"}, 0),
        ({"first": "2026-11-20", "last": "2026-11-20"}, 2),
        ({"first": "2026-11-21"}, 1),
        ({"last": "2026-11-19"}, 0),
    ],
)
def test_filters_choose_rows(
    browser: Client, subscription: Subscription, asked: dict[str, str], shown: int
) -> None:
    copied(subscription, at=NOON)
    copied(subscription, at=NOON, symbol="ETH/USDT", price="3000")
    copied(subscription, side="SELL", at=NOON + timedelta(days=1))

    response = browser.get(reverse("copy-ledger"), asked)
    assert len(response.context["page"].rows) == shown


def test_dates_are_those_of_the_zone_that_the_page_names(
    browser: Client, subscription: Subscription, follower: User
) -> None:
    copied(subscription, at=datetime(2026, 11, 20, 1, tzinfo=UTC))
    asked = {"first": "2026-11-19", "last": "2026-11-19"}

    assert len(browser.get(reverse("copy-ledger"), asked).context["page"].rows) == 0
    RiskLimits.objects.create(user=follower, timezone="America/Sao_Paulo", updated_at=NOON)
    response = browser.get(reverse("copy-ledger"), asked)
    assert len(response.context["page"].rows) == 1
    assert "America/Sao_Paulo" in response.content.decode()


def test_filters_by_account_subscription_and_strategy(follower: User) -> None:
    trader = new_follower(user=follower)
    first, second = (new_subscription(follower=trader) for _ in range(2))
    copied(first)
    copied(second)

    for wanted in (
        Filters(subscription=first.pk),
        Filters(strategy=first.strategy_id),
    ):
        found = trades_of(user=follower, filters=wanted)
        assert [fill.subscription_id for fill in found] == [first.pk]
    assert trades_of(user=follower, filters=Filters(account=first.account_id)).count() == 2


@pytest.mark.parametrize(
    "asked",
    [
        {"side": "HOLD"},
        {"account": str(uuid.uuid4())},
        {"account": "'; DROP TABLE copytrade_fill; --"},
        {"first": "yesterday"},
        {"first": "2026-11-21", "last": "2026-11-20"},
        {"zone": "Mars/Olympus"},
        {"symbol": "\x00"},
    ],
)
def test_a_filter_that_makes_no_sense_is_named(browser: Client, asked: dict[str, str]) -> None:
    response = browser.get(reverse("copy-ledger"), asked)

    assert response.status_code == 422
    assert "errorlist" in response.content.decode()


def test_pages_neither_repeat_nor_miss_a_row_while_trades_arrive(
    subscription: Subscription, follower: User
) -> None:
    before = [copied(subscription, at=NOON + timedelta(minutes=n // 3)).pk for n in range(12)]
    everything = trades_of(user=follower, filters=Filters())

    seen, cursor = [], ""
    while True:
        found = page_of(everything, cursor=cursor, size=5)
        seen += [row.pk for row in found.rows]
        copied(subscription, at=NOON + timedelta(days=1))  # newer than what is being read
        if found.older is None:
            break
        cursor = found.older
    assert seen == sorted(before, reverse=True)


@pytest.mark.parametrize("cursor", ["x", "MjAyNg", "====", "é", "MjAyNi0xMS0yMCAx", "a" * 5000])
def test_a_made_up_cursor_leads_to_the_first_page(browser: Client, cursor: str) -> None:
    response = browser.get(reverse("copy-ledger"), {"older": cursor})

    assert (response.status_code, response.headers["Location"]) == (302, reverse("copy-ledger"))


def test_a_cursor_of_another_kind_is_refused(follower: User) -> None:
    with pytest.raises(BadCursor):
        page_of(trades_of(user=follower, filters=Filters()), cursor="MSAy", size=5)


def test_totals_of_nothing_are_zero(follower: User) -> None:
    totals = totals_of(trades_of(user=follower, filters=Filters(first=date(2026, 1, 1))))

    assert not any((totals.trades, totals.bought, totals.sold, totals.fees, totals.realized))


def test_a_master_finds_trades_of_his_own_strategy_only(client: Client) -> None:
    strategy = new_strategy()
    copied(new_subscription(strategy=strategy))
    client.force_login(strategy.master)

    assert "No trades yet" in page(client)


def test_amounts_are_hidden_from_others_eyes(browser: Client, subscription: Subscription) -> None:
    copied(subscription, quantity="0.0123", price="50000")
    assert "615.00" in page(browser)

    browser.cookies["hide_balances"] = "1"
    text = page(browser)
    assert "615.00" not in text
    assert "0.0123" not in text
