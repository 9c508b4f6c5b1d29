"""Notices: written with what they tell of, e-mailed at least once, in the reader's language."""

from datetime import datetime
from typing import Any

import pytest
from django.core import mail

from accounts import notices
from accounts.models import Notice, User
from tests.people import new_user

pytestmark = pytest.mark.django_db
NOW = datetime.fromisoformat("2026-03-02T12:00:00+00:00")


def told(user: User, **changes: Any) -> Notice | None:
    """Tell a user something, as a service would; the texts are ones that have a translation."""
    right: dict[str, Any] = {
        "kind": "test",
        "subject": "Page %(number)s of %(total)s",
        "body": "The order value must be at least %(minimum)s.",
        "params": {"number": 1, "total": 2, "minimum": "1 USD"},
        "url": "/orders/",
        "level": Notice.Level.INFO,
        "now": NOW,
    }
    return notices.notify(user=user, **{**right, **changes})


def a_notice(user: User | None = None, **changes: Any) -> Notice:
    notice = told(user or new_user(), **changes)
    assert notice is not None
    return notice


def deliver(notice: Notice, *, now: datetime = NOW) -> Notice:
    notices.deliver(notice_id=notice.pk, now=now)
    notice.refresh_from_db()
    return notice


def test_a_notice_is_e_mailed_with_its_link() -> None:
    notice = deliver(a_notice())

    (message,) = mail.outbox
    assert message.to == [notice.user.email]
    assert message.subject == "[Agora] Page 1 of 2"
    assert "at least 1 USD." in message.body
    assert "http://localhost:8000/orders/" in message.body
    assert (notice.emailed_at, notice.next_attempt_at) == (NOW, None)
