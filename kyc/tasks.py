"""What is done regularly about documents, cases and screenings of everybody."""

import uuid

from celery import shared_task
from django.utils import timezone

from agora.lib import work
from kyc import documents
from kyc.cases import waiting
from kyc.models import ScreeningRun
from kyc.screening import everybody, runs


@shared_task
def remove_orphaned_files() -> None:
    """Remove files of documents that no row names, left by a process that died."""
    documents.sweep(now=timezone.now())


@shared_task(name="kyc.tasks.sweep_waiting_cases", expires=1800)
def sweep_waiting_cases() -> None:
    """Remind people of what they were asked for, and put cases back that nobody answered."""
    waiting.sweep(now=timezone.now())


@shared_task(name="kyc.tasks.begin_nightly_screening", expires=3600)
def begin_nightly_screening() -> None:
    """Have everybody looked up again, unless the night before is not over yet."""
    runs.begin_nightly(now=timezone.now())


@shared_task(name=runs.RUN_TASK)
def screen_everybody(*, id: str, **_: object) -> None:  # noqa: A002  # the name every nudge uses
    """Go on with a screening of everybody, and leave what is left to another task."""
    run = everybody.work_on(run_id=uuid.UUID(id))
    if run is not None and run.finished_at is None:
        work.nudge(runs.RUN_TASK, pk=run.pk)


@shared_task(name="kyc.tasks.sweep_screenings", expires=30)
def sweep_screenings() -> None:
    """Nudge every screening that is due: its worker may have died."""
    for pk in work.due_ids(ScreeningRun, limit=10):
        work.nudge(runs.RUN_TASK, pk=pk)
