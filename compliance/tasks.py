"""Celery's way in to the audit trail, to what expires, to reserve snapshots and personal data."""

import time
import uuid
from datetime import timedelta

import structlog
from celery import shared_task
from celery.signals import worker_ready
from django.utils import timezone

from accounts import decision_notices
from agora.lib import work
from compliance import audit, four_eyes, retention
from compliance.models import DataExport, ErasureRequest, ReserveSnapshot
from compliance.personal_data import erasure, exports
from compliance.reserves import snapshots
from compliance.trail import anchors, configuration, daily, usage

log = structlog.get_logger(__name__)


@shared_task(name="compliance.tasks.seal_audit", expires=10)
def seal_audit() -> None:
    """Chain the newest rows of the audit trail; harmless when two run at once.

    Says `audit.lag` in the log when a row has waited for longer than the trail promises. What
    waited while the process was starting is no error of the sealer; the metric shows it, too.
    """
    lag = audit.lag(now=timezone.now())
    if lag > audit.LAG_LIMIT:
        tell = log.error if _started() > audit.LAG_LIMIT else log.info
        tell("audit.lag", seconds=lag.total_seconds())
    audit.seal_all(now=timezone.now())


@worker_ready.connect
def _note_start(**_: object) -> None:
    global _ready_at  # when this process began to take tasks
    _ready_at = time.monotonic()


_ready_at = float("-inf")


def _started() -> timedelta:
    """How long ago this process began to take tasks; for ever where it is no worker."""
    return timedelta(seconds=min(time.monotonic() - _ready_at, 1e9))


@shared_task(name="compliance.tasks.seal_usage", expires=3600)
def seal_usage() -> None:
    """Put the digest of each closed day's uses of tokens and nonces into the trail."""
    usage.seal_days(now=timezone.now())


@shared_task(name="compliance.tasks.anchor_audit", expires=300)
def anchor_audit() -> None:
    """Tell the head of the trail to every place that was last told a day ago."""
    try:
        anchors.anchor(now=timezone.now(), only_due=True)
    except anchors.Failed:
        # Told in the log already; the next turn tries again.
        return


# A long trail takes minutes, and the broker hands out anew what nobody has acknowledged within two. So
# a run that is killed is not repeated by itself, but late; and one that waits for a worker stays.
@shared_task(
    name="compliance.tasks.verify_audit", acks_late=False, expires=12 * 3600, time_limit=3600
)
def verify_audit() -> None:
    """Verify the whole trail and its anchors; fails, to be seen, if a place cannot be read."""
    daily.verify(now=timezone.now())


@shared_task(name="compliance.tasks.remove_expired", expires=1800)
def remove_expired() -> None:
    """Remove what need not be kept any more."""
    retention.run(now=timezone.now())


@shared_task(name="compliance.tasks.note_settings", expires=300)
def note_settings() -> None:
    """Note in the trail when the worker's settings are not what they were."""
    configuration.note(process="worker", now=timezone.now())


# Each of a few statements may take two minutes, and what a killed worker had found is lost.
@shared_task(name=snapshots.BUILD_TASK, time_limit=600)
def build_reserve_snapshot(*, id: str, **_: object) -> None:  # noqa: A002  # the name every nudge uses
    """Fill in a requested snapshot."""
    snapshots.build(snapshot_id=uuid.UUID(id), now=timezone.now())


@shared_task(name="compliance.tasks.sweep_reserve_snapshots", expires=30)
def sweep_reserve_snapshots() -> None:
    """Nudge every requested snapshot that is due."""
    for pk in work.due_ids(ReserveSnapshot, limit=50):
        work.nudge(snapshots.BUILD_TASK, pk=pk)


@shared_task(name="compliance.tasks.request_daily_snapshot", expires=300)
def request_daily_snapshot() -> None:
    """Ask for the day's snapshot once its time has come, also after an outage at that time."""
    snapshots.request_daily(now=timezone.now())


@shared_task(name="compliance.tasks.expire_proposals", expires=300)
def expire_proposals() -> None:
    """Close what no second person decided in time; tell who proposed it a day before."""
    now = timezone.now()
    four_eyes.expire(now=now)
    decision_notices.remind(now=now)


# Years of trades are read row by row, and what a killed worker had read is lost.
@shared_task(name=exports.BUILD_TASK, time_limit=1800)
def build_data_export(*, id: str, **_: object) -> None:  # noqa: A002  # the name every nudge uses
    """Put a person's copy of their data together, or remove one that has expired."""
    exports.step(export_id=uuid.UUID(id), now=timezone.now())


@shared_task(name=erasure.CARRY_OUT_TASK)
def carry_out_erasure(*, id: str, **_: object) -> None:  # noqa: A002  # the name every nudge uses
    """Close an account whose erasure was asked for, or forget who it was."""
    erasure.step(request_id=uuid.UUID(id), now=timezone.now())


@shared_task(name="compliance.tasks.sweep_personal_data", expires=60)
def sweep_personal_data() -> None:
    """Nudge every copy of data and every erasure that is due."""
    for pk in work.due_ids(DataExport, limit=50):
        work.nudge(exports.BUILD_TASK, pk=pk)
    for pk in work.due_ids(ErasureRequest, limit=50):
        work.nudge(erasure.CARRY_OUT_TASK, pk=pk)
