"""Which tasks of the schedule did not end well in time, for whatever reason."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import shared_task
from celery.schedules import crontab
from prometheus_client import CollectorRegistry, generate_latest

from agora import scheduled_work
from agora.celery import app
from tests.api.test_metrics import sample

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SWEEP, NIGHTLY = "tests.sweep", "tests.nightly"


@shared_task(name=SWEEP)
def sweep(*, fails: bool) -> None:
    if fails:
        raise ValueError


@pytest.fixture(autouse=True)
def _schedule(settings: Any) -> None:
    settings.CELERY_BEAT_SCHEDULE = {
        "often": {"task": SWEEP, "schedule": timedelta(seconds=10)},
        "nightly": {"task": NIGHTLY, "schedule": crontab(hour=2, minute=40)},
    }
    settings.CELERY_TASK_ROUTES = {NIGHTLY: {"queue": "slow"}}


def late(now: datetime) -> dict[str, float]:
    return {task.name: task.late.total_seconds() for task in scheduled_work.tasks(now=now)}


def test_a_task_is_late_from_its_next_time_on() -> None:
    for name in (SWEEP, NIGHTLY):
        scheduled_work.ended_well(task=name, now=NOON)

    assert late(NOON + timedelta(seconds=10)) == {SWEEP: 0, NIGHTLY: 0}
    assert late(NOON + timedelta(seconds=70)) == {SWEEP: 60, NIGHTLY: 0}
    assert late(datetime(2026, 11, 21, 2, 41, tzinfo=UTC))[NIGHTLY] == 60


def test_what_never_ended_counts_from_when_it_was_first_asked_for() -> None:
    assert late(NOON) == {SWEEP: 0, NIGHTLY: 0}
    assert late(NOON + timedelta(hours=1))[SWEEP] == 3590


def test_what_takes_minutes_may_be_an_hour_late() -> None:
    late(NOON)
    tasks = scheduled_work.tasks(now=datetime(2026, 11, 21, 3, 40, tzinfo=UTC))

    assert {task.name: (task.queue, task.is_overdue) for task in tasks} == {
        SWEEP: ("celery", True),
        NIGHTLY: ("slow", False),
    }


@pytest.mark.parametrize("fails", [False, True])
def test_a_task_that_fails_has_not_ended_well(fails: bool) -> None:
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    scheduled_work.ended_well(task=SWEEP, now=long_ago)

    app.tasks[SWEEP].apply(kwargs={"fails": fails})

    assert (late(datetime.now(UTC))[SWEEP] > 5) is fails


def test_every_task_of_the_schedule_has_its_metric() -> None:
    text = _exposed()

    assert sample(text, "agora_task_late_seconds", task=SWEEP, queue="celery") == 0
    assert sample(text, "agora_task_late_seconds", task=NIGHTLY, queue="slow") == 0


def test_a_scrape_without_redis_tells_the_rest(settings: Any) -> None:
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    }

    assert "agora_task_late_seconds{" not in _exposed()


def _exposed() -> str:
    registry = CollectorRegistry()
    registry.register(scheduled_work.ScheduledWorkCollector())
    return generate_latest(registry).decode()
