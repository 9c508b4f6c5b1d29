"""What takes minutes has a worker of its own and waits in no other's queue."""

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from agora import doctor, scheduled_work
from agora.celery import app
from agora.lib import work
from agora.runtime import parts
from agora.runtime.folder import Folder
from compliance.models import DataExport
from compliance.personal_data import exports
from tests.faults.worker import wait_until
from tests.people import onboarded

ROOT = Path(__file__).resolve().parents[2]
EARLY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def slow_worker(tmp_path: Path) -> Iterator[None]:
    """The worker for slow work as the runtime starts it, and no other."""
    folder = Folder(tmp_path / "data")
    folder.root.mkdir(parents=True, exist_ok=True)
    part = parts.slow_worker(env=dict(os.environ), folder=folder)
    with (tmp_path / "slow.log").open("wb") as log:
        process = subprocess.Popen(part.command, cwd=ROOT, env=part.env, stdout=log, stderr=log)
    try:
        wait_until(part.ready, limit=90, what="slow worker ready")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.mark.django_db(transaction=True)
def test_a_nudge_for_slow_work_reaches_the_worker_for_it(slow_worker: None) -> None:
    export = DataExport.objects.create(
        user_id=onboarded().pk,
        requested_by="system:test",
        requested_at=timezone.now(),
        next_attempt_at=EARLY,
    )

    work.nudge(exports.BUILD_TASK, pk=export.pk)

    def ready() -> bool:
        export.refresh_from_db()
        return export.state == DataExport.State.READY

    wait_until(ready, limit=60, what="the copy is ready")


def nudged(times: int) -> Redis:
    """The broker once nudges for slow work have been sent, or not, while no worker takes them."""
    for _turn in range(times):
        work._publish(exports.BUILD_TASK, str(uuid.uuid4()), 0)
    broker: Redis = Redis.from_url(settings.REDIS_URL, decode_responses=True)
    return broker


def test_a_nudge_for_slow_work_expires_before_its_worker_has_caught_up() -> None:
    with nudged(1) as broker:
        message = json.loads(broker.lindex(parts.SLOW_QUEUE, 0))

    left = datetime.fromisoformat(message["headers"]["expires"]) - timezone.now()
    assert 0 < left.total_seconds() <= 60


def test_slow_work_without_a_worker_does_not_fill_the_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work, "_MAX_WAITING_NUDGES", 3)

    with nudged(5) as broker:
        assert broker.llen(parts.SLOW_QUEUE) == 3


def test_the_doctor_tells_of_a_queue_that_nobody_takes_from(settings: Settings) -> None:
    with pytest.raises(doctor.Trouble, match="Queue celery: no worker answers that takes") as told:
        doctor._workers()
    assert told.value.args[1] == "Start a worker for the queue celery (docs/runtime.md)."

    settings.DEBUG = True
    assert doctor._workers() == "none runs, and nothing waits"


@pytest.mark.django_db(transaction=True)
def test_the_doctor_finds_the_worker_of_a_queue(slow_worker: None, settings: Settings) -> None:
    settings.DEBUG = True
    nudged(0).close()
    assert doctor._workers() == "slow: 0 waiting"


def test_the_doctor_names_what_beat_or_a_worker_has_left_undone() -> None:
    known = len(settings.CELERY_BEAT_SCHEDULE)
    assert doctor._scheduled_work() == f"{known} scheduled tasks, none overdue"
    long_ago = timezone.now() - timedelta(hours=3)
    for name in ("compliance.tasks.remove_expired", "trading.tasks.sweep_orders"):
        scheduled_work.ended_well(task=name, now=long_ago)

    with pytest.raises(doctor.Trouble) as told:
        doctor._scheduled_work()

    assert told.value.args == (
        "2 scheduled tasks are overdue, most trading.tasks.sweep_orders: by 179 minutes.",
        "Look whether beat and the worker for the queue celery run, then at its log.",
    )


def test_in_development_nothing_of_the_schedule_has_to_run(settings: Settings) -> None:
    known = len(settings.CELERY_BEAT_SCHEDULE)
    doctor._scheduled_work()
    scheduled_work.ended_well(
        task="trading.tasks.sweep_orders", now=timezone.now() - timedelta(hours=3)
    )

    settings.DEBUG = True

    assert doctor._scheduled_work() == f"{known} scheduled tasks, 1 overdue, as without beat"


def test_each_task_with_a_queue_is_there_and_its_queue_has_a_worker() -> None:
    app.loader.import_default_modules()

    assert set(settings.CELERY_TASK_ROUTES) <= set(app.tasks)
    queues = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    assert queues == {parts.SEAL_QUEUE, parts.SLOW_QUEUE}
