"""What is told once is told once, also by many workers at the same moment; so is its e-mail."""

from datetime import datetime

import pytest
from django.core import mail
from django.db import transaction

from accounts import notices
from accounts.models import Notice, User
from tests.people import new_user
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 8
NOW = datetime.fromisoformat("2026-03-02T12:00:00+00:00")


def tell(user: User) -> Notice | None:
    with transaction.atomic():
        return notices.notify(
            user=user,
            kind="breach",
            subject="Stopped",
            body="Stopped.",
            params={},
            url="",
            level=Notice.Level.ALERT,
            dedupe_key="breach-1",
            now=NOW,
        )


def test_one_breach_seen_by_many_workers_is_one_notice() -> None:
    user = new_user()

    answers = at_once(WORKERS, lambda number: tell(user))

    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert len([answer for answer in answers if answer is not None]) == 1
    assert Notice.objects.filter(user=user).count() == 1


def test_many_workers_send_one_e_mail() -> None:
    notice = tell(new_user())
    assert notice is not None

    answers = at_once(WORKERS, lambda number: notices.deliver(notice_id=notice.pk, now=NOW))

    assert len([answer for answer in answers if answer is not None]) == 1
    assert len(mail.outbox) == 1
