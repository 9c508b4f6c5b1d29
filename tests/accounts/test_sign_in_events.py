"""Signing in and what belongs to it: in the audit trail, and told to the person (AUD-1)."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, Notice, User
from accounts.second_factors import add_authenticator_app
from accounts.token_store import issue_token
from compliance.models import AuditRow
from tests.people import TOTP_SECRET, current_code, new_user, note_sign_in

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def person() -> User:
    return member("ana@example.com")


@pytest.fixture
def browser() -> Client:
    return Client(headers={"User-Agent": FIREFOX})


def member(email: str) -> User:
    user = new_user(email=email, password=PASSWORD)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    return user


def sign_in(browser: Client, user: User, password: str = PASSWORD) -> Any:
    return browser.post("/account/login/", {"login": user.email, "password": password})


def actions() -> list[str]:
    return list(AuditRow.objects.order_by("id").values_list("action", flat=True))


def last(action: str) -> AuditRow:
    return AuditRow.objects.filter(action=action).latest("id")


def told(user: User) -> list[str]:
    return [notice.subject for notice in Notice.objects.filter(user=user).order_by("created_at")]


def test_signing_in_and_out_is_audited_with_its_methods(person: User, browser: Client) -> None:
    sign_in(browser, person)
    browser.post("/account/logout/")

    assert actions() == ["sign_in.done", "sign_out.done"]
    row = last("sign_in.done")
    assert (row.actor, row.object_id) == (f"user:{person.pk}", str(person.pk))
    assert row.evidence["methods"] == ["password", "sign_in"]


def test_a_wrong_password_is_audited_at_the_account_without_its_address(
    person: User, browser: Client
) -> None:
    sign_in(browser, person, "wrong")

    row = last("sign_in.failed")
    assert (row.actor, row.object_type, row.object_id) == (
        "user:anonymous",
        "user",
        str(person.pk),
    )
    assert "@" not in str(row.evidence)


def test_an_unknown_address_is_audited_by_a_digest_only(browser: Client) -> None:
    browser.post("/account/login/", {"login": "Nobody@example.com", "password": "x"})

    row = last("sign_in.failed")
    assert row.object_type == "unknown_user"
    assert re.fullmatch(r"[0-9a-f]{64}", row.object_id)
    browser.post("/account/login/", {"login": "nobody@example.com", "password": "x"})
    assert last("sign_in.failed").object_id == row.object_id


def test_a_browser_that_is_new_for_the_person_is_told_to_them_once(
    person: User, browser: Client
) -> None:
    sign_in(browser, person)
    assert told(person) == []  # the first of all

    other = Client(headers={"User-Agent": FIREFOX})
    for _time in range(2):
        sign_in(other, person)
        other.post("/account/logout/")

    assert told(person) == ["New sign-in to your account"]
    assert "Firefox on Windows" in Notice.objects.get(user=person).text


def test_one_browser_knows_each_person_by_themselves(person: User, browser: Client) -> None:
    ben = member("ben@example.com")
    User.objects.update(last_login=timezone.now())
    for user in (person, ben, person):
        sign_in(browser, user)
        browser.post("/account/logout/")

    assert (len(told(person)), len(told(ben))) == (1, 1)


def test_what_a_program_calls_itself_is_never_shown(person: User) -> None:
    User.objects.update(last_login=timezone.now())

    sign_in(Client(headers={"User-Agent": "Call +1 555 now"}), person)

    assert "555" not in Notice.objects.get(user=person).text


def test_a_changed_password_ends_other_sessions_and_keeps_tokens(
    person: User, browser: Client
) -> None:
    other = Client()
    sign_in(other, person)
    sign_in(browser, person)
    a_token(person)

    browser.post(
        "/account/password/change/",
        {
            "oldpassword": PASSWORD,
            "password1": "another good one 7",
            "password2": "another good one 7",
        },
    )

    assert other.get("/account/sessions/").status_code == 302
    assert browser.get("/account/sessions/").status_code == 200
    assert ApiToken.objects.filter(revoked_at=None).count() == 1
    assert "password.changed" in actions()
    assert "Your password was changed" in told(person)


def test_a_reset_password_ends_all_sessions_and_revokes_tokens(
    person: User, browser: Client
) -> None:
    other = Client()
    sign_in(other, person)
    a_token(person)
    a_token(person)

    browser.post("/account/password/reset/", {"email": person.email})
    link = re.search(r"/account/password/reset/key/\S+", str(mail.outbox[-1].body))
    assert link is not None
    form = browser.get(link.group(), follow=True).request["PATH_INFO"]
    browser.post(form, {"password1": "another good one 7", "password2": "another good one 7"})

    assert other.get("/account/sessions/").status_code == 302
    assert not ApiToken.objects.filter(revoked_at=None).exists()
    assert last("password.reset").evidence == {"tokens_revoked": 2}
    notice = Notice.objects.get(user=person, kind="password")
    assert "2 API tokens were revoked" in notice.text


def test_setting_up_an_authenticator_app_is_audited_and_told(
    person: User, browser: Client, django_capture_on_commit_callbacks: Any
) -> None:
    sign_in(browser, person)
    page = browser.get("/account/2fa/totp/activate/").content.decode()
    secret = re.search(r"[A-Z2-7]{32}", page)
    assert secret is not None

    with django_capture_on_commit_callbacks(execute=True):
        answer = browser.post("/account/2fa/totp/activate/", {"code": current_code(secret.group())})

    assert answer.headers["Location"] == "/account/2fa/recovery-codes/"
    kinds = [row.evidence["type"] for row in AuditRow.objects.filter(action="second_factor.added")]
    assert sorted(kinds) == ["recovery_codes", "totp"]
    assert "A second factor was added to your account" in told(person)


def test_the_first_factor_ends_other_sessions_and_the_next_does_not(
    person: User, browser: Client, django_capture_on_commit_callbacks: Any
) -> None:
    def add_app() -> None:
        page = browser.get("/account/2fa/totp/activate/").content.decode()
        secret = re.search(r"[A-Z2-7]{32}", page)
        assert secret is not None
        with django_capture_on_commit_callbacks(execute=True):
            code = current_code(secret.group())
            browser.post("/account/2fa/totp/activate/", {"code": code})

    other = Client()
    for client in (other, browser):
        sign_in(client, person)
        assert client.get("/account/sessions/").status_code == 200

    add_app()
    assert other.get("/account/sessions/").status_code == 302
    assert browser.get("/account/sessions/").status_code == 200
    assert last("sessions.ended").evidence == {"count": 1}

    Authenticator.objects.filter(user=person).update(type="webauthn")
    note_sign_in(browser, person, "mfa")
    other.force_login(person)
    assert other.get("/account/sessions/").status_code == 200
    add_app()
    assert other.get("/account/sessions/").status_code == 200


def test_taking_the_app_away_is_audited_and_told(
    person: User, browser: Client, django_capture_on_commit_callbacks: Any
) -> None:
    sign_in(browser, person)
    add_authenticator_app(user=person, secret=TOTP_SECRET)

    browser.post("/account/2fa/totp/deactivate/")

    assert not Authenticator.objects.filter(user=person).exists()
    assert last("second_factor.removed").evidence == {"type": "totp"}
    assert "A second factor was removed from your account" in told(person)


def test_new_recovery_codes_are_audited_and_told(
    person: User, browser: Client, django_capture_on_commit_callbacks: Any
) -> None:
    sign_in(browser, person)
    add_authenticator_app(user=person, secret=TOTP_SECRET)

    with django_capture_on_commit_callbacks(execute=True):
        browser.post("/account/2fa/recovery-codes/generate/")

    assert last("second_factor.renewed").evidence == {"type": "recovery_codes"}
    assert "You have new recovery codes" in told(person)


def test_a_wrong_code_is_audited(person: User, browser: Client) -> None:
    add_authenticator_app(user=person, secret=TOTP_SECRET)
    sign_in(browser, person)

    browser.post("/account/2fa/authenticate/", {"code": "000000"})

    assert last("sign_in.failed").evidence == {"factor": "totp"}
    assert "sign_in.done" not in actions()


def test_a_code_completes_the_sign_in_once(person: User, browser: Client) -> None:
    add_authenticator_app(user=person, secret=TOTP_SECRET)
    code = current_code()
    sign_in(browser, person)
    browser.post("/account/2fa/authenticate/", {"code": code})
    assert last("sign_in.done").evidence["methods"] == ["password", "mfa:totp", "sign_in"]

    again = Client()
    sign_in(again, person)
    again.post("/account/2fa/authenticate/", {"code": code})

    assert actions().count("sign_in.done") == 1


def test_ending_other_sessions_is_audited(person: User, browser: Client) -> None:
    other = Client()
    sign_in(other, person)
    sign_in(browser, person)

    browser.post("/account/sessions/")

    assert other.get("/account/sessions/").status_code == 302
    assert last("sessions.ended").evidence == {"count": 1}
    assert UserSession.objects.count() == 1


def test_a_changed_address_is_told_to_the_former_one(person: User, browser: Client) -> None:
    EmailAddress.objects.create(user=person, email="new@example.com", verified=True)
    sign_in(browser, person)

    browser.post("/account/email/", {"action_primary": "", "email": "new@example.com"})

    assert last("email.changed").object_id == str(person.pk)
    assert mail.outbox[-1].to == ["ana@example.com"]


def test_an_added_address_is_audited_and_told(person: User, browser: Client) -> None:
    sign_in(browser, person)

    browser.post("/account/email/", {"action_add": "", "email": "more@example.com"})

    assert last("email.added").evidence == {}
    assert "An e-mail address was added to your account" in told(person)


def a_token(user: User) -> ApiToken:
    token, _raw = issue_token(
        user=user, name="x", scopes=["read"], expires_at=None, now=timezone.now()
    )
    return token


@pytest.fixture(autouse=True)
def _outbox() -> None:
    mail.outbox.clear()
