"""When each task of the schedule last ended well, and how far past its time it is.

Beat, the broker, the workers and the task itself: whatever keeps a task from its work shows here. Kept
in Redis, as nothing but watching depends on it. What is not known there counts from when it was first
asked for, so that what never worked is late in the end, too.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery.schedules import crontab
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis import RedisError

USUAL_QUEUE = "celery"
# For what runs every few seconds, and for what waits behind work that takes minutes.
MOST_LATE = timedelta(minutes=5)
MOST_LATE_SLOW = timedelta(hours=1)


@dataclass(frozen=True)
class Task:
    """A task of the schedule; `late` is how long ago it should have ended well once more."""

    name: str
    queue: str
    late: timedelta

    @property
    def is_overdue(self) -> bool:
        return self.late > (MOST_LATE_SLOW if self.queue == "slow" else MOST_LATE)


def ended_well(*, task: str, now: datetime) -> None:
    """Note that a task has ended well; others than those of the schedule are not noted."""
    if task in _schedules():
        with suppress(RedisError):
            cache.set(_key(task), now, timeout=None)


def tasks(*, now: datetime) -> list[Task]:
    """Every task of the schedule, the latest first; raises RedisError. One trip once all are known."""
    schedules = _schedules()
    known = cache.get_many([_key(name) for name in schedules])
    found = []
    for name, schedule in schedules.items():
        last = known.get(_key(name))
        if last is None:
            cache.add(_key(name), now, timeout=None)
            last = now
        queue = settings.CELERY_TASK_ROUTES.get(name, {}).get("queue", USUAL_QUEUE)
        found.append(Task(name, queue, max(timedelta(0), now - _due(schedule, last))))
    return sorted(found, key=lambda task: task.late, reverse=True)


def _schedules() -> dict[str, timedelta | crontab]:
    entries: Mapping[str, Mapping[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    return {entry["task"]: entry["schedule"] for entry in entries.values()}


def _key(task: str) -> str:
    return f"ended-well:{task}"


def _due(schedule: timedelta | crontab, last: datetime) -> datetime:
    """When it is due after it ended at this time."""
    if isinstance(schedule, timedelta):
        return last + schedule
    began, until_next, _now = schedule.remaining_delta(last)
    due: datetime = began + until_next
    return due


class ScheduledWorkCollector(Collector):
    """How late each task is; nothing while Redis is away, which /readyz tells."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        late = GaugeMetricFamily(
            "agora_task_late_seconds",
            "Since when a scheduled task should have ended well once more; 0 while it is in time.",
            labels=["task", "queue"],
        )
        with suppress(RedisError):
            for task in tasks(now=timezone.now()):
                late.add_metric([task.name, task.queue], task.late.total_seconds())
        yield late
