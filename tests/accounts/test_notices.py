"""Notices: written with what they tell of, e-mailed at least once, in the reader's language."""

import smtplib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.core.mail.backends.locmem import EmailBackend
from django.db import IntegrityError, transaction
from django.utils import timezone, translation
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts import notices, tasks
from accounts.models import Notice, User
from accounts.selectors import notices_of, unread_count
from agora.lib import work
from agora.lib.failpoints import FailpointRaised
from compliance.models import AuditRow
from tests.people import new_user

pytestmark = pytest.mark.django_db
NOW = datetime.fromisoformat("2026-03-02T12:00:00+00:00")
LATER = NOW + timedelta(hours=1)


def told(user: User, **changes: Any) -> Notice | None:
    """Tell a user something, as a service would; the texts are ones that have a translation."""
    right: dict[str, Any] = {
        "kind": "test",
        "subject": "Page %(number)s of %(total)s",
        "body": "Copy %(label)s",
        "params": {"number": 1, "total": 2, "label": "100 %"},
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


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the mail server answer with an error; None makes it well again."""
    error: list[Exception | None] = [None]
    send = EmailBackend.send_messages

    def answer(self: EmailBackend, messages: Sequence[EmailMessage]) -> int:
        if error[0] is not None:
            raise error[0]
        return send(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", answer)

    def change(to: Exception | None) -> None:
        error[0] = to

    return change


# --- Telling ---------------------------------------------------------------------------------


def test_a_notice_is_e_mailed_with_its_link() -> None:
    notice = deliver(a_notice())

    (message,) = mail.outbox
    assert message.to == [notice.user.email]
    assert message.subject == "[Agora] Page 1 of 2"
    assert "Copy 100 %" in str(message.body)
    assert "http://localhost:8000/orders/" in str(message.body)
    assert (notice.emailed_at, notice.next_attempt_at) == (NOW, None)


def test_a_notice_for_the_app_only_is_not_e_mailed() -> None:
    notice = deliver(a_notice(email=False))

    assert mail.outbox == []
    assert (notice.emailed_at, notice.next_attempt_at) == (None, None)


def test_a_notice_without_a_page_has_no_link_in_its_e_mail() -> None:
    deliver(a_notice(url=""))

    assert "http" not in str(mail.outbox[0].body)


@pytest.mark.parametrize(
    ("language", "subject"), [("", "Page"), ("pt-br", "Página"), ("es", "Página")]
)
def test_the_e_mail_is_in_the_language_of_its_reader(language: str, subject: str) -> None:
    user = new_user()
    User.objects.filter(pk=user.pk).update(language=language)
    notice = a_notice(user)

    with translation.override("es" if language == "pt-br" else "pt-br"):
        deliver(notice)

    assert mail.outbox[0].subject.startswith(f"[Agora] {subject} 1 ")


def test_a_notice_is_translated_when_it_is_shown() -> None:
    notice = a_notice()

    with translation.override("es"):
        assert (notice.title, notice.text) == ("Página 1 de 2", "Copiar 100 %")
    with translation.override("en"):
        assert (notice.title, notice.text) == ("Page 1 of 2", "Copy 100 %")


def test_a_value_with_line_breaks_adds_no_header_to_the_e_mail() -> None:
    deliver(a_notice(params={"number": "1\r\nBcc: x@example.com", "total": 2, "label": "x"}))

    assert mail.outbox[0].subject == "[Agora] Page 1 Bcc: x@example.com of 2"
    assert mail.outbox[0].recipients() == mail.outbox[0].to


def test_nothing_is_told_of_a_change_that_is_rolled_back(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    user = new_user()
    with django_capture_on_commit_callbacks() as callbacks, transaction.atomic():
        told(user)
        transaction.set_rollback(True)

    assert (Notice.objects.count(), callbacks) == (0, [])


def test_the_worker_is_nudged_after_the_commit(
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    nudged: list[tuple[str, object]] = []
    monkeypatch.setattr(work, "nudge", lambda task, *, pk: nudged.append((task, pk)))

    with django_capture_on_commit_callbacks(execute=True):
        notice = a_notice()
        a_notice(email=False)
        assert nudged == []

    assert nudged == [("accounts.tasks.deliver_notice", notice.pk)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": "Page %(missing)s"},
        {"body": "100 %"},
        {"subject": ""},
        {"url": "https://evil.example/"},
        {"url": "//evil.example/"},
        {"url": "/\\evil.example/"},
    ],
)
def test_a_notice_that_could_not_be_shown_is_refused_where_it_is_written(
    wrong: dict[str, str],
) -> None:
    user = new_user()

    with pytest.raises((KeyError, ValueError, IntegrityError)), transaction.atomic():
        told(user, **wrong)
    assert not Notice.objects.exists()


# --- Telling once ----------------------------------------------------------------------------


def test_one_breach_is_told_once() -> None:
    user = new_user()

    assert told(user, dedupe_key="breach-1") is not None
    assert told(user, dedupe_key="breach-1") is None
    assert told(user, dedupe_key="breach-2") is not None
    assert told(new_user(), dedupe_key="breach-1") is not None
    assert notices_of(user).count() == 2


def test_telling_twice_leaves_the_callers_transaction_whole() -> None:
    user = new_user()
    told(user, dedupe_key="breach-1")

    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(language="es")
        told(user, dedupe_key="breach-1")

    user.refresh_from_db()
    assert user.language == "es"


def test_notices_without_a_key_are_all_told() -> None:
    user = new_user()

    assert told(user) is not None
    assert told(user) is not None


# --- Delivering ------------------------------------------------------------------------------


def test_a_delivered_notice_is_not_delivered_again() -> None:
    notice = deliver(a_notice())

    assert notices.deliver(notice_id=notice.pk, now=LATER) is None
    assert len(mail.outbox) == 1


def test_a_notice_that_another_worker_holds_is_left_to_it() -> None:
    notice = a_notice()
    assert work.claim(Notice, pk=notice.pk) is not None

    assert notices.deliver(notice_id=notice.pk, now=NOW) is None
    assert mail.outbox == []


def test_a_late_worker_does_not_overwrite_what_another_has_found() -> None:
    notice = a_notice()
    late = work.claim(Notice, pk=notice.pk)
    assert late is not None
    Notice.objects.filter(pk=notice.pk).update(lease_until=NOW - timedelta(hours=1))
    deliver(notice)

    with pytest.raises(work.LeaseLost):
        late.release(again_at=NOW, emailed_at=None)
    notice.refresh_from_db()
    assert notice.emailed_at == NOW


@pytest.mark.fault
@pytest.mark.parametrize(("mark", "sent"), [("before_send", 1), ("after_send", 2)])
def test_a_worker_that_dies_leaves_the_notice_to_the_next(
    mark: str, sent: int, tmp_path: Path, settings: Settings
) -> None:
    """At least once: the mail server cannot be asked whether it had the message already."""
    settings.FAILPOINTS_DIR = str(tmp_path)
    notice = a_notice()
    (tmp_path / f"notice.{mark}@{notice.pk}").write_text("raise")
    with pytest.raises(FailpointRaised):
        notices.deliver(notice_id=notice.pk, now=NOW)

    assert notices.deliver(notice_id=notice.pk, now=NOW) is None, "the lease still stands"
    Notice.objects.filter(pk=notice.pk).update(lease_until=NOW - timedelta(hours=1))
    deliver(notice)

    assert notice.emailed_at == NOW
    assert len(mail.outbox) == sent
    # A mail program that gets it twice knows the second for the first.
    assert len({message.extra_headers["Message-ID"] for message in mail.outbox}) == 1


TEMPORARY = [
    ConnectionRefusedError(111, "refused"),
    TimeoutError(),
    smtplib.SMTPServerDisconnected("gone"),
    smtplib.SMTPDataError(451, b"try later"),
    smtplib.SMTPRecipientsRefused({"x@example.com": (450, b"busy")}),
    smtplib.SMTPAuthenticationError(535, b"bad password"),
    smtplib.SMTPSenderRefused(550, b"not you", "agora@example.com"),
]


@pytest.mark.fault
@pytest.mark.parametrize("error", TEMPORARY, ids=lambda error: type(error).__name__)
def test_an_e_mail_waits_while_the_server_is_away(error: Exception, failing: Any) -> None:
    failing(error)
    notice = deliver(a_notice())

    assert notice.next_attempt_at is not None
    assert notice.next_attempt_at > NOW
    assert (notice.lease_token, notice.emailed_at, notice.attention) == (None, None, False)
    failing(None)
    Notice.objects.update(next_attempt_at=NOW)
    assert deliver(notice).emailed_at == NOW


@pytest.mark.fault
@pytest.mark.parametrize(
    "error",
    [
        smtplib.SMTPRecipientsRefused({"x@example.com": (550, b"<x@example.com> is unknown")}),
        smtplib.SMTPDataError(554, b"spam from x@example.com"),
    ],
)
def test_an_e_mail_that_is_refused_for_good_waits_for_a_person(
    error: Exception, failing: Any
) -> None:
    failing(error)
    notice = deliver(a_notice())

    assert (notice.attention, notice.next_attempt_at) == (True, None)
    assert "refused: 55" in notice.last_error


@pytest.mark.fault
def test_the_last_try_leaves_the_notice_to_a_person(failing: Any, settings: Settings) -> None:
    settings.WORK_MAX_ATTEMPTS = 3
    failing(TimeoutError())
    notice = a_notice()
    for _try in range(3):
        assert not notice.attention
        Notice.objects.update(next_attempt_at=NOW)
        deliver(notice)

    assert (notice.attention, notice.next_attempt_at) == (True, None)
    assert notices_of(notice.user).get() == notice, "in the app it stands all the same"


@pytest.mark.fault
def test_a_notice_that_kills_its_workers_waits_for_a_person(settings: Settings) -> None:
    notice = a_notice()
    Notice.objects.update(attempts=settings.WORK_MAX_ATTEMPTS)

    deliver(notice)

    assert (notice.attention, mail.outbox) == (True, [])


@pytest.mark.parametrize("error", [*TEMPORARY, ValueError("x@example.com")])
def test_no_address_is_kept_with_the_error(error: Exception, failing: Any) -> None:
    failing(error)

    assert "example.com" not in deliver(a_notice()).last_error


def test_a_closed_account_gets_no_e_mail() -> None:
    user = new_user()
    notice = a_notice(user)
    User.objects.filter(pk=user.pk).update(is_active=False)

    deliver(notice)

    assert (notice.next_attempt_at, notice.emailed_at, mail.outbox) == (None, None, [])


def test_the_sweep_nudges_what_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    nudged: list[object] = []
    monkeypatch.setattr(work, "nudge", lambda task, *, pk: nudged.append(pk))
    due = a_notice()
    deliver(a_notice())
    a_notice(email=False)
    a_notice(now=timezone.now() + timedelta(hours=1))

    tasks.sweep_notices()

    assert nudged == [due.pk]


def test_the_task_takes_the_id_alone() -> None:
    notice = a_notice()

    tasks.deliver_notice(id=str(notice.pk))

    assert len(mail.outbox) == 1


# --- Reading ---------------------------------------------------------------------------------


def test_what_was_read_stays_read() -> None:
    notice = a_notice()

    notices.mark_read(user=notice.user, notice_id=notice.pk, now=NOW)
    notices.mark_read(user=notice.user, notice_id=notice.pk, now=LATER)

    notice.refresh_from_db()
    assert notice.read_at == NOW
    assert unread_count(notice.user) == 0


def test_a_notice_of_another_person_cannot_be_marked() -> None:
    notice = a_notice()

    with pytest.raises(Notice.DoesNotExist):
        notices.mark_read(user=new_user(), notice_id=notice.pk, now=NOW)

    notice.refresh_from_db()
    assert notice.read_at is None


def test_marking_all_leaves_what_came_meanwhile_and_what_others_were_told() -> None:
    user, other = new_user(), new_user()
    a_notice(user)
    newer = a_notice(user, now=LATER)
    a_notice(other)

    assert notices.mark_all_read(user=user, until=NOW, now=LATER) == 1

    assert list(notices_of(user, unread=True)) == [newer]
    assert unread_count(other) == 1


def test_an_e_mail_that_waits_for_a_person_can_be_set_going_again(failing: Any) -> None:
    failing(smtplib.SMTPDataError(554, b"no"))
    notice = deliver(a_notice())
    failing(None)

    count = notices.try_again(notice_ids=[notice.pk], actor="user:officer", now=LATER)

    assert count == 1
    Notice.objects.update(next_attempt_at=NOW)
    assert deliver(notice).emailed_at == NOW
    row = AuditRow.objects.get(object_type="notice", object_id=str(notice.pk))
    assert (row.actor, row.action) == ("user:officer", "notice.tried_again")


def test_what_needs_nobody_is_not_set_going() -> None:
    notice = deliver(a_notice())

    assert notices.try_again(notice_ids=[notice.pk], actor="user:officer", now=LATER) == 0
    notice.refresh_from_db()
    assert notice.next_attempt_at is None
