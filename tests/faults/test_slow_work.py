"""What takes minutes has a worker of its own and waits in no other's queue."""

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone
from redis import Redis

from agora import doctor
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


def test_the_doctor_tells_of_a_queue_that_nobody_takes_from() -> None:
    assert doctor._workers() == "none runs, and nothing waits"
    nudged(1).close()

    with pytest.raises(doctor.Trouble, match="Queue slow: 1 waiting, and no worker") as told:
        doctor._workers()

    assert told.value.args[1] == "Start a worker for the queue slow (docs/runtime.md)."


@pytest.mark.django_db(transaction=True)
def test_the_doctor_finds_the_worker_of_a_queue(slow_worker: None) -> None:
    assert doctor._workers() == "slow: 0 waiting"


def test_each_task_with_a_queue_is_there_and_its_queue_has_a_worker() -> None:
    app.loader.import_default_modules()

    assert set(settings.CELERY_TASK_ROUTES) <= set(app.tasks)
    queues = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    assert queues == {parts.SEAL_QUEUE, parts.SLOW_QUEUE}
