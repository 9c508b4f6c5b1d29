"""Addresses that people reach by mistake tell what is the matter and lead on."""

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from tests.people import new_user, signed_in_recently

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return new_user()


@pytest.fixture
def browser(user: User) -> Client:
    return signed_in_recently(Client(), user)


def test_the_address_of_a_form_opened_as_a_page_leads_back(browser: Client) -> None:
    answer = browser.get("/account/wallet/prove/")

    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert 'href="/"' in answer.content.decode()
    assert "takes only what a form sends" in answer.content.decode()


def test_programs_get_no_page_for_a_wrong_method(browser: Client) -> None:
    answer = browser.get("/api/v1/token/issue")

    assert answer.status_code == 405
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("page", ["/account/2fa/totp/activate/", "/account/2fa/webauthn/add/"])
def test_without_a_confirmed_address_a_second_factor_leads_to_it(
    browser: Client, user: User, settings: Settings, page: str
) -> None:
    settings.MFA_ALLOW_UNVERIFIED_EMAIL = False
    address = EmailAddress.objects.create(user=user, email=user.email, primary=True)

    answer = browser.get(page)
    assert answer.status_code == 403
    assert 'href="/account/email/"' in answer.content.decode()
    address.set_verified()
    assert browser.get(page).status_code == 200
