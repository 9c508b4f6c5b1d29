"""Celery's way in to replication. A task carries the id of a leg or of a signal and nothing else."""

import uuid
from collections import Counter

from celery import shared_task
from django.db.models import Q
from django.db.models.functions import Now

from agora.lib import work
from copytrade.models import CopyOrder
from copytrade.replication import engine
from copytrade.replication.claims import Selection
from copytrade.replication.publish import FAN_OUT_TASK

_SWEEP_LIMIT = 2000
# From so many due legs of one signal on they go out together again.
_TOGETHER = 10


@shared_task(name=engine.EXECUTE_TASK)
def _execute_order(*, id: str, **_: object) -> None:  # noqa: A002  # the name every nudge uses
    """Do what is due for one leg: send it, look it up, follow or cancel it (EXE-1)."""
    engine.work_through(Selection(ids=[uuid.UUID(id)]))


@shared_task(name=FAN_OUT_TASK)
def fan_out(*, id: str, **_: object) -> None:  # noqa: A002
    """Work on the due legs of a signal together with whoever else does."""
    engine.work_through(Selection(signal_id=uuid.UUID(id)))


@shared_task(name="copytrade.tasks.sweep_legs", expires=30)
def sweep_legs() -> None:
    """Nudge every leg that is due: what a lost task, a dead worker or a flushed broker left."""
    due = (
        CopyOrder.objects.filter(next_attempt_at__lte=Now())
        .filter(Q(lease_until__isnull=True) | Q(lease_until__lt=Now()))
        .order_by("next_attempt_at")
        .values_list("pk", "signal_id")[:_SWEEP_LIMIT]
    )
    rows = list(due)
    legs_of = Counter(signal_id for _, signal_id in rows)
    together = {signal_id for signal_id, legs in legs_of.items() if legs >= _TOGETHER}
    for signal_id in together:
        work.nudge(FAN_OUT_TASK, pk=signal_id)
    single = [pk for pk, signal_id in rows if signal_id not in together]
    if len(single) >= _TOGETHER:
        # Side by side here: as tasks of their own, slow accounts would keep every worker waiting.
        engine.work_through(Selection(ids=single))
    else:
        for pk in single:
            work.nudge(engine.EXECUTE_TASK, pk=pk)
