"""Celery's way in to the audit trail's sealer and to reserve reports."""

import uuid

from celery import shared_task
from django.utils import timezone

from agora.lib import work
from compliance import audit, reserves
from compliance.models import ReserveReport

BUILD_TASK = reserves.BUILD_TASK


@shared_task(name="compliance.tasks.seal_audit", expires=10)
def seal_audit() -> None:
    """Chain the newest rows of the audit trail; harmless when two run at once."""
    audit.seal(now=timezone.now())


@shared_task(name=BUILD_TASK)
def build_reserve_report(*, id: str, **_: object) -> None:  # noqa: A002  # the name every nudge uses
    """Fill in a requested report."""
    reserves.build(report_id=uuid.UUID(id), now=timezone.now())


@shared_task(name="compliance.tasks.sweep_reserve_reports", expires=30)
def sweep_reserve_reports() -> None:
    """Nudge every requested report that is due."""
    for pk in work.due_ids(ReserveReport, limit=50):
        work.nudge(BUILD_TASK, pk=pk)
