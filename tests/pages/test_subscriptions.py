"""Subscribing and subscriptions as pages, as without JavaScript (SUB-1)."""

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agora.sandbox.client import SandboxControl
from copytrade.exchange import runner
from copytrade.models import Strategy, Subscription
from copytrade.replication.risk import DAILY_LOSS
from tests.copying import (
    Trader,
    hold,
    mark,
    new_account,
    new_follower,
    new_strategy,
    new_subscription,
)
from tests.people import new_user

pytestmark = pytest.mark.django_db

RIGHT: dict[str, str | list[str]] = {
    "allocated": "1000",
    "sizing": "proportional",
    "factor": "1",
    "symbols": ["BTC/USDT", "ETH/USDT"],
    "slippage": "0.5",
    "max_open": "20",
    "minimum": "skip",
    "on_stop": "close",
    "stop_loss_percent": "20",
    "start": "new",
}


@pytest.fixture
def control(sandbox: SandboxControl) -> Iterator[SandboxControl]:
    runner.close()
    yield sandbox
    runner.close()


@pytest.fixture
def follower(control: SandboxControl) -> Trader:
    """Somebody with 10,000 USDT in the exchange's sandbox."""
    return new_follower(control=control)


@pytest.fixture
def strategy() -> Strategy:
    return new_strategy(name="Slow and steady", symbols=("BTC/USDT", "ETH/USDT"))


@pytest.fixture
def browser(client: Client, follower: Trader) -> Client:
    client.force_login(follower.user)
    return client


def path_of(strategy: Strategy) -> str:
    return reverse("subscription-new", args=[strategy.pk])


def filled(follower: Trader, **changes: str | list[str]) -> dict[str, str | list[str]]:
    return {**RIGHT, "account": str(follower.account.pk), "step": "preview", **changes}


def hidden_in(page: str) -> dict[str, list[str]]:
    """What the review sends along with its next step."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page):
        found.setdefault(name, []).append(value)
    return found


def error_at(page: str, field: str) -> str:
    found = re.search(rf'id="id_{field}_error">(.*?)</ul>', page, re.DOTALL)
    assert found is not None, page
    return found.group(1)


# --- Subscribing --------------------------------------------------------------------------------


def test_the_preview_comes_first_and_stores_nothing(
    browser: Client, follower: Trader, strategy: Strategy
) -> None:
    assert "Copy Slow and steady" in browser.get(path_of(strategy)).content.decode()
    page = browser.post(path_of(strategy), filled(follower)).content.decode()
    assert "Check your copy of Slow and steady" in page
    assert "800.00" in page  # where the stop-loss stands
    assert "The master has not traded in the last 90 days" in page
    assert not Subscription.objects.exists()


def test_a_reviewed_form_subscribes(browser: Client, follower: Trader, strategy: Strategy) -> None:
    page = browser.post(path_of(strategy), filled(follower)).content.decode()
    answer = browser.post(path_of(strategy), {**hidden_in(page), "step": "confirm"})
    made = Subscription.objects.get()
    assert answer.headers["Location"] == reverse("subscription", args=[made.pk])
    assert (made.follower, made.strategy, made.account) == (
        follower.user,
        strategy,
        follower.account,
    )
    assert (made.allocated, made.slippage_bps, made.stop_equity) == (1000, 50, 800)
    assert made.symbols == ["BTC/USDT", "ETH/USDT"]


def test_sending_it_twice_subscribes_once(
    browser: Client, follower: Trader, strategy: Strategy
) -> None:
    for _ in range(2):
        answer = browser.post(path_of(strategy), filled(follower, step="confirm"))
    assert answer.headers["Location"] == reverse(
        "subscription", args=[Subscription.objects.get().pk]
    )


def test_going_back_from_the_review_keeps_what_was_filled_in(
    browser: Client, follower: Trader, strategy: Strategy
) -> None:
    answer = browser.post(path_of(strategy), filled(follower, allocated="1234.5", step="change"))
    assert answer.status_code == 200
    assert 'value="1234.5"' in answer.content.decode()


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"allocated": ""}, "allocated", "required"),
        ({"allocated": "a lot"}, "allocated", "Enter a number"),
        ({"allocated": "5"}, "allocated", "at least 10"),
        ({"allocated": "10000.01"}, "allocated", "10000.00 USDT"),
        ({"sizing": "yolo"}, "sizing", "valid choice"),
        ({"factor": "11"}, "factor", "from 0.01 to 10"),
        ({"symbols": []}, "symbols", "at least one pair"),
        ({"symbols": ["DOGE/USDT"]}, "symbols", "valid choice"),
        ({"slippage": "11"}, "slippage", "to 10 %"),
        ({"slippage": "0.001"}, "slippage", "2 decimals"),
        ({"slippage": "1e9"}, "slippage", "2 decimals"),
        ({"max_open": "0"}, "max_open", "greater than or equal to 1"),
        ({"max_open": "101"}, "max_open", "from 1 to 100"),
        ({"minimum": "x"}, "minimum", "valid choice"),
        ({"on_stop": "x"}, "on_stop", "valid choice"),
        ({"start": "x"}, "start", "valid choice"),
        ({"stop_loss_percent": "99"}, "stop_loss_percent", "5 % to 95 %"),
        ({"account": "00000000-0000-0000-0000-000000000000"}, "account", "valid choice"),
        ({"account": "mine"}, "account", "valid"),
    ],
)
@pytest.mark.parametrize("step", ["preview", "confirm"])
def test_a_wrong_field_is_told_and_nothing_is_stored(
    browser: Client,
    follower: Trader,
    strategy: Strategy,
    changes: dict[str, str | list[str]],
    field: str,
    words: str,
    step: str,
) -> None:
    answer = browser.post(path_of(strategy), filled(follower, **changes, step=step))
    assert answer.status_code == 422
    assert words in error_at(answer.content.decode(), field)
    assert not Subscription.objects.exists()


def test_the_exchange_must_tell_what_the_account_holds(
    browser: Client, follower: Trader, strategy: Strategy, control: SandboxControl
) -> None:
    control.binance.key(follower.label, revoked=True)
    answer = browser.post(path_of(strategy), filled(follower))
    assert answer.status_code == 422
    assert "did not tell" in error_at(answer.content.decode(), "account")


def test_without_an_account_one_is_asked_for(client: Client, strategy: Strategy) -> None:
    client.force_login(new_user())
    page = client.get(path_of(strategy)).content.decode()
    assert "Connect an exchange account first" in page


def test_a_full_strategy_says_so(browser: Client, follower: Trader) -> None:
    strategy = new_strategy(max_followers=1)
    new_subscription(strategy=strategy)
    form = filled(follower, symbols=["BTC/USDT"], step="confirm")
    answer = browser.post(path_of(strategy), form)
    assert answer.status_code == 422
    assert "All places of this strategy are taken" in answer.content.decode()


def test_ones_own_strategy_leads_back(browser: Client, follower: Trader) -> None:
    account = new_account(user=follower.user)
    strategy = new_strategy(master=replace(follower, account=account))
    answer = browser.get(path_of(strategy))
    assert answer.headers["Location"] == reverse("strategy", args=[strategy.pk])


def test_who_copies_already_is_led_to_the_copy(
    browser: Client, follower: Trader, strategy: Strategy
) -> None:
    made = new_subscription(strategy=strategy, follower=follower)
    answer = browser.get(path_of(strategy))
    assert answer.headers["Location"] == reverse("subscription", args=[made.pk])


def test_a_private_strategy_needs_its_invitation(browser: Client, follower: Trader) -> None:
    strategy = new_strategy(is_public=False, invite_code="let-me-in")
    assert browser.get(path_of(strategy)).status_code == 404
    assert browser.get(path_of(strategy) + "?invite=wrong").status_code == 404
    assert browser.get(path_of(strategy) + "?invite=let-me-in").status_code == 200
    form = filled(follower, symbols=["BTC/USDT"], invite="let-me-in", step="confirm")
    assert browser.post(path_of(strategy), form).status_code == 302


def test_the_figures_are_redrawn_while_the_form_is_filled_in(
    browser: Client, follower: Trader, strategy: Strategy
) -> None:
    address = reverse("subscription-preview", args=[strategy.pk])
    drawn = browser.post(address, filled(follower)).content.decode()
    assert "has not traded in the last 90 days" in drawn
    assert "<html" not in drawn
    half = browser.post(address, filled(follower, allocated="")).content.decode()
    assert "Fill in the form" in half


def test_a_portuguese_reader_may_write_a_comma(
    browser: Client, follower: Trader, strategy: Strategy
) -> None:
    browser.post(reverse("preferences"), {"language": "pt-br"})
    form = filled(follower, allocated="1000,50", step="confirm")
    assert browser.post(path_of(strategy), form).status_code == 302
    assert Subscription.objects.get().allocated == Decimal("1000.5")


# --- The list and one subscription --------------------------------------------------------------


def test_the_empty_list_leads_to_the_marketplace(browser: Client) -> None:
    page = browser.get("/copy/subscriptions/").content.decode()
    assert "You copy nobody yet" in page
    assert reverse("market") in page


def test_the_list_shows_what_each_is_worth(
    browser: Client, follower: Trader, strategy: Strategy
) -> None:
    made = new_subscription(strategy=strategy, follower=follower)
    hold(made, quantity="0.01", price="50000")
    mark("BTC/USDT", "60000")
    page = browser.get("/copy/subscriptions/").content.decode()
    assert "Slow and steady" in page
    assert "1,100.00" in page
    assert "Copying" in page


def test_a_subscription_shows_what_it_holds_and_its_settings(
    browser: Client, follower: Trader, strategy: Strategy
) -> None:
    made = new_subscription(strategy=strategy, follower=follower, stop_equity=Decimal(700))
    hold(made, quantity="0.01", price="50000")
    mark("BTC/USDT", "60000")
    page = browser.get(reverse("subscription", args=[made.pk])).content.decode()
    for text in ("1,100.00", "600.00", "700.00", "0.5 %", "No signals yet"):
        assert text in page


def test_hidden_balances_stay_hidden(browser: Client, follower: Trader, strategy: Strategy) -> None:
    made = new_subscription(strategy=strategy, follower=follower, allocated=Decimal(4321))
    browser.post(reverse("preferences"), {"hide_balances": "1"})
    for path in ("/copy/subscriptions/", reverse("subscription", args=[made.pk])):
        assert "4,321" not in browser.get(path).content.decode()


# --- Changing -----------------------------------------------------------------------------------


def edited(made: Subscription, **changes: str | list[str]) -> dict[str, str | list[str]]:
    form = {name: value for name, value in RIGHT.items() if name not in ("start",)}
    form |= {"stop_loss_percent": "", "stop_loss": "keep", "version": str(made.version)}
    return {**form, "step": "preview", **changes}


@pytest.fixture
def made(follower: Trader, strategy: Strategy) -> Subscription:
    return new_subscription(strategy=strategy, follower=follower)


def test_a_change_is_shown_before_it_is_saved(browser: Client, made: Subscription) -> None:
    address = reverse("subscription-edit", args=[made.pk])
    assert 'value="1000"' in browser.get(address).content.decode()
    form = edited(made, slippage="2", stop_loss="set", stop_loss_percent="30")
    page = browser.post(address, form).content.decode()
    assert "More can be lost than before" in page
    assert "Slippage limit" in page
    assert "700.00" in page
    made.refresh_from_db()
    assert made.slippage_bps == 50

    browser.post(address, {**hidden_in(page), "step": "confirm"})
    made.refresh_from_db()
    assert (made.slippage_bps, made.stop_equity) == (200, 700)


def test_a_change_of_an_older_version_is_refused(browser: Client, made: Subscription) -> None:
    form = edited(made, slippage="1", step="confirm")
    Subscription.objects.update(version=made.version + 1)
    answer = browser.post(reverse("subscription-edit", args=[made.pk]), form)
    assert answer.status_code == 422
    assert "has changed since you opened it" in answer.content.decode()
    made.refresh_from_db()
    assert made.slippage_bps == 50


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"allocated": "20000"}, "allocated"),
        ({"allocated": "1"}, "allocated"),
        ({"stop_loss": "set"}, "stop_loss_percent"),
        ({"symbols": []}, "symbols"),
    ],
)
def test_a_wrong_change_is_told_at_its_field(
    browser: Client, made: Subscription, changes: dict[str, str | list[str]], field: str
) -> None:
    answer = browser.post(reverse("subscription-edit", args=[made.pk]), edited(made, **changes))
    assert answer.status_code == 422
    assert error_at(answer.content.decode(), field)


# --- Pause, resume, stop ------------------------------------------------------------------------


def test_pausing_and_resuming(browser: Client, made: Subscription) -> None:
    browser.post(reverse("subscription-pause", args=[made.pk]))
    made.refresh_from_db()
    assert made.state == "PAUSED"
    browser.post(reverse("subscription-resume", args=[made.pk]))
    made.refresh_from_db()
    assert made.state == "ACTIVE"


def test_resuming_after_a_limit_asks_first(browser: Client, made: Subscription) -> None:
    Subscription.objects.update(state="REDUCING", state_reason=DAILY_LOSS)
    address = reverse("subscription-resume", args=[made.pk])
    page = browser.post(address).content.decode()
    assert "Resume all the same" in page
    made.refresh_from_db()
    assert made.state == "REDUCING"
    browser.post(address, {"confirm": "1"})
    made.refresh_from_db()
    assert made.state == "ACTIVE"


def test_stopping_asks_what_happens_to_positions(browser: Client, made: Subscription) -> None:
    hold(made, quantity="0.01")
    mark()
    address = reverse("subscription-stop", args=[made.pk])
    page = browser.get(address).content.decode()
    assert "0.01" in page
    assert "500.00" in page
    assert browser.post(address, {"on_stop": "burn"}).status_code == 422
    made.refresh_from_db()
    assert made.state == "ACTIVE"
    browser.post(address, {"on_stop": "close"})
    made.refresh_from_db()
    assert made.state == "STOPPING"
    page = browser.get(reverse("subscription", args=[made.pk])).content.decode()
    assert "It is being stopped" in page


@pytest.mark.parametrize("act", ["", "-edit", "-pause", "-resume", "-stop"])
def test_a_stranger_finds_nothing(client: Client, made: Subscription, act: str) -> None:
    client.force_login(made.strategy.master)
    address = reverse(f"subscription{act}", args=[made.pk])
    for answer in (client.get(address), client.post(address, {"on_stop": "close"})):
        assert answer.status_code in ({404, 405} if act in ("", "-pause") else {404})
    made.refresh_from_db()
    assert made.state == "ACTIVE"


@pytest.mark.parametrize("path", ["/copy/subscriptions/"])
def test_nobody_gets_in_without_signing_in(client: Client, path: str) -> None:
    assert client.get(path).headers["Location"].startswith("/account/login/")


def test_the_list_takes_as_many_queries_for_many_as_for_one(client: Client) -> None:
    follower = new_follower()
    client.force_login(follower.user)
    hold(new_subscription(follower=follower))
    mark()
    with CaptureQueriesContext(connection) as for_one:
        client.get(reverse("subscriptions"))
    for _ in range(4):
        hold(new_subscription(follower=follower))

    with CaptureQueriesContext(connection) as for_many:
        client.get(reverse("subscriptions"))

    assert len(for_many) == len(for_one)
