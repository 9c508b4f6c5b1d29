"""Passkeys, authenticator app, sessions and confirming, in a real browser."""

import re
from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from playwright.sync_api import Page, ViewportSize, expect

from accounts.models import User
from accounts.second_factors import add_authenticator_app
from tests.browser.conftest import Visitor, Visitors
from tests.browser.test_accessible import VIEWS, assert_clean, inspect
from tests.people import TOTP_SECRET, current_code, new_user

PASSWORD = "correct horse battery staple"


@pytest.fixture
def person(site: str) -> User:
    user = new_user(email="ana@example.com", password=PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    return user


def with_key(visitor: Visitor) -> Callable[[bool], object]:
    """Give the browser a virtual authenticator (WebAuthn over the DevTools protocol).

    The answer sets whether it recognises its owner.
    """
    session = visitor.context.new_cdp_session(visitor.page)
    session.send("WebAuthn.enable")
    made = session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    return lambda verified: session.send(
        "WebAuthn.setUserVerified",
        {"authenticatorId": made["authenticatorId"], "isUserVerified": verified},
    )


def sign_in(page: Page, site: str) -> None:
    page.goto(f"{site}/account/login/")
    page.get_by_label("E-mail").or_(page.get_by_label("Email")).fill("ana@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main form.grid button[type=submit]").click()


def sign_out(page: Page) -> None:
    page.locator("details[data-menu] summary").click()
    page.locator("details[data-menu]").get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile(r"/$"))


def test_a_passkey_is_added_and_signs_in_by_itself(
    visitors: Visitors, site: str, person: User
) -> None:
    visitor = visitors()
    with_key(visitor)
    page = visitor.page
    sign_in(page, site)
    visitor.open("/account/2fa/webauthn/add/").get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Add a passkey").click()
    visitor.sees("Recovery codes")
    assert Authenticator.objects.filter(user=person, type="webauthn").count() == 1

    sign_out(page)
    visitor.open("/account/login/").get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"{site}/dashboard/")


def test_a_passkey_is_the_second_factor_after_the_password(
    visitors: Visitors, site: str, person: User
) -> None:
    visitor = visitors()
    with_key(visitor)
    page = visitor.page
    sign_in(page, site)
    visitor.open("/account/2fa/webauthn/add/").get_by_label("Sign in with it alone").uncheck()
    page.get_by_role("button", name="Add a passkey").click()
    visitor.sees("Recovery codes")
    sign_out(page)

    sign_in(page, site)
    visitor.sees("Second factor")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{site}/dashboard/")


def test_without_the_person_at_the_key_nothing_opens(
    visitors: Visitors, site: str, person: User
) -> None:
    visitor = visitors()
    set_verified = with_key(visitor)
    page = visitor.page
    sign_in(page, site)
    visitor.open("/account/2fa/webauthn/add/")
    page.get_by_role("button", name="Add a passkey").click()
    visitor.sees("Recovery codes")
    sign_out(page)

    set_verified(False)
    visitor.open("/account/login/").get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("That did not work")
    visitor.open("/dashboard/")
    assert "/account/login/" in page.url


def test_a_passkey_confirms_before_a_page_that_could_do_harm(
    visitors: Visitors, site: str, person: User, settings: object
) -> None:
    visitor = visitors()
    with_key(visitor)
    page = visitor.page
    sign_in(page, site)
    visitor.open("/account/2fa/webauthn/add/")
    page.get_by_role("button", name="Add a passkey").click()
    visitor.sees("Recovery codes")

    visitor.open("/account/2fa/webauthn/reauthenticate/?next=/account/tokens/")
    page.get_by_role("button", name="Use a passkey").click()
    visitor.sees("API tokens")


@pytest.mark.parametrize("script", [True, False])
def test_an_authenticator_app_is_set_up_and_asked_for(
    visitors: Visitors, site: str, person: User, script: bool
) -> None:
    visitor = visitors(script=script)
    page = visitor.page
    sign_in(page, site)
    visitor.open("/account/2fa/")
    page.get_by_role("link", name="Set up an authenticator app").click()
    secret = page.locator("code.mono").inner_text()
    page.get_by_label("Authenticator code").fill(current_code(secret))
    page.get_by_role("button", name="Set up").click()
    visitor.sees("Recovery codes")
    codes = page.locator("ul.mono li").all_inner_texts()
    assert len(codes) == 10

    sign_out(page)
    sign_in(page, site)
    visitor.sees("Second factor")
    page.get_by_label("Code").fill(codes[0])
    page.locator("main form.grid button[type=submit]").click()
    page.wait_for_url(f"{site}/dashboard/")


def test_an_officer_without_a_second_factor_is_led_through_setting_one_up(
    visitors: Visitors, site: str, person: User
) -> None:
    User.objects.update(is_staff=True, is_superuser=True)
    visitor = visitors()
    page = visitor.page
    sign_in(page, site)
    visitor.open("/admin/")
    visitor.sees("Second factor needed")
    page.get_by_role("link", name="Set up an authenticator app").click()
    page.get_by_label("Authenticator code").fill(
        current_code(page.locator("code.mono").inner_text())
    )
    page.get_by_role("button", name="Set up").click()
    visitor.sees("Recovery codes")
    page.locator("main").get_by_role("link", name="Back office").click()
    page.wait_for_url(f"{site}/admin/")


def test_another_session_is_ended_from_the_list(
    visitors: Visitors, site: str, person: User
) -> None:
    phone, desk = visitors(), visitors()
    sign_in(phone.page, site)
    sign_in(desk.page, site)
    desk.page.wait_for_url(f"{site}/dashboard/")

    page = desk.open("/account/sessions/")
    page.locator("main").get_by_role("button", name="Sign out Chrome on").click()
    page.get_by_text("That session is signed out").wait_for()

    phone.open("/dashboard/")
    assert "/account/login/" in phone.page.url


@pytest.mark.parametrize("viewport", VIEWS)
def test_pages_about_signing_in(
    visitors: Visitors, site: str, person: User, viewport: ViewportSize
) -> None:
    visitor = visitors(viewport=viewport)
    page, wrong = visitor.page, {}
    visitor.sign_in(person)
    for path in (
        "/account/settings/",
        "/account/2fa/",
        "/account/2fa/needed/",
        "/account/2fa/totp/activate/",
        "/account/2fa/webauthn/",
        "/account/2fa/webauthn/add/",
        "/account/3rdparty/",
        "/account/3rdparty/login/error/",
        "/account/3rdparty/login/cancelled/",
        "/account/reauthenticate/",
    ):
        visitor.open(path)
        wrong[path] = inspect(visitor)
    visitor.open("/account/2fa/webauthn/add/")
    with_key(visitor)  # not earlier: looking for faults ends it
    page.get_by_role("button", name="Add a passkey").click()
    visitor.sees("Recovery codes")
    wrong["recovery codes"] = inspect(visitor)
    add_authenticator_app(user=person, secret=TOTP_SECRET)
    key = Authenticator.objects.get(user=person, type="webauthn")
    for path in (
        "/account/2fa/",
        "/account/2fa/totp/deactivate/",
        "/account/2fa/webauthn/",
        f"/account/2fa/webauthn/keys/{key.pk}/edit/",
        f"/account/2fa/webauthn/keys/{key.pk}/remove/",
        "/account/2fa/webauthn/reauthenticate/",
        "/account/2fa/reauthenticate/",
        "/account/2fa/recovery-codes/generate/",
    ):
        visitor.open(path)
        wrong[f"{path} with factors"] = inspect(visitor)
    sign_out(page)
    visitor.open("/account/login/")
    wrong["sign-in"] = inspect(visitor)
    sign_in(page, site)
    visitor.sees("Second factor")
    wrong["second factor"] = inspect(visitor)
    page.get_by_label("Code").fill("000000")
    page.locator("main form.grid button[type=submit]").click()
    page.locator(".errorlist").first.wait_for()
    wrong["wrong code"] = inspect(visitor)
    page.get_by_label("Code").fill(current_code())
    page.locator("main form.grid button[type=submit]").click()
    page.wait_for_url(f"{site}/dashboard/")
    visitor.open("/account/sessions/")
    wrong["sessions"] = inspect(visitor)
    assert_clean(wrong)
