"""Celery's way in to settlement. A task carries an order's id and nothing else."""

import uuid
from datetime import timedelta

import structlog
from celery import shared_task
from django.utils import timezone

from agora.lib import work
from trading import quotes, services, settlement
from trading.models import Order
from trading.services import SETTLE_TASK
from trading.settlement import mint_holds, moves

log = structlog.get_logger(__name__)
_SWEEP_LIMIT = 500
# So few that a task ends within its time limit even when every outside call runs into its own.
_MOST_STEPS = 4
# Celery holds a delayed nudge in a worker's memory; a longer wait is left to the sweep.
_LONGEST_DELAY = timedelta(seconds=30)


@shared_task(name=SETTLE_TASK)
def settle_order(*, id: str, **_: object) -> None:  # noqa: A002  # the name every nudge uses
    """Do the steps of an order that are due in a row, and nudge the next one.

    Each is leased and committed by itself; a task of its own for each would cost more than the step.
    """
    order_id, wait = uuid.UUID(id), timedelta()
    for _step in range(_MOST_STEPS):
        order = settlement.advance(order_id=order_id, now=timezone.now())
        if order is None or order.next_attempt_at is None:
            return
        wait = max(order.next_attempt_at - timezone.now(), timedelta())
        if wait:
            break
    if wait <= _LONGEST_DELAY:
        work.nudge(SETTLE_TASK, pk=order_id, delay=wait.total_seconds())


@shared_task(name="trading.tasks.sweep_orders", expires=30)
def sweep_orders() -> None:
    """Nudge every order that is due: what a lost task, a dead worker or a flushed broker left.

    And have mints tried again that were kept back, once nothing keeps them back any more.
    """
    for pk in work.due_ids(Order, limit=_SWEEP_LIMIT):
        work.nudge(SETTLE_TASK, pk=pk)
    services.try_again(order_ids=list(mint_holds.ended()), actor=moves.ACTOR, now=timezone.now())


@shared_task(name="trading.tasks.refresh_quote", expires=5)
def refresh_quote() -> None:
    """Keep the cached quote warm, so that no web request waits for the broker."""
    try:
        quotes.refresh_quote(now=timezone.now())
    except quotes.QuoteUnavailable as error:
        log.warning("quote.unavailable", error=str(error))
