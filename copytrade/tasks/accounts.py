"""Celery's way in to the daily check of exchange keys."""

import uuid

from celery import shared_task
from django.utils import timezone

from agora.lib import work
from copytrade.models import ExchangeAccount
from copytrade.services import key_checks
from copytrade.services.key_checks import CHECK_TASK

_SWEEP_LIMIT = 200


@shared_task(name=CHECK_TASK)
def check_exchange_account(*, id: str, **_: object) -> None:  # noqa: A002  # the name of nudges
    """Check the key of one account, if that is due."""
    key_checks.check(account_id=uuid.UUID(id), now=timezone.now())


@shared_task(name="copytrade.tasks.sweep_exchange_accounts", expires=60)
def sweep_exchange_accounts() -> None:
    """Nudge the check of every account that is due."""
    for pk in work.due_ids(ExchangeAccount, limit=_SWEEP_LIMIT):
        work.nudge(CHECK_TASK, pk=pk)
