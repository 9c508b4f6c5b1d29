"""Exchange accounts as pages (SUB-1)."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from agora.sandbox.client import SandboxControl
from copytrade.exchange import runner
from copytrade.models import ExchangeAccount
from copytrade.replication import pausing
from tests.copying import new_account, new_key, new_strategy, sandbox_key
from tests.people import new_user

pytestmark = pytest.mark.django_db

NEW = "/copy/accounts/new/"


@pytest.fixture
def control(sandbox: SandboxControl, settings: Settings) -> Iterator[SandboxControl]:
    settings.API_RATES = {**settings.API_RATES, "key": 0}
    runner.close()
    yield sandbox
    runner.close()


@pytest.fixture
def user() -> User:
    return new_user()


@pytest.fixture
def browser(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def fields(key: tuple[str, str], **changes: str) -> dict[str, str]:
    right = {"exchange": "binance", "label": "Main", "api_key": key[0], "secret": key[1]}
    return {**right, **changes}


def error_at(page: str, field: str) -> str:
    found = re.search(rf'id="id_{field}_error">(.*?)</ul>', page, re.DOTALL)
    assert found is not None, page
    return found.group(1)


def test_a_newcomer_is_led_to_the_form(browser: Client) -> None:
    page = browser.get("/copy/accounts/").content.decode()
    assert "No exchange account yet" in page
    assert NEW in page


def test_a_key_is_connected(browser: Client, user: User, control: SandboxControl) -> None:
    _label, key = sandbox_key(control, ip_restrict=True)
    answer = browser.post(NEW, fields(key), follow=True)
    page = answer.content.decode()
    assert answer.redirect_chain == [("/copy/accounts/", 302)]
    assert "“Main” is connected." in page
    assert "Cannot withdraw" in page
    assert f"…{key[0][-4:]}" in page
    assert key[0] not in page
    assert ExchangeAccount.objects.get(user=user).label == "Main"


def test_a_key_without_an_ip_list_is_warned_of(browser: Client, control: SandboxControl) -> None:
    page = browser.post(NEW, fields(sandbox_key(control)[1]), follow=True).content.decode()
    assert "works from any network address" in page


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        ({"withdraw": True}, "Switch off “Enable Withdrawals”"),
        ({"trade": False}, "may not trade"),
        ({"revoked": True}, "does not accept this key"),
    ],
)
def test_a_refused_key_is_explained_and_not_shown_again(
    browser: Client, control: SandboxControl, rights: dict[str, Any], words: str
) -> None:
    _label, key = sandbox_key(control, **rights)
    answer = browser.post(NEW, fields(key))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert words in error_at(page, "api_key")
    assert key[0] not in page
    assert key[1] not in page
    assert 'value="Main"' in page  # what is no secret stays filled in
    assert "no-store" in answer.headers["Cache-Control"]
    assert not ExchangeAccount.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"label": ""}, "label"),
        ({"label": "x" * 61}, "label"),
        ({"exchange": "mtgox"}, "exchange"),
        ({"api_key": ""}, "api_key"),
        ({"api_key": "nonsense"}, "api_key"),
        ({"secret": ""}, "secret"),
        ({"secret": "nonsense"}, "secret"),
        ({"secret": "x" * 5000}, "secret"),
    ],
)
def test_a_wrong_field_is_told_and_nothing_is_stored(
    browser: Client, control: SandboxControl, changes: dict[str, str], field: str
) -> None:
    answer = browser.post(NEW, fields(new_key(), **changes))
    assert answer.status_code == 422
    assert error_at(answer.content.decode(), field)
    assert not ExchangeAccount.objects.exists()


def test_secret_fields_are_not_completed_or_filled(browser: Client) -> None:
    page = browser.get(NEW).content.decode()
    for name in ("api_key", "secret"):
        tag = re.search(rf'<input[^>]*name="{name}"[^>]*>', page)
        assert tag is not None
        assert 'type="password"' in tag.group()
        assert 'autocomplete="off"' in tag.group()
        assert "value=" not in tag.group()


def test_the_addresses_to_allow_are_shown(browser: Client, settings: Settings) -> None:
    settings.EGRESS_ADDRESSES = ["203.0.113.7"]
    assert "203.0.113.7" in browser.get(NEW).content.decode()


def test_an_account_is_renamed(browser: Client, user: User) -> None:
    account = new_account(user=user, label="Old")
    address = reverse("exchange-account-rename", args=[account.pk])
    assert browser.post(address, {"label": ""}).status_code == 422
    browser.post(address, {"label": "Savings"})
    account.refresh_from_db()
    assert account.label == "Savings"


def test_a_key_is_replaced(browser: Client, user: User, control: SandboxControl) -> None:
    account = new_account(user=user)
    address = reverse("exchange-account-key", args=[account.pk])
    refused = browser.post(address, {"api_key": new_key()[0], "secret": new_key()[1]})
    assert refused.status_code == 422
    _label, key = sandbox_key(control)
    browser.post(address, {"api_key": key[0], "secret": key[1]})
    account.refresh_from_db()
    assert account.key_hint == key[0][-4:]


def test_a_paused_account_says_why_and_is_resumed(
    browser: Client, user: User, control: SandboxControl
) -> None:
    _label, key = sandbox_key(control)
    account = new_account(user=user, key=key)
    pausing.pause(account=account, reason="key_can_withdraw", now=timezone.now())
    page = browser.get("/copy/accounts/").content.decode()
    assert "The key may withdraw money" in page
    browser.post(reverse("exchange-account-resume", args=[account.pk]))
    account.refresh_from_db()
    assert account.state == "ACTIVE"


def test_removing_asks_first(browser: Client, user: User) -> None:
    account = new_account(user=user)
    address = reverse("exchange-account-remove", args=[account.pk])
    assert "Remove this account?" in browser.get(address).content.decode()
    account.refresh_from_db()
    assert account.state == "ACTIVE"
    browser.post(address)
    account.refresh_from_db()
    assert account.state == "REMOVED"
    assert browser.get(address).status_code == 404


def test_an_account_in_use_leads_to_what_uses_it(browser: Client, user: User) -> None:
    strategy = new_strategy()
    client = Client()
    client.force_login(strategy.master)
    page = client.get(reverse("exchange-account-remove", args=[strategy.account_id]))
    assert reverse("strategies-mine") in page.content.decode()


@pytest.mark.parametrize("act", ["rename", "key", "resume", "remove"])
def test_a_stranger_finds_nothing(browser: Client, act: str) -> None:
    account = new_account(user=new_user())
    address = reverse(f"exchange-account-{act}", args=[account.pk])
    data = {"label": "x", "api_key": new_key()[0], "secret": new_key()[1]}
    assert browser.post(address, data).status_code == 404
    account.refresh_from_db()
    assert account.state == "ACTIVE"


@pytest.mark.parametrize("path", ["/copy/accounts/", NEW])
def test_nobody_gets_in_without_signing_in(client: Client, path: str) -> None:
    assert client.get(path).headers["Location"].startswith("/account/login/")
