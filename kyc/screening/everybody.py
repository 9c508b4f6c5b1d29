"""Everybody is looked up again: when a list changes, and every night."""

import uuid
from datetime import datetime

import structlog
from django.db import transaction
from django.utils import timezone

from agora.lib import crypto, work
from kyc import screening
from kyc.cases.opening import hold_application
from kyc.models import Application, Case, ScreeningRun
from kyc.services import approve_automatically

BATCH = 100
_WANTED = (Application.Status.PENDING, Application.Status.APPROVED, Application.Status.SUSPENDED)
log = structlog.get_logger(__name__)


def work_on(*, run_id: uuid.UUID) -> ScreeningRun | None:
    """Go on with a run to its end; None when it is not due, or somebody else has it.

    A worker that dies leaves it at the last hundred people; looking somebody up twice finds the same.
    Who cannot be looked up keeps nobody else from it: they are counted, and the run needs attention.
    """
    lease = work.claim(ScreeningRun, pk=run_id)
    if lease is None:
        return None
    while people := _after(lease.row.cursor):
        found = [_look_up(application, timezone.now()) for application in people]
        failed = found.count(None)
        lease.write(
            cursor=people[-1],
            persons=lease.row.persons + len(people) - failed,
            found=lease.row.found + sum(new or 0 for new in found),
            failed=lease.row.failed + failed,
        )
        lease.extend()
    run = lease.row
    lease.release(again_at=None, finished_at=timezone.now(), attention=run.failed > 0)
    log.info("screening.run_finished", persons=run.persons, found=run.found, failed=run.failed)
    return lease.row


def _after(cursor: uuid.UUID | None) -> list[uuid.UUID]:
    """The next people of a run. Who is rejected or erased is not looked up."""
    found = Application.objects.filter(status__in=_WANTED).exclude(full_name_encrypted=b"")
    if cursor is not None:
        found = found.filter(pk__gt=cursor)
    return list(found.order_by("pk").values_list("pk", flat=True)[:BATCH])


def _look_up(application_id: uuid.UUID, now: datetime) -> int | None:
    """New matches of one person; approves who waited only for a list to be looked up in.

    None when that failed, and nothing was changed.
    """
    try:
        with transaction.atomic():
            application = hold_application(Application(pk=application_id))
            found = len(screening.screen(application=application, now=now))
            if _waits_for_nothing_else(application):
                approve_automatically(application, now=now)
            return found
    except crypto.Undecryptable:
        # Erased a moment ago, or a key is missing, which `rotate_keys` and the doctor tell of.
        log.warning("screening.unreadable", application=str(application_id))
        return 0
    except Exception as error:  # a bug, or a database in trouble: what it says may name the person
        log.error("screening.failed", application=str(application_id), error=type(error).__name__)
        return None


def _waits_for_nothing_else(application: Application) -> bool:
    return (
        application.status == Application.Status.PENDING
        and screening.is_ready()
        and not screening.open_matches(application).exists()
        and not Case.objects.filter(application=application).exists()
    )
