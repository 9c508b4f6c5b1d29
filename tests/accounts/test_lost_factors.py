"""`manage.py second_factor reset`: back in without the second factor, and never silently."""

from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import Notice, User
from accounts.second_factors import add_authenticator_app
from compliance.models import AuditRow
from tests.people import TOTP_SECRET, current_code, new_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


@pytest.fixture
def person() -> User:
    user = new_user(email="ana@example.com", password=PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    add_authenticator_app(user=user, secret=TOTP_SECRET)
    return user


def reset(email: str, reason: str = "passport shown in the office") -> str:
    output = StringIO()
    call_command("second_factor", "reset", email, "--reason", reason, stdout=output)
    return output.getvalue()


def test_the_factors_and_sessions_are_gone_audited_and_told(person: User) -> None:
    browser = Client()
    browser.post("/account/login/", {"login": person.email, "password": PASSWORD})
    browser.post("/account/2fa/authenticate/", {"code": current_code()})
    assert browser.get("/account/sessions/").status_code == 200

    assert "1 removed" in reset("Ana@example.com")

    assert not Authenticator.objects.filter(user=person).exists()
    assert browser.get("/account/sessions/").status_code == 302
    row = AuditRow.objects.get(action="second_factor.reset")
    assert (row.actor, row.object_id) == ("system:operator", str(person.pk))
    assert row.evidence == {"types": ["totp"], "reason": "passport shown in the office"}
    notice = Notice.objects.get(user=person, level=Notice.Level.ALERT)
    assert notice.next_attempt_at is not None  # by e-mail, too


@pytest.mark.parametrize(
    ("email", "reason"), [("nobody@example.com", "x"), ("ana@example.com", "  ")]
)
def test_nothing_happens_to_nobody_or_without_a_reason(
    person: User, email: str, reason: str
) -> None:
    with pytest.raises(CommandError):
        reset(email, reason)

    assert Authenticator.objects.filter(user=person).exists()
    assert not AuditRow.objects.exists()
