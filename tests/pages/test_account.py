"""Onboarding and API tokens as pages."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import ApiToken, User, Wallet
from accounts.token_store import authenticate
from kyc.models import Application
from tests.people import a_cpf, an_address, new_user, onboarded

pytestmark = pytest.mark.django_db


def answers(**changes: str) -> dict[str, str]:
    right = {
        "full_name": "Maria da Silva",
        "country": "BR",
        "tax_id": a_cpf(8_001),
        "wallet_address": an_address(8_001),
        "consent": "on",
    }
    return {name: text for name, text in {**right, **changes}.items() if text}


@pytest.fixture
def newcomer(client: Client, buyer: User) -> Client:
    """A signed-in browser of somebody who has not been onboarded."""
    client.force_login(new_user(email="newcomer@example.com"))
    return client


def test_a_right_form_opens_the_buy_page(newcomer: Client) -> None:
    answer = newcomer.post(reverse("onboarding"), answers())
    assert answer.headers["Location"] == reverse("buy")
    assert Application.objects.get(user__email="newcomer@example.com").status == "APPROVED"
    assert newcomer.get(reverse("onboarding")).headers["Location"] == reverse("dashboard")


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"full_name": "x"}, "full_name", "Enter your full name"),
        ({"country": ""}, "country", "This field is required"),
        ({"country": "AR"}, "country", "Select a valid choice"),
        ({"tax_id": "123.456.789-00"}, "tax_id", "not a valid CPF"),
        ({"tax_id": "111.111.111-11"}, "tax_id", "eleven equal digits"),
        ({"country": "PY"}, "tax_id", "RUC"),
        ({"wallet_address": "0x12"}, "wallet_address", "40 hexadecimal digits"),
        ({"wallet_address": "0x" + "0" * 40}, "wallet_address", "zero address"),
        ({"consent": ""}, "consent", "agree to it"),
    ],
)
def test_each_wrong_answer_is_explained_at_its_field_and_nothing_is_stored(
    newcomer: Client, changes: dict[str, str], field: str, message: str
) -> None:
    before = Application.objects.count(), Wallet.objects.count()
    answer = newcomer.post(reverse("onboarding"), answers(**changes))
    page = answer.content.decode()
    assert answer.status_code == 422
    errors = re.search(rf'id="id_{field}_error">(.*?)</ul>', page, re.DOTALL)
    assert errors is not None
    assert message in errors.group(1)
    assert (Application.objects.count(), Wallet.objects.count()) == before


def test_who_tries_many_tax_ids_has_to_wait(newcomer: Client, settings: Settings) -> None:
    settings.API_RATES = {**settings.API_RATES, "onboard": 2}
    taken = onboarded().kyc_application.tax_id

    tries = [newcomer.post(reverse("onboarding"), answers(tax_id=taken)) for _ in range(4)]

    # A minute may end in between.
    codes = [answer.status_code for answer in tries]
    assert codes[:2] == [422, 422]
    assert codes[2:] == [429, 429] or 429 not in codes[2:3]


@pytest.mark.parametrize(
    ("target", "reached"),
    [("/orders/", "/orders/"), ("https://evil.example/", "/buy/"), ("//evil.example", "/buy/")],
)
def test_the_person_comes_back_to_where_they_were_going_on_this_site(
    newcomer: Client, target: str, reached: str
) -> None:
    sent_away = newcomer.get(reverse("buy"))
    assert sent_away.headers["Location"] == "/onboarding/?next=%2Fbuy%2F"
    answer = newcomer.post(reverse("onboarding"), {**answers(), "next": target})
    assert answer.headers["Location"] == reached


def test_a_token_is_shown_once_and_can_be_revoked(browser: Client, buyer: User) -> None:
    page = browser.post(reverse("api_tokens"), {"name": "Report", "scopes": ["read"], "days": "30"})
    found = re.search(r"agr_[A-Za-z0-9]{12}_[A-Za-z0-9]{43}", page.content.decode())
    assert found is not None
    assert "no-store" in page.headers["Cache-Control"]
    assert found.group() not in browser.get(reverse("api_tokens")).content.decode()
    token = authenticate(found.group(), timezone.now())
    assert (token.user, token.scopes) == (buyer, ["read"])

    address = reverse("api_token_revoke", args=[token.pk])
    assert "Revoke this token?" in browser.get(address).content.decode()
    token.refresh_from_db()
    assert token.revoked_at is None
    browser.post(address)
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_a_token_of_another_person_cannot_be_revoked(browser: Client, buyer: User) -> None:
    browser.post(reverse("api_tokens"), {"name": "Mine", "scopes": ["read"], "days": "30"})
    token = ApiToken.objects.get(user=buyer)
    stranger = Client()
    stranger.force_login(onboarded())
    assert stranger.post(reverse("api_token_revoke", args=[token.pk])).status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


@pytest.mark.parametrize(
    "form",
    [
        {"name": "", "scopes": ["read"], "days": "30"},
        {"name": "x", "scopes": [], "days": "30"},
        {"name": "x", "scopes": ["admin"], "days": "30"},
        {"name": "x", "scopes": ["read"], "days": "9999"},
    ],
)
def test_a_wrong_token_form_issues_nothing(
    browser: Client, form: dict[str, str | list[str]]
) -> None:
    assert browser.post(reverse("api_tokens"), form).status_code == 422
    assert not ApiToken.objects.exists()
