"""Everybody is looked up again: when a list changes, and every night."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import structlog
from django.db import OperationalError, transaction
from django.utils import timezone

from agora.lib import work
from agora.lib.failpoints import failpoint
from kyc import screening
from kyc.cases.opening import hold_application
from kyc.models import Application, Case, ScreeningRun
from kyc.services import approve_automatically

BATCH = 100  # people whose ids are read at once
STINT_SECONDS = 60.0  # of one task, half of what Celery leaves it (CELERY_TASK_TIME_LIMIT)
NOTE_SECONDS = 5.0  # how much work a worker that dies loses, at most
LEASE = timedelta(seconds=60)  # a single look-up may take as long as two statements may
MOST_TRIES = 3  # at one person, before the run goes on without them
_WANTED = (Application.Status.PENDING, Application.Status.APPROVED, Application.Status.SUSPENDED)
log = structlog.get_logger(__name__)


@dataclass
class _Stint:
    """What one worker does of a run, and how far it got; `note` stores that."""

    lease: work.Lease[ScreeningRun]
    careful: bool  # the worker before died: note after each person, so that the next knows at whom
    began: float
    noted: float
    cursor: uuid.UUID | None
    persons: int
    found: int
    failed: int

    @property
    def is_over(self) -> bool:
        return monotonic() >= self.began + STINT_SECONDS

    def passed(self, person: uuid.UUID, new: int | None) -> None:
        """Count somebody: their new matches, None for one who could not be looked up."""
        self.cursor = person
        self.persons += new is not None
        self.found += new or 0
        self.failed += new is None
        if self.careful or monotonic() >= self.noted + NOTE_SECONDS:
            self.note()

    def note(self) -> None:
        """Store how far it is and keep the lease; raises LeaseLost."""
        self.lease.write(
            cursor=self.cursor,
            persons=self.persons,
            found=self.found,
            failed=self.failed,
            attempts=0,
            attention=self.failed > 0,
        )
        self.lease.extend(at_least=LEASE)
        self.noted = monotonic()


def work_on(*, run_id: uuid.UUID) -> ScreeningRun | None:
    """Go on with a run for a minute, or to its end; None when it is not due, or somebody has it.

    A run that is not `finished_at` then is due again at once. A worker that dies leaves it some
    seconds back; looking somebody up twice finds the same. Who cannot be looked up, or has been the
    end of MOST_TRIES workers, keeps nobody else from it: they are counted, and the run needs attention.
    """
    lease = work.claim(ScreeningRun, pk=run_id)
    if lease is None:
        return None
    lease.extend(at_least=LEASE)
    stint = _begin(lease)
    while people := _after(stint.cursor):
        for person in people:
            failpoint("screening.everybody.before_person", key=person)
            stint.passed(person, _look_up(person, timezone.now()))
            if stint.is_over:
                stint.note()
                lease.release(again_at=timezone.now())
                return lease.row
    stint.note()
    run = lease.row
    lease.release(again_at=None, finished_at=timezone.now())
    log.info("screening.run_finished", persons=run.persons, found=run.found, failed=run.failed)
    return run


def _begin(lease: work.Lease[ScreeningRun]) -> _Stint:
    run, now = lease.row, monotonic()
    stint = _Stint(
        lease=lease,
        careful=run.attempts > 1,
        began=now,
        noted=now,
        cursor=run.cursor,
        persons=run.persons,
        found=run.found,
        failed=run.failed,
    )
    if run.attempts > MOST_TRIES:
        for person in _after(run.cursor)[:1]:
            log.error("screening.passed_over", application=str(person), tries=run.attempts - 1)
            stint.passed(person, None)
    return stint


def _after(cursor: uuid.UUID | None) -> list[uuid.UUID]:
    """The next people of a run. Who is rejected, or has closed their account, is not looked up.

    A closed account has nothing under way and can buy nothing more; who it was is kept for the law alone.
    """
    found = Application.objects.filter(status__in=_WANTED, user__is_active=True)
    if cursor is not None:
        found = found.filter(pk__gt=cursor)
    return list(found.order_by("pk").values_list("pk", flat=True)[:BATCH])


def _look_up(application_id: uuid.UUID, now: datetime) -> int | None:
    """New matches of one person; approves who waited only for a list to be looked up in.

    None when that failed, and nothing was changed.
    """
    try:
        try:
            return _new_matches(application_id, now)
        except OperationalError:
            # A deadlock, a statement that took too long, a lost connection: gone at once as a rule.
            return _new_matches(application_id, now)
    except Exception as error:
        # A bug, a missing key, a database in trouble: what it says may name the person.
        log.error("screening.failed", application=str(application_id), error=type(error).__name__)
        return None


def _new_matches(application_id: uuid.UUID, now: datetime) -> int:
    with transaction.atomic():
        application = hold_application(application_id)
        if not application.user.is_active:  # closed a moment ago
            return 0
        found = len(screening.screen(application=application, now=now))
        if _waits_for_nothing_else(application):
            approve_automatically(application, now=now)
    return found


def _waits_for_nothing_else(application: Application) -> bool:
    return (
        application.status == Application.Status.PENDING
        and screening.is_ready()
        and not screening.open_matches(application).exists()
        and not Case.objects.filter(application=application).exists()
    )
