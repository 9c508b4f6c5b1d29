"""Notices: telling a person something in the app and by e-mail (SUB-1, RISK-1).

A notice is written in the transaction of what it tells of, so that neither exists without the
other. Its row is the job of the e-mail (ARCHITECTURE 2): sent at least once, by one worker at a
time, tried again while the mail server is away, and left to a person after the last try.
"""

import smtplib
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation

from accounts.models import Notice, User
from agora.lib import hosts, work
from agora.lib.failpoints import failpoint
from agora.lib.outcome import Rejected, Temporary
from agora.lib.work import Lease, LeaseLost
from compliance import audit

DELIVER_TASK = "accounts.tasks.deliver_notice"

# A list is of English literals, marked with `gettext_noop` as texts are, and shown with commas; a
# dictionary is an amount: {"usd": "5000.00"}.
Params = Mapping[str, str | int | list[str] | dict[str, str]]

log = structlog.get_logger(__name__)


def notify(
    *,
    user: User,
    kind: str,
    subject: str,
    body: str,
    params: Params,
    url: str,
    level: Notice.Level,
    dedupe_key: str = "",
    email: bool = True,
    now: datetime,
) -> Notice | None:
    """Tell the user something; None when they have been told of this `dedupe_key` before.

    Call it inside the transaction of the change that it tells of. `subject` (one line) and `body`
    are English literals, marked with `gettext_noop` where they are written, with places such as
    `%(strategy)s` for `params`; a literal percent sign is `%%`. `url` is a path on this site, the
    back office included, or empty. Without `email` it appears in the app only. Raises KeyError or
    ValueError when text and params do not fit: then nothing is stored. With a `dedupe_key` it waits
    for another transaction that is just telling the same; locks nothing else.
    """
    _check_words(subject, body, params)
    notice = Notice(
        user=user,
        kind=kind,
        level=level,
        subject=subject,
        body=body,
        params=dict(params),
        url=url,
        dedupe_key=dedupe_key,
        created_at=now,
        next_attempt_at=now if email else None,
    )
    if dedupe_key:
        Notice.objects.bulk_create([notice], ignore_conflicts=True)
        if not Notice.objects.filter(pk=notice.pk).exists():
            return None
    else:
        notice.save(force_insert=True)
    if email:
        work.nudge_after_commit(DELIVER_TASK, pk=notice.pk)
    return notice


def notify_all(
    *,
    user_ids: Iterable[uuid.UUID],
    kind: str,
    subject: str,
    body: str,
    params: Params,
    url: str,
    level: Notice.Level,
    now: datetime,
) -> int:
    """Tell many people the same, in few statements; how many. As `notify` in all else.

    Their e-mails are left to the sweep, a batch at a time, so that none of them holds up others'.
    """
    _check_words(subject, body, params)
    told = Notice.objects.bulk_create(
        (
            Notice(
                user_id=user_id,
                kind=kind,
                level=level,
                subject=subject,
                body=body,
                params=dict(params),
                url=url,
                created_at=now,
                next_attempt_at=now,
            )
            for user_id in user_ids
        ),
        batch_size=1000,
    )
    return len(told)


def _check_words(subject: str, body: str, params: Params) -> None:
    """Refuse here, not where nobody can mend it, a notice whose words and params do not fit."""
    for text in (subject, body):
        if not text % params:
            raise ValueError("A notice needs words.")


def mark_read(*, user: User, notice_id: uuid.UUID, now: datetime) -> Notice:
    """Note that the user has read a notice; a repeat changes nothing. Locks nothing.

    Raises Notice.DoesNotExist for another person's notice.
    """
    Notice.objects.filter(pk=notice_id, user=user, read_at=None).update(read_at=now)
    return Notice.objects.get(pk=notice_id, user=user)


def mark_all_read(*, user: User, until: datetime, now: datetime) -> int:
    """Note that the user has read what came up to `until`, what they saw; how many it were."""
    unread = Notice.objects.filter(user=user, read_at=None, created_at__lte=until)
    return unread.update(read_at=now)


def try_again(*, notice_ids: list[uuid.UUID], actor: str, now: datetime) -> int:
    """Make e-mails that wait for a person due again; how many it were. Others are left alone."""
    count = 0
    for notice_id in notice_ids:
        with transaction.atomic():
            if not work.revive(Notice.objects.filter(pk=notice_id), now=now):
                continue
            audit.record(
                actor=actor,
                action="notice.tried_again",
                object_type="notice",
                object_id=str(notice_id),
                evidence={},
                now=now,
            )
            work.nudge_after_commit(DELIVER_TASK, pk=notice_id)
            count += 1
    return count


def deliver(*, notice_id: uuid.UUID, now: datetime) -> Notice | None:
    """E-mail a notice; the notice, or None when it is not due or leased elsewhere.

    Never raises for a failure of the mail server: the row is due again later, or parked.
    """
    lease = work.claim(Notice, pk=notice_id)
    if lease is None:
        return None
    with structlog.contextvars.bound_contextvars(notice_id=str(notice_id)), suppress(LeaseLost):
        _attempt(lease, now=now)
    return lease.row


def _attempt(lease: Lease[Notice], *, now: datetime) -> None:
    notice = lease.row
    if work.worn_out(notice):
        _park(lease, error=work.WORKER_DIED)
        return
    if not notice.user.is_active:
        lease.release(again_at=None)
        return
    failpoint("notice.before_send", key=notice.pk)
    try:
        _send(notice)
    except Rejected as error:
        _park(lease, error=error.message)
        return
    except Exception as error:
        # What a mail server says may name the recipient, so only the kind of failure is kept.
        told = error.message if isinstance(error, Temporary) else type(error).__name__
        _retry(lease, error=told, now=now)
        return
    failpoint("notice.after_send", key=notice.pk)
    lease.release(again_at=None, emailed_at=now)
    log.info("notice.emailed", kind=notice.kind)


def _park(lease: Lease[Notice], *, error: str) -> None:
    work.park(lease, error=error)
    log.error("notice.needs_attention", kind=lease.row.kind, error=error)


def _retry(lease: Lease[Notice], *, error: str, now: datetime) -> None:
    log.warning("notice.retry", attempt=lease.row.attempts, error=error)
    if not work.retry_later(lease, error=error, wait=None, now=now):
        log.error("notice.needs_attention", kind=lease.row.kind, error=error)


def _send(notice: Notice) -> None:
    """Hand the e-mail to the mail server; raises Rejected or Temporary.

    A repeat carries the same Message-ID, by which mail programs know it for the same message.
    """
    message = _message(notice)
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _text in error.recipients.values()]
        raise _failure("recipient refused", max(codes, default=0)) from error
    except smtplib.SMTPDataError as error:
        raise _failure("message refused", error.smtp_code) from error
    except smtplib.SMTPResponseException as error:
        # Greeting, sign-in, sender: about us and every e-mail, so it is tried again once mended.
        raise Temporary(f"{type(error).__name__} {error.smtp_code}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise Temporary(type(error).__name__) from error


def _failure(what: str, code: int) -> Rejected | Temporary:
    """5xx says that the same message will never be taken (RFC 5321 4.2.1)."""
    return (Rejected if code >= 500 else Temporary)(f"{what}: {code}")


def _message(notice: Notice) -> EmailMessage:
    with translation.override(notice.user.language or settings.LANGUAGE_CODE):
        link = hosts.absolute(notice.url) if notice.url else ""
        text = render_to_string("accounts/email/notice.txt", {"notice": notice, "link": link})
        # A header is one line, whatever a param holds.
        subject = " ".join(notice.title.split())
    host = urlsplit(settings.SITE_URL).hostname or "localhost"
    return EmailMessage(
        subject=settings.ACCOUNT_EMAIL_SUBJECT_PREFIX + subject,
        body=text,
        to=[notice.user.email],
        headers={"Message-ID": f"<notice-{notice.pk}@{host}>"},
    )
