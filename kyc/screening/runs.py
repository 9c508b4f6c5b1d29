"""A screening of everybody is a row; a worker goes through the people some at a time."""

from datetime import datetime

from agora.lib import work
from kyc.models import ScreeningRun

RUN_TASK = "kyc.tasks.screen_everybody"


def begin(*, cause: ScreeningRun.Cause, now: datetime) -> ScreeningRun:
    """Store a run, and nudge a worker once it is committed.

    Each change of a list gets a run of its own: one under way has passed people already.
    """
    run = ScreeningRun.objects.create(cause=cause, begun_at=now, next_attempt_at=now)
    work.nudge_after_commit(RUN_TASK, pk=run.pk)
    return run
