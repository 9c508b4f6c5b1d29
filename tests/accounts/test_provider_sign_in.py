"""Signing in by a configured OpenID Connect provider, and who may get into which account by it."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from pytest_django import Settings

from accounts.models import Notice, User
from accounts.providers import provider_id
from accounts.second_factors import add_authenticator_app
from compliance.models import AuditRow
from tests import oidc
from tests.oidc import Provider
from tests.people import TOTP_SECRET, new_user, note_sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    settings.ACCOUNT_EMAIL_VERIFICATION = settings.SOCIALACCOUNT_EMAIL_VERIFICATION = "mandatory"
    with oidc.running() as running:
        settings.OIDC_ISSUER = running.issuer
        settings.OIDC_NAME = "Example ID"
        settings.OIDC_CLIENT_ID = oidc.CLIENT_ID
        settings.OIDC_CLIENT_SECRET = oidc.CLIENT_SECRET
        yield running


def go(browser: Client, *, process: str = "login") -> str:
    """Sign in by the provider as a browser does; where that leads."""
    start = f"/account/oidc/{provider_id()}/login/?process={process}"
    assert "Example ID" in browser.get(start).content.decode()
    page = browser.post(start)
    target = re.search(r"URL='([^']+)'", page.content.decode())
    assert target is not None
    back = requests.get(unescape(target.group(1)), allow_redirects=False, timeout=5)
    answer = browser.get(back.headers["Location"].partition("testserver")[2])
    return str(answer.headers.get("Location", answer.status_code))


def existing(*, verified: bool = True, email: str = "ana@example.com") -> User:
    user = new_user(email=email, password="correct horse battery staple")
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=verified)
    return user


def is_signed_in(browser: Client) -> bool:
    return browser.get("/account/sessions/").status_code == 200


def test_without_settings_there_is_no_provider(client: Client) -> None:
    assert "Sign in with" not in client.get("/account/login/").content.decode().replace(
        "Sign in with a passkey", ""
    )
    assert client.get("/account/oidc/anything/login/").status_code == 404


def test_the_sign_in_page_offers_the_provider(client: Client, provider: Provider) -> None:
    assert "Sign in with Example ID" in client.get("/account/login/").content.decode()


def test_somebody_new_gets_an_account_with_a_confirmed_address(
    client: Client, provider: Provider
) -> None:
    assert go(client) == "/dashboard/"

    user = User.objects.get(email="ana@example.com")
    assert EmailAddress.objects.get(user=user).verified
    assert not user.has_usable_password()
    assert is_signed_in(client)


def test_nothing_else_that_the_provider_says_is_kept(client: Client, provider: Provider) -> None:
    provider.user_info = {"picture": "https://x/y.png", "phone_number": "+55 11 99999-0000"}

    go(client)

    kept = SocialAccount.objects.get().extra_data
    assert kept == {
        "userinfo": {"sub": "person-1", "email": "ana@example.com", "email_verified": True}
    }


def test_an_account_with_the_same_confirmed_address_is_linked_and_told(
    client: Client, provider: Provider
) -> None:
    user = existing()

    go(client)

    assert is_signed_in(client)
    assert SocialAccount.objects.get().user == user
    assert AuditRow.objects.get(action="provider.linked").object_id == str(user.pk)
    assert Notice.objects.filter(user=user, kind="provider").exists()


@pytest.mark.parametrize("word", [False, None, "false", "true", 1])
def test_an_address_that_the_provider_has_not_confirmed_opens_no_account(
    client: Client, provider: Provider, word: object
) -> None:
    provider.person["email_verified"] = word
    existing()

    go(client)

    assert not is_signed_in(client)
    assert not SocialAccount.objects.exists()


def test_an_address_that_is_not_confirmed_here_opens_no_account(
    client: Client, provider: Provider
) -> None:
    """Somebody may have signed up with another person's address, to find them in later."""
    existing(verified=False)

    go(client)

    assert not is_signed_in(client)
    assert not SocialAccount.objects.exists()


def test_an_unconfirmed_address_of_somebody_new_has_to_be_confirmed_first(
    client: Client, provider: Provider
) -> None:
    provider.person["email_verified"] = "false"

    assert go(client) == "/account/confirm-email/"

    assert not is_signed_in(client)
    assert not EmailAddress.objects.get().verified


def test_the_second_factor_is_asked_for_after_the_provider_too(
    client: Client, provider: Provider
) -> None:
    add_authenticator_app(user=existing(), secret=TOTP_SECRET)

    assert go(client) == "/account/2fa/authenticate/"
    assert not is_signed_in(client)


def test_an_answer_about_two_people_is_refused(client: Client, provider: Provider) -> None:
    provider.user_info = {"sub": "person-2"}

    assert go(client) == "/account/3rdparty/login/error/"
    assert not User.objects.exists()


def test_another_issuer_is_another_provider(client: Client, provider: Provider) -> None:
    go(client)
    client.post("/account/logout/")
    provider.person["email"] = "mallory@example.com"
    SocialAccount.objects.update(provider="an-earlier-issuer")

    go(client)

    owners = SocialAccount.objects.values_list("provider", "user__email")
    assert set(owners) == {
        ("an-earlier-issuer", "ana@example.com"),
        (provider_id(), "mallory@example.com"),
    }


def test_linking_by_hand_needs_a_recent_sign_in(client: Client, provider: Provider) -> None:
    user = existing(email="other@example.com")
    client.force_login(user)
    note_sign_in(client, user, "password", ago=7200)

    assert go(client, process="connect") == "/account/reauthenticate/"
    assert not SocialAccount.objects.exists()

    client.force_login(user)
    assert go(client, process="connect") == "/account/3rdparty/"
    assert SocialAccount.objects.get().user == user


def test_what_is_linked_to_somebody_else_cannot_be_linked_again(
    client: Client, provider: Provider
) -> None:
    go(client)
    first = SocialAccount.objects.get().user
    thief = Client()
    thief.force_login(existing(email="thief@example.com"))

    go(thief, process="connect")

    assert SocialAccount.objects.get().user == first


def test_a_link_can_be_removed_by_who_has_a_password(client: Client, provider: Provider) -> None:
    existing()
    go(client)
    account = SocialAccount.objects.get()

    client.post("/account/3rdparty/", {"account": account.pk})

    assert not SocialAccount.objects.exists()
    assert AuditRow.objects.filter(action="provider.unlinked").exists()


def test_the_only_way_in_cannot_be_removed(client: Client, provider: Provider) -> None:
    go(client)

    client.post("/account/3rdparty/", {"account": SocialAccount.objects.get().pk})

    assert SocialAccount.objects.exists()


@pytest.mark.parametrize(
    "page",
    [
        "/account/tokens/",
        "/account/password/set/",
        "/account/email/",
        "/account/2fa/totp/activate/",
    ],
)
def test_who_has_nothing_but_the_provider_confirms_there(
    client: Client, provider: Provider, page: str
) -> None:
    go(client)
    user = User.objects.get()
    assert client.get(page).status_code == 200
    note_sign_in(client, user, "socialaccount", ago=7200)

    answer = client.get(page)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(f"/account/oidc/{provider_id()}/login/")


def test_a_provider_that_is_away_is_said_so(client: Client, provider: Provider) -> None:
    provider.is_away = True

    answer = client.post(f"/account/oidc/{provider_id()}/login/")

    assert answer.status_code == 503
    assert "did not answer" in answer.content.decode()
