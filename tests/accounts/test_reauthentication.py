"""Pages that could do harm open only to who has just shown who they are."""

from decimal import Decimal

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import reverse

from accounts.models import AddressEntry, ApiToken, User
from accounts.second_factors import add_authenticator_app
from copytrade.models import RiskLimits
from tests.people import TOTP_SECRET, current_code, new_user, note_sign_in

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"
LONG_AGO = 2 * 60 * 60
PAGES = [
    "api_tokens", "addresses", "exchange-account-new", "mfa_activate_totp", "mfa_add_webauthn",
    "account_email",
]  # fmt: skip


@pytest.fixture
def person() -> User:
    user = new_user(email="ana@example.com", password=PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    return user


@pytest.fixture
def browser(client: Client, person: User) -> Client:
    """Signed in, two hours ago."""
    client.force_login(person)
    note_sign_in(client, person, "password", ago=LONG_AGO)
    return client


@pytest.mark.parametrize("name", PAGES)
def test_the_page_asks_first_and_then_opens(browser: Client, name: str) -> None:
    page = reverse(name)

    asked = browser.get(page)
    assert asked.headers["Location"] == f"/account/reauthenticate/?next={page.replace('/', '%2F')}"

    back = browser.post("/account/reauthenticate/", {"password": PASSWORD, "next": page})
    assert back.headers["Location"] == page
    assert browser.get(page).status_code == 200


@pytest.mark.parametrize("name", PAGES)
def test_signing_in_counts(client: Client, person: User, name: str) -> None:
    client.post("/account/login/", {"login": person.email, "password": PASSWORD})

    assert client.get(reverse(name)).status_code == 200


def test_a_stranger_is_led_to_the_sign_in_page(client: Client) -> None:
    assert client.get(reverse("api_tokens")).headers["Location"].startswith("/account/login/")


def test_a_wrong_password_opens_nothing(browser: Client) -> None:
    browser.post("/account/reauthenticate/", {"password": "wrong", "next": "/account/tokens/"})

    assert browser.get(reverse("api_tokens")).status_code == 302


def test_a_code_of_the_second_factor_opens_it_too(browser: Client, person: User) -> None:
    add_authenticator_app(user=person, secret=TOTP_SECRET)

    browser.post("/account/2fa/reauthenticate/", {"code": current_code()})

    assert browser.get(reverse("api_tokens")).status_code == 200


@pytest.mark.parametrize("name", PAGES)
def test_who_has_a_second_factor_confirms_by_it_alone(
    browser: Client, person: User, name: str
) -> None:
    add_authenticator_app(user=person, secret=TOTP_SECRET)
    note_sign_in(browser, person, "password")

    asked = browser.get(reverse(name))
    assert asked.headers["Location"].startswith("/account/2fa/reauthenticate/?next=")

    browser.post("/account/reauthenticate/", {"password": PASSWORD})
    assert browser.get(reverse(name)).status_code == 302


def test_a_session_from_before_the_factor_issues_no_token_that_needs_it(
    browser: Client, person: User
) -> None:
    note_sign_in(browser, person, "password")
    add_authenticator_app(user=person, secret=TOTP_SECRET)
    form = {"name": "Report", "scopes": ["trade", "security"], "days": "1"}

    browser.post(reverse("api_tokens"), form)
    assert not ApiToken.objects.exists()

    browser.post("/account/2fa/reauthenticate/", {"code": current_code()})
    browser.post(reverse("api_tokens"), form)
    assert ApiToken.objects.get().scopes == ["trade", "security"]


def test_what_is_sent_too_late_is_neither_done_nor_kept(browser: Client) -> None:
    answer = browser.post(
        reverse("api_tokens"), {"name": "Report", "scopes": ["read"], "days": "30"}
    )

    assert answer.status_code == 302
    browser.post("/account/reauthenticate/", {"password": PASSWORD, "next": "/account/tokens/"})
    assert not ApiToken.objects.exists()
    assert "then send it again" in browser.get("/account/tokens/").content.decode()


def test_a_form_that_was_opened_in_time_may_take_as_long_again(
    browser: Client, person: User, settings: object
) -> None:
    note_sign_in(browser, person, "password", ago=1_200)
    form = {"chain": "EVM", "address": "0x" + "ab" * 20, "label": "mine"}

    assert browser.get(reverse("addresses")).status_code == 302
    browser.post(reverse("addresses"), form)
    assert AddressEntry.objects.count() == 1

    note_sign_in(browser, person, "password", ago=1_900)
    browser.post(reverse("addresses"), {**form, "address": "0x" + "cd" * 20})
    assert AddressEntry.objects.count() == 1


def test_a_fragment_is_no_place_for_the_question(browser: Client) -> None:
    answer = browser.get(reverse("addresses"), headers={"HX-Request": "true"})

    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"].startswith("/account/reauthenticate/?next=")


def test_limits_are_tightened_at_once_and_widened_only_after_the_question(
    browser: Client, person: User
) -> None:
    page = reverse("risk-limits")

    browser.post(page, {"daily_loss": "100", "timezone": "UTC"})
    assert RiskLimits.objects.get(user=person).daily_loss == Decimal(100)

    for wider in ("200", ""):
        answer = browser.post(page, {"daily_loss": wider, "timezone": "UTC"})
        assert answer.headers["Location"].startswith("/account/reauthenticate/")
    assert RiskLimits.objects.get(user=person).daily_loss == Decimal(100)

    note_sign_in(browser, person, "password")
    browser.post(page, {"daily_loss": "200", "timezone": "UTC"})
    assert RiskLimits.objects.get(user=person).daily_loss == Decimal(200)


def test_another_persons_record_in_the_session_counts_for_nothing(
    browser: Client, person: User
) -> None:
    note_sign_in(browser, new_user(), "password")

    assert browser.get(reverse("api_tokens")).status_code == 302


def test_the_address_of_an_account_changes_only_after_the_question(
    browser: Client, person: User
) -> None:
    browser.post("/account/email/", {"action_add": "", "email": "thief@example.com"})

    assert not EmailAddress.objects.filter(email="thief@example.com").exists()
