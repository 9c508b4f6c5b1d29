"""A screening of everybody is a row; a worker goes through the people some at a time."""

from datetime import datetime

import structlog
from django.db import transaction

from agora.lib import work
from compliance import audit
from kyc.models import ScreeningRun

RUN_TASK = "kyc.tasks.screen_everybody"
RUN = "screening_run"
log = structlog.get_logger(__name__)


def begin(*, cause: ScreeningRun.Cause, actor: str, now: datetime) -> ScreeningRun:
    """Store a run that `actor` (as the trail names them) asked for; nudge a worker once committed.

    Each change of a list gets a run of its own: one under way has passed people already.
    """
    with transaction.atomic():
        run = ScreeningRun.objects.create(cause=cause, begun_at=now, next_attempt_at=now)
        audit.record(
            actor=actor,
            action="screening.run_begun",
            object_type=RUN,
            object_id=str(run.pk),
            evidence={"cause": cause},
            now=now,
        )
        work.nudge_after_commit(RUN_TASK, pk=run.pk)
    return run


def begin_nightly(*, now: datetime) -> ScreeningRun | None:
    """Store the night's run; None while an earlier night's is under way, as that would only pile up."""
    night = ScreeningRun.Cause.NIGHT
    if ScreeningRun.objects.filter(cause=night, finished_at=None).exists():
        log.error("screening.night_still_running")
        return None
    return begin(cause=night, actor=audit.system("screening"), now=now)
