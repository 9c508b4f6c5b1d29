"""Celery's way in to the comparison of ledgers: one task an account, nudged until it is done."""

import uuid
from datetime import timedelta

import structlog
from celery import shared_task
from django.db.models import F
from django.utils import timezone

from agora.lib import work
from copytrade.models import ExchangeAccount
from copytrade.services.proof import ProofRefused, prove
from copytrade.states import AccountState

log = structlog.get_logger(__name__)
PROVE_TASK = "copytrade.tasks.ledger.prove_account"
_EVERY = timedelta(hours=24)
_AT_ONCE = 50


@shared_task(name="copytrade.tasks.ledger.prove_accounts", expires=300)
def prove_accounts() -> None:
    """Nudge accounts whose last comparison is a day old, the oldest first.

    What a task could not finish is nudged again the next time: only a stored comparison counts.
    """
    due = ExchangeAccount.objects.filter(
        state=AccountState.ACTIVE, opened_at__lte=timezone.now() - _EVERY
    ).exclude(proved_at__gt=timezone.now() - _EVERY)
    oldest = due.order_by(F("proved_at").asc(nulls_first=True)).values_list("pk", flat=True)
    for pk in oldest[:_AT_ONCE]:
        work.nudge(PROVE_TASK, pk=pk)


@shared_task(name=PROVE_TASK)
def prove_account(*, id: str, **_: object) -> None:  # noqa: A002  # the name every nudge uses
    """Compare one account; what is in the way is in the log, and it is tried again."""
    try:
        prove(account_id=uuid.UUID(id), now=timezone.now())
    except ProofRefused as refusal:
        log.warning("ledger.not_compared", account_id=id, code=refusal.code)
