"""Deleted strategies are wound down: each subscription stops by its own choice."""

import uuid

from celery import shared_task
from django.utils import timezone

from agora.lib import work
from copytrade.services import strategies

# So few that a task ends well within its time limit.
_BATCH = 500


@shared_task(name=strategies.WIND_DOWN_TASK)
def wind_down(*, id: str, **_: object) -> None:  # noqa: A002  # the name every nudge uses
    """Begin to stop what still copies a deleted strategy, and go on in a task of its own."""
    stopped = strategies.wind_down(strategy_id=uuid.UUID(id), limit=_BATCH, now=timezone.now())
    if stopped == _BATCH:
        work.nudge(strategies.WIND_DOWN_TASK, pk=id)


@shared_task(name="copytrade.tasks.strategies.sweep_deleted_strategies", expires=50)
def sweep_deleted_strategies() -> None:
    """Nudge every deleted strategy that is still copied: what a lost task or worker left."""
    for strategy_id in strategies.still_copied().values_list("strategy", flat=True).distinct():
        work.nudge(strategies.WIND_DOWN_TASK, pk=strategy_id)
