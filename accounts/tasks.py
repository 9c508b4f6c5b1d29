"""Celery's way in: e-mails of notices, changes of wallets whose time has come, tokens that expire."""

import uuid

from celery import shared_task
from django.utils import timezone

from accounts import notices, token_expiry, wallets
from accounts.models import Notice
from agora.lib import work

_SWEEP_LIMIT = 500


@shared_task(name=notices.DELIVER_TASK)
def deliver_notice(*, id: str, **_: object) -> None:  # noqa: A002  # the name every nudge uses
    """E-mail a notice."""
    notices.deliver(notice_id=uuid.UUID(id), now=timezone.now())


@shared_task(name="accounts.tasks.sweep_notices", expires=30)
def sweep_notices() -> None:
    """Nudge every notice whose e-mail is due: what a lost task or a dead worker left."""
    for pk in work.due_ids(Notice, limit=_SWEEP_LIMIT):
        work.nudge(notices.DELIVER_TASK, pk=pk)


@shared_task(name="accounts.tasks.apply_wallet_changes", expires=60)
def apply_wallet_changes() -> None:
    """Let changes of wallets whose cool-down is over take effect."""
    wallets.apply_due(now=timezone.now())


@shared_task(name="accounts.tasks.remind_of_tokens", expires=600)
def remind_of_tokens() -> None:
    """Tell people of API tokens of theirs that are about to expire."""
    token_expiry.remind(now=timezone.now())
