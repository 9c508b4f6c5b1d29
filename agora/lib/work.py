"""Durable work: the row is the job, Celery is only the nudge (ARCHITECTURE 2).

A job row says what it waits for (`next_attempt_at`), who works on it (`lease_token`, `lease_until`)
and how often it was tried. `claim` leases a due row in one statement, which one of many gets;
every later write goes through `Lease.write`, which changes nothing once the lease has passed to
another worker. Times of leases come from the database's clock, so that skewed workers agree.
"""

import os
import random
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Generic, TypeVar

import structlog
from celery import current_app
from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Now
from kombu import Producer

from agora.lib.failpoints import failpoint
from agora.lib.outcome import Rejected, Temporary, Unknown

log = structlog.get_logger(__name__)

# While the broker is away nudges pile up; past this many they are dropped, the sweep has them.
_MAX_WAITING_NUDGES = 1000
# A queue of its own may have no worker, or one that is busy for long. Its sweeps come once a minute at
# the latest, so what waits longer is in the broker again; past that many nothing is added.
_NUDGE_EXPIRES = 60

# What a worn-out row is parked with.
WORKER_DIED = "Its worker died too often."


class LeaseLost(Exception):
    """Another worker holds the row now; whatever this one found out is not written."""


class NotSeen(Unknown):
    """A call that may have been heard is not found yet; look again before sending it again."""


class Job(models.Model):
    """Columns of a row that is worked on in steps until nothing is left to do.

    `next_attempt_at` NULL means: nothing to do, or a person has to decide (`attention`).
    `asked_at` is set before an outside call with effect and cleared when its outcome is stored: a
    row that has it may have been heard outside, so the next worker looks up before it sends.
    """

    next_attempt_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    attention = models.BooleanField(default=False)
    asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    missed_lookups = models.PositiveSmallIntegerField(default=0, editable=False)
    sends = models.PositiveSmallIntegerField(default=0, editable=False)

    class Meta:
        abstract = True


J = TypeVar("J", bound=Job)
A = TypeVar("A")


@dataclass(frozen=True)
class Lease(Generic[J]):
    """A leased row as it stood when claimed, and the right to write it."""

    row: J
    token: uuid.UUID

    def write(self, **changes: Any) -> None:
        """Change the row if the lease is still ours; raises LeaseLost otherwise."""
        model = type(self.row)
        changed = model._default_manager.filter(pk=self.row.pk, lease_token=self.token).update(
            **changes
        )
        if changed != 1:
            raise LeaseLost(f"{model._meta.label} {self.row.pk}")
        for name, value in changes.items():
            if not hasattr(value, "resolve_expression"):
                setattr(self.row, name, value)

    def extend(self, *, at_least: timedelta = timedelta(0)) -> None:
        """Keep the row for another full lease, or longer: for steps that take long.

        Raises LeaseLost.
        """
        lease = timedelta(seconds=settings.WORK_LEASE_SECONDS)
        self.write(lease_until=Now() + max(lease, at_least))

    def release(self, *, again_at: datetime | None, **changes: Any) -> None:
        """End the step well: give the row back, due again at `again_at` (None: never)."""
        self.write(
            lease_token=None,
            lease_until=None,
            next_attempt_at=again_at,
            attempts=0,
            last_error="",
            asked_at=None,
            missed_lookups=0,
            sends=0,
            **changes,
        )

    def ask_once(
        self,
        *,
        mark: str,
        find: Callable[[], A | None],
        send: Callable[[int], A],
        now: datetime,
        **changes: Any,
    ) -> A:
        """Have an outside call done once, whatever befell an earlier try; its answer.

        The intent (`asked_at`, and `changes` with it) is committed before the call. When an earlier
        try may have arrived, `find` looks it up by its key; only after two misses, a grace period
        apart, is it sent again, with the same key. `send` gets the number of the sending, from 1.
        Raises what `find` and `send` raise, and NotSeen while the look-up has to be repeated.
        `mark` names the failpoints around the call.
        """
        if self.row.asked_at is not None:
            found = self._look_up(find, mark=mark, now=now)
            if found is not None:
                return found
        failpoint(f"{mark}.before_intent", key=self.row.pk)
        number = self.row.sends + 1
        self.write(asked_at=now, missed_lookups=0, sends=number, **changes)
        failpoint(f"{mark}.before_call", key=self.row.pk)
        try:
            answer = send(number)
        except (Rejected, Temporary):
            # Certainly not done, so the next try may send without looking first.
            self.write(asked_at=None)
            raise
        failpoint(f"{mark}.after_call", key=self.row.pk)
        return answer

    def _look_up(self, find: Callable[[], A | None], *, mark: str, now: datetime) -> A | None:
        """What an earlier try did; None once it is sure that it did nothing, else raises."""
        try:
            found = find()
        except Rejected as error:
            # Says nothing about the call itself, which may well have been accepted.
            raise Unknown(f"{mark}: the look-up was refused: {error.message}") from error
        if found is not None or self.row.asked_at is None:
            return found
        missed = self.row.missed_lookups + 1
        grace = timedelta(seconds=settings.UNKNOWN_GRACE_SECONDS)
        if missed < 2 or now < self.row.asked_at + grace:
            self.write(missed_lookups=missed)
            raise NotSeen(f"{mark}: not found yet")
        return None


_DUE = """next_attempt_at <= clock_timestamp()
    AND (lease_until IS NULL OR lease_until < clock_timestamp())"""


def claim(model: type[J], *, pk: object) -> Lease[J] | None:
    """Lease one row if it is due and free; None when it is not. One round trip.

    Outside of transactions only: the one that takes a lease does not wait for the disk.
    """
    token = uuid.uuid4()
    # Table and condition are ours; values are bound. RETURNING saves the second trip of the ORM.
    # The lease alone does not wait for the disk: a crash of the server that forgets it leaves the
    # row due, and whatever the worker commits next, such as its intent, brings it to the disk first.
    statement = f"""
        UPDATE {model._meta.db_table} SET lease_token = %s, attempts = attempts + 1,
               lease_until = clock_timestamp() + make_interval(secs => %s)
        FROM set_config('synchronous_commit', 'off', true)
        WHERE id = %s AND {_DUE} RETURNING {model._meta.db_table}.*"""  # noqa: S608
    rows = model._default_manager.raw(statement, [token, settings.WORK_LEASE_SECONDS, pk])
    return next((Lease(row=row, token=token) for row in rows), None)


def due_ids(model: type[Job], *, limit: int) -> Sequence[object]:
    """Ids of rows that wait for a worker, oldest first: what a sweep nudges."""
    return list(
        model._default_manager.filter(next_attempt_at__lte=Now())
        .filter(models.Q(lease_until__isnull=True) | models.Q(lease_until__lt=Now()))
        .order_by("next_attempt_at")
        .values_list("pk", flat=True)[:limit]
    )


def worn_out(row: Job) -> bool:
    """Whether too many tries ended without any answer, so that a person has to look.

    Asked right after `claim`, before the work itself. `retry_later` counts failures that are told;
    this is for those that are not: a worker killed each time, or an error that nobody foresaw.
    """
    return row.attempts > settings.WORK_MAX_ATTEMPTS


def backoff(*, attempts: int) -> timedelta:
    """Waiting time before the next try: doubled each time, capped, with full jitter on the half."""
    base = min(
        settings.WORK_BACKOFF_SECONDS * 2 ** min(attempts, 20), settings.WORK_BACKOFF_MAX_SECONDS
    )
    return timedelta(seconds=base * random.uniform(0.5, 1.0))  # noqa: S311


def retry_later(
    lease: Lease[J], *, error: str, wait: timedelta | None, now: datetime, **changes: Any
) -> bool:
    """Give the row back after a failed try; False when tries are used up and a person must look.

    `wait` None takes the usual back-off. Never dropped: a row out of tries stands with
    `attention` set, which the admin shows and an alert watches.
    """
    exhausted = lease.row.attempts >= settings.WORK_MAX_ATTEMPTS
    pause = backoff(attempts=lease.row.attempts) if wait is None else wait
    lease.write(
        lease_token=None,
        lease_until=None,
        next_attempt_at=None if exhausted else now + pause,
        attention=exhausted,
        last_error=error[:2000],
        **changes,
    )
    return not exhausted


def park(lease: Lease[J], *, error: str) -> None:
    """Stop working on the row until a person decides; shown as needing attention."""
    lease.write(
        lease_token=None,
        lease_until=None,
        next_attempt_at=None,
        attention=True,
        last_error=error[:2000],
    )


def revive(rows: models.QuerySet[J], *, now: datetime) -> int:
    """Make those of the rows that wait for a person due again, with all their tries; how many."""
    return rows.filter(attention=True).update(attention=False, attempts=0, next_attempt_at=now)


def nudge(task: str, *, pk: object, delay: float = 0) -> None:
    """Tell Celery about a row, from a thread of its own: the caller never waits for the broker.

    May fail silently, or be dropped while the broker is away: the sweep finds the row anyway.
    """
    publisher = _publisher(os.getpid())
    if publisher._work_queue.qsize() < _MAX_WAITING_NUDGES:
        publisher.submit(_publish, task, str(pk), delay)


def nudge_after_commit(task: str, *, pk: object) -> None:
    """Nudge once the surrounding transaction has committed."""
    transaction.on_commit(lambda: nudge(task, pk=pk), robust=True)


@lru_cache(maxsize=1)
def _publisher(pid: int) -> ThreadPoolExecutor:
    """One publishing thread per process; the pid keeps a forked child from using its parent's."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"nudge-{pid}")


def _publish(task: str, pk: str, delay: float) -> None:
    """What `send_task` does, with a producer that is kept: opening one costs as much as sending."""
    amqp = current_app.amqp
    try:
        route = amqp.router.route({}, task)
        queue = route["queue"].name
        aside = queue != current_app.conf.task_default_queue
        if aside and _waiting(queue) >= _MAX_WAITING_NUDGES:
            log.warning("nudge.dropped", task=task, queue=queue)
            return
        message = amqp.create_task_message(
            str(uuid.uuid4()),
            task,
            kwargs={"id": pk},
            countdown=delay or None,
            expires=delay + _NUDGE_EXPIRES if aside else None,
            ignore_result=True,
        )
        amqp.send_task_message(_producer(), task, message, retry=False, **route)
    except Exception as error:  # any broker failure means the same: the sweep will do it
        _producer.cache_clear()
        log.warning("nudge.failed", task=task, error=type(error).__name__)


def _waiting(queue: str) -> int:
    """How many tasks wait in a queue."""
    channel: Any = _producer().channel
    return int(channel.queue_declare(queue).message_count)


@lru_cache(maxsize=1)
def _producer() -> Producer:
    """The publishing thread's own connection to the broker; made anew after a failure."""
    producer: Producer = current_app.amqp.Producer(current_app.connection_for_write())
    return producer
