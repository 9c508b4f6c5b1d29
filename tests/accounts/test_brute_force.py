"""Guessing passwords and codes is stopped: on the pages, when confirming, and on the API."""

import time
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.crypto import get_random_string

from accounts.models import ApiToken, TokenUse, User
from accounts.second_factors import add_authenticator_app
from tests.api.conftest import Answer, Api, assert_problem
from tests.people import TOTP_SECRET, current_code, new_user, note_sign_in

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"
TRIES = 5  # for an account in five minutes, before even the right answer is refused


@pytest.fixture
def person() -> User:
    user = new_user(email="ana@example.com", password=PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    return user


@pytest.fixture
def guarded(person: User) -> User:
    add_authenticator_app(user=person, secret=TOTP_SECRET)
    return person


@pytest.fixture
def anybody() -> Api:
    return Api(None)


def sign_in(person: User, password: str = PASSWORD, *, address: str = "192.0.2.1") -> Client:
    browser = Client(REMOTE_ADDR=address)
    browser.post("/account/login/", {"login": person.email, "password": password})
    return browser


def is_signed_in(browser: Client) -> bool:
    return browser.get("/account/sessions/").status_code == 200


def test_an_account_is_closed_to_guesses_from_many_addresses(person: User) -> None:
    for number in range(TRIES):
        sign_in(person, "wrong", address=f"192.0.2.{number}")

    assert not is_signed_in(sign_in(person, address="192.0.2.99"))


def test_an_address_is_stopped_from_guessing_at_many_accounts(person: User) -> None:
    for number in range(10):
        sign_in(new_user(email=f"p{number}@example.com"), "wrong")

    assert not is_signed_in(sign_in(person))
    assert is_signed_in(sign_in(person, address="192.0.2.99"))


def test_codes_of_the_second_factor_cannot_be_guessed(guarded: User) -> None:
    for number in range(TRIES):
        browser = sign_in(guarded, address=f"192.0.2.{number}")
        browser.post("/account/2fa/authenticate/", {"code": "000000"})

    browser = sign_in(guarded, address="192.0.2.99")
    browser.post("/account/2fa/authenticate/", {"code": current_code()})
    assert not is_signed_in(browser)


def test_confirming_by_password_cannot_be_guessed(person: User) -> None:
    browser = sign_in(person)
    note_sign_in(browser, person, "password", ago=7200)
    for _try in range(TRIES):
        browser.post("/account/reauthenticate/", {"password": "wrong"})

    browser.post("/account/reauthenticate/", {"password": PASSWORD})
    assert browser.get("/account/tokens/").status_code == 302


def test_confirming_by_code_cannot_be_guessed(guarded: User) -> None:
    browser = Client()
    browser.force_login(guarded)
    note_sign_in(browser, guarded, "password", ago=7200)
    for _try in range(TRIES):
        browser.post("/account/2fa/reauthenticate/", {"code": "000000"})

    browser.post("/account/2fa/reauthenticate/", {"code": current_code()})
    assert browser.get("/account/tokens/").status_code == 302


def ask(api: Api, user: User, **changes: object) -> Answer:
    body = {"email": user.email, "password": PASSWORD, "name": "laptop", "scopes": ["read"]}
    return api.post("/api/v1/token/issue", {**body, **changes}, key=None)


def test_a_password_alone_gets_no_token_of_an_account_with_a_second_factor(
    anybody: Api, guarded: User
) -> None:
    assert_problem(ask(anybody, guarded), 401, "second_factor_required")
    assert_problem(ask(anybody, guarded, code="000000"), 401, "bad_second_factor")
    assert not ApiToken.objects.exists()

    code = current_code()
    assert ask(anybody, guarded, code=code).status == 201
    assert_problem(ask(anybody, guarded, code=code), 401, "bad_second_factor")


def test_a_used_code_stays_used_for_as_long_as_it_is_valid(anybody: Api, guarded: User) -> None:
    """allauth forgets it after 30 s, and takes it for 90."""
    code = current_code()
    assert ask(anybody, guarded, code=code).status == 201
    forgotten = f"allauth.mfa.totp.used?user={guarded.pk}&code={code}"
    assert cache.delete(forgotten)

    assert_problem(ask(anybody, guarded, code=code), 401, "bad_second_factor")


def test_the_second_factor_is_asked_for_only_after_the_right_password(
    anybody: Api, guarded: User
) -> None:
    assert_problem(ask(anybody, guarded, password="wrong"), 401, "bad_credentials")


def test_a_recovery_code_gets_a_token_once(anybody: Api, guarded: User) -> None:
    code = RecoveryCodes.activate(guarded).generate_codes()[0]

    assert ask(anybody, guarded, code=code).status == 201
    assert_problem(ask(anybody, guarded, code=code), 401, "bad_second_factor")


def test_codes_cannot_be_guessed_on_the_api_either(
    anybody: Api, guarded: User, settings: Any
) -> None:
    settings.API_RATES = {**settings.API_RATES, "token": 100}
    for _try in range(TRIES):
        assert_problem(ask(anybody, guarded, code="000000"), 401, "bad_second_factor")

    answer = ask(anybody, guarded, code=current_code())
    assert_problem(answer, 429, "rate_limited")
    assert "Retry-After" in answer.headers


def test_an_account_without_a_second_factor_needs_no_code(anybody: Api, person: User) -> None:
    assert ask(anybody, person, code="123456").status == 201


@pytest.mark.parametrize("has_factor", [False, True])
def test_the_scope_admin_needs_a_second_factor(
    anybody: Api, person: User, has_factor: bool
) -> None:
    User.objects.update(is_staff=True)
    if has_factor:
        add_authenticator_app(user=person, secret=TOTP_SECRET)

    answer = ask(anybody, person, scopes=["admin"], code=current_code())

    assert answer.status == (201 if has_factor else 422)


def guess(*, address: str, token: str = "") -> Answer:
    """A request with a bearer token, made up or given, from an address."""
    api = Api(None)
    api.client.defaults["REMOTE_ADDR"] = address
    api.headers["Authorization"] = f"Bearer {token or made_up()}"
    return api.get("/api/v1/tokens")


def made_up() -> str:
    return f"agr_{get_random_string(12)}_{get_random_string(43)}"


@pytest.mark.parametrize("kind", ["unknown", "known beginning", "no token at all", "revoked"])
def test_tokens_cannot_be_guessed_without_end(person: User, settings: Any, kind: str) -> None:
    settings.API_RATES = {**settings.API_RATES, "bad_token": TRIES}
    good, own = Api(person), Api(person)
    tries = {
        "unknown": made_up(),
        "known beginning": good.token[:-43] + get_random_string(43),
        "no token at all": "guess",
        "revoked": own.token,
    }
    if kind == "revoked":
        own.post("/api/v1/token/revoke", {}, key=None)
    address = f"198.51.100.{list(tries).index(kind) + 1}"

    answers = [guess(address=address, token=tries[kind]).status for _try in range(TRIES)]
    assert answers == [401] * TRIES
    with CaptureQueriesContext(connection) as queries:
        answer = guess(address=address, token=good.token)

    assert_problem(answer, 429, "rate_limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert len(queries) == 0
    assert guess(address="198.51.100.99", token=good.token).status == 200


def test_a_whole_network_of_ipv6_counts_as_one_address(person: User, settings: Any) -> None:
    settings.API_RATES = {**settings.API_RATES, "bad_token": TRIES}
    for number in range(TRIES):
        guess(address=f"2001:db8:0:1::{number}")

    assert guess(address="2001:db8:0:1:ffff::1").status == 429
    assert guess(address="2001:db8:0:2::1", token=Api(person).token).status == 200


def test_an_address_that_was_closed_is_open_again_in_the_next_minute(
    person: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_RATES = {**settings.API_RATES, "bad_token": 1}
    address, token = "198.51.100.50", Api(person).token
    guess(address=address)
    assert guess(address=address, token=token).status == 429

    later = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: later)
    assert guess(address=address, token=token).status == 200


def test_good_tokens_are_not_counted(person: User, settings: Any) -> None:
    settings.API_RATES = {**settings.API_RATES, "bad_token": 1}
    token = Api(person).token

    assert {guess(address="198.51.100.60", token=token).status for _try in range(5)} == {200}


def test_wrong_secrets_from_many_addresses_write_one_row(person: User) -> None:
    token = Api(person).token[:-43]
    for number in range(20):
        guess(address=f"203.0.113.{number}", token=token + get_random_string(43))

    noted = TokenUse.objects.get()
    assert (noted.outcome, noted.address) == ("wrong_secret", None)
