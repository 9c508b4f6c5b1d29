"""A new password comes with everything that follows from it, or not at all (ID-1)."""

import re
from threading import Event
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import OperationalError, connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, Notice, User
from accounts.token_store import issue_token
from compliance.models import AuditRow
from tests.people import new_user
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "another good one 7"


def link_for(person: User) -> str:
    """Where the form of the link is that the person was sent."""
    Client().post("/account/password/reset/", {"email": person.email})
    link = re.search(r"/account/password/reset/key/\S+", str(mail.outbox[-1].body))
    assert link is not None
    return link.group()


def reset(link: str) -> Any:
    browser = Client()
    form = browser.get(link, follow=True).request["PATH_INFO"]
    return browser.post(form, {"password1": NEW, "password2": NEW})


def test_a_reset_that_cannot_revoke_the_tokens_changes_nothing_and_can_be_repeated() -> None:
    person = new_user(password="correct horse battery staple")
    EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=True)
    token, _raw = issue_token(
        user=person, name="laptop", scopes=["read"], expires_at=None, now=timezone.now()
    )
    link, held, tried = link_for(person), Event(), Event()

    def hold_or_reset(number: int) -> object:
        if number == 0:
            with transaction.atomic():
                ApiToken.objects.select_for_update().get(pk=token.pk)
                held.set()
                assert tried.wait(20)
            return None
        assert held.wait(20)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '200ms'")
            return reset(link)
        finally:
            tried.set()

    _holder, refused = at_once(2, hold_or_reset)

    assert isinstance(refused, OperationalError)
    person.refresh_from_db()
    assert not person.check_password(NEW)
    assert not Notice.objects.filter(user=person, kind="password").exists()

    reset(link)
    person.refresh_from_db()
    token.refresh_from_db()
    assert person.check_password(NEW)
    assert token.revoked_at is not None
    assert AuditRow.objects.filter(action="password.reset").count() == 1
