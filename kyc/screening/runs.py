"""A screening of everybody is a row; a worker goes through the people some at a time."""

from datetime import datetime

import structlog

from agora.lib import work
from kyc.models import ScreeningRun

RUN_TASK = "kyc.tasks.screen_everybody"
log = structlog.get_logger(__name__)


def begin(*, cause: ScreeningRun.Cause, now: datetime) -> ScreeningRun:
    """Store a run, and nudge a worker once it is committed.

    Each change of a list gets a run of its own: one under way has passed people already.
    """
    run = ScreeningRun.objects.create(cause=cause, begun_at=now, next_attempt_at=now)
    work.nudge_after_commit(RUN_TASK, pk=run.pk)
    return run


def begin_nightly(*, now: datetime) -> ScreeningRun | None:
    """Store the night's run; None while an earlier night's is under way, as that would only pile up."""
    night = ScreeningRun.Cause.NIGHT
    if ScreeningRun.objects.filter(cause=night, finished_at=None).exists():
        log.error("screening.night_still_running")
        return None
    return begin(cause=night, now=now)
