"""The trail is chained within its five seconds while long work fills every other worker (AUD-1)."""

import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from agora.celery import app
from agora.runtime import parts
from agora.runtime.folder import Folder
from compliance import audit
from compliance.models import AuditSeal
from tests.faults.worker import Worker, wait_until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sealer(tmp_path: Path) -> Iterator[Any]:
    """The sealer as the runtime starts it."""
    folder = Folder(tmp_path / "data")
    folder.root.mkdir(parents=True, exist_ok=True)
    part = parts.sealer(env=dict(os.environ), folder=folder)
    with (tmp_path / "sealer.log").open("wb") as log:
        process = subprocess.Popen(part.command, cwd=ROOT, env=part.env, stdout=log, stderr=log)
    try:
        wait_until(part.ready, limit=60, what="sealer ready")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def write() -> None:
    audit.record(
        actor="system:test",
        action="thing.done",
        object_type="thing",
        object_id="1",
        evidence={},
        now=timezone.now(),
    )


@pytest.mark.django_db(transaction=True)
def test_rows_are_chained_while_every_other_worker_is_busy(sealer: Any, tmp_path: Path) -> None:
    worker = Worker(folder=tmp_path, concurrency=2)
    worker.start()
    try:
        for child in worker.children():
            os.kill(child, signal.SIGSTOP)  # as long work would hold it
        write()
        app.send_task("compliance.tasks.seal_audit")

        wait_until(lambda: AuditSeal.objects.exists(), limit=5, what="the row chained")
        assert audit.lag(now=timezone.now()) == timedelta(0)
    finally:
        worker.kill()


def test_only_the_sealer_takes_from_its_queue(tmp_path: Path) -> None:
    routes = django_settings.CELERY_TASK_ROUTES

    sealed = [task for task, route in routes.items() if route["queue"] == parts.SEAL_QUEUE]
    assert sealed == ["compliance.tasks.seal_audit"]
    assert "--queues" not in parts.worker(env={}, folder=Folder(tmp_path)).command
