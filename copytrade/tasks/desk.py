"""Celery's way in to masters' orders, the poll of their accounts, prices and reconciling."""

import uuid
from datetime import timedelta

import structlog
from celery import shared_task
from django.utils import timezone

from agora.lib import work
from agora.lib.outcome import OutsideError
from copytrade.models import MasterOrder, Strategy, Subscription
from copytrade.replication import master_orders, polling, prices, reconcile
from copytrade.replication.master_orders import ADVANCE_TASK
from copytrade.replication.polling import POLL_TASK
from copytrade.replication.reconcile import RECONCILE_TASK

log = structlog.get_logger(__name__)
_SWEEP_LIMIT = 500
# Celery holds a delayed nudge in a worker's memory; a longer wait is left to the sweep.
_LONGEST_DELAY = timedelta(seconds=5)


@shared_task(name=ADVANCE_TASK)
def advance_master_order(*, id: str, **_: object) -> None:  # noqa: A002  # the name of nudges
    """Do the next step of a master's order, and nudge the one after it."""
    order = master_orders.advance(order_id=uuid.UUID(id), now=timezone.now())
    if order is None:
        return
    due = MasterOrder.objects.filter(pk=order.pk).values_list("next_attempt_at", flat=True).first()
    if due is None:
        return
    wait = max(due - timezone.now(), timedelta())
    if wait <= _LONGEST_DELAY:
        work.nudge(ADVANCE_TASK, pk=order.pk, delay=wait.total_seconds())


@shared_task(name="copytrade.tasks.sweep_master_orders", expires=30)
def sweep_master_orders() -> None:
    """Nudge every master's order that is due."""
    for pk in work.due_ids(MasterOrder, limit=_SWEEP_LIMIT):
        work.nudge(ADVANCE_TASK, pk=pk)


@shared_task(name=POLL_TASK)
def poll_strategy(*, id: str, **_: object) -> None:  # noqa: A002  # the name of nudges
    """Read the account of one strategy's master."""
    polling.poll(strategy_id=uuid.UUID(id), now=timezone.now())


@shared_task(name="copytrade.tasks.sweep_strategies", expires=5)
def sweep_strategies() -> None:
    """Nudge the poll of every account that is due."""
    for pk in work.due_ids(Strategy, limit=_SWEEP_LIMIT):
        work.nudge(POLL_TASK, pk=pk)


@shared_task(name=RECONCILE_TASK)
def reconcile_subscription(*, id: str, **_: object) -> None:  # noqa: A002  # the name of nudges
    """Compare one subscription with the exchange."""
    reconcile.reconcile(subscription_id=uuid.UUID(id), now=timezone.now())


@shared_task(name="copytrade.tasks.sweep_subscriptions", expires=30)
def sweep_subscriptions() -> None:
    """Nudge the comparison of every subscription that is due."""
    for pk in work.due_ids(Subscription, limit=_SWEEP_LIMIT):
        work.nudge(RECONCILE_TASK, pk=pk)


@shared_task(name="copytrade.tasks.refresh_prices", expires=3)
def refresh_prices() -> None:
    """Keep the prices of all pairs that matter fresh."""
    try:
        prices.refresh(now=timezone.now())
    except OutsideError as error:
        log.warning("prices.unavailable", error=error.message)


@shared_task(name="copytrade.tasks.refresh_daily_prices", expires=600)
def refresh_daily_prices() -> None:
    """Keep the closing prices of days; new pairs get a year of them."""
    prices.refresh_days(now=timezone.now())
