"""The back office opens to nobody without a second factor."""

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.second_factors import add_authenticator_app
from tests.people import TOTP_SECRET, current_code, new_officer, new_user, note_sign_in

pytestmark = pytest.mark.django_db
NEEDED = "/account/2fa/needed/"


def staff_without_a_factor(*, is_superuser: bool = False) -> User:
    user = new_officer("view_order", is_superuser=is_superuser)
    Authenticator.objects.filter(user=user).delete()
    return user


def browser_of(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.mark.parametrize("is_superuser", [False, True])
@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/trading/order/", "/admin/jsi18n/", "/admin/password_change/"]
)
def test_staff_without_a_second_factor_are_led_to_set_one_up(path: str, is_superuser: bool) -> None:
    browser = browser_of(staff_without_a_factor(is_superuser=is_superuser))

    answer = browser.get(path, follow=True)

    assert answer.redirect_chain[-1][0] == NEEDED
    assert "authenticator app or a passkey" in answer.content.decode()


def test_an_action_of_the_back_office_does_nothing_without_a_second_factor() -> None:
    browser = browser_of(staff_without_a_factor(is_superuser=True))

    answer = browser.post(reverse("admin:trading_order_changelist"), {"action": "try_again"})

    assert answer.status_code == 302
    assert "/admin/login/" in answer.headers["Location"]


def test_recovery_codes_alone_are_no_second_factor() -> None:
    user = staff_without_a_factor()
    Authenticator.objects.create(user=user, type="recovery_codes", data={})

    assert browser_of(user).get("/admin/").status_code == 302


def test_the_back_office_opens_once_there_is_a_second_factor() -> None:
    user = staff_without_a_factor()
    browser = browser_of(user)
    add_authenticator_app(user=user, secret=TOTP_SECRET)

    assert browser.get(reverse("admin:trading_order_changelist")).status_code == 200
    assert browser.get(NEEDED).headers["Location"] == reverse("mfa_index")


def test_a_session_that_began_without_the_factor_is_asked_for_it_at_the_door() -> None:
    """Somebody else may have begun it, with the password alone, before there was a factor."""
    user = new_officer("view_order")
    browser = browser_of(user)
    note_sign_in(browser, user, "password")

    asked = browser.get("/admin/", follow=True)
    assert asked.redirect_chain[-1][0] == "/account/2fa/reauthenticate/?next=%2Fadmin%2F"

    browser.post("/account/2fa/reauthenticate/", {"code": "000000", "next": "/admin/"})
    assert browser.get("/admin/").status_code == 302
    browser.post("/account/2fa/reauthenticate/", {"code": current_code(), "next": "/admin/"})
    assert browser.get("/admin/").status_code == 200


def test_an_officer_keeps_the_last_second_factor() -> None:
    user = new_officer("view_order")

    browser_of(user).post("/account/2fa/totp/deactivate/")

    assert Authenticator.objects.filter(user=user).exists()


def test_a_second_factor_makes_nobody_an_officer() -> None:
    user = new_user()
    add_authenticator_app(user=user, secret=TOTP_SECRET)

    assert browser_of(user).get("/admin/", follow=True).status_code == 403


def test_the_secret_of_an_authenticator_app_is_stored_sealed() -> None:
    made = add_authenticator_app(user=new_user(), secret=TOTP_SECRET)

    made.refresh_from_db()
    assert TOTP_SECRET not in str(made.data)
