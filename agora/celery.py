"""The Celery application: tasks are nudges, the rows they name are the work (ARCHITECTURE 2)."""

import gc
import os
import sys
from collections.abc import Mapping
from typing import Any

from celery import Celery
from celery.signals import celeryd_init, task_prerun, task_success, worker_process_init
from django.db import close_old_connections
from django.utils import timezone

from agora import celery_logging, scheduled_work  # noqa: F401  (the first for its signal handlers)
from copytrade.exchange import runner
from custody import vault

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agora.settings")

app = Celery("agora")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Celery's own way is a new database connection for each task, which costs more than most steps.
# Ours is that of web requests: kept for CONN_MAX_AGE, and checked before its first use.
app.conf["CELERY_DB_REUSE_MAX"] = sys.maxsize


@task_prerun.connect
def check_connection(**_: object) -> None:
    """Let go of a database connection that is too old or broke in an earlier task."""
    close_old_connections()


@task_success.connect
def note_end(*, sender: Any, **_: object) -> None:
    """What the schedule asks for is watched by when it last ended well."""
    scheduled_work.ended_well(task=sender.name, now=timezone.now())


@celeryd_init.connect
def preload(*, options: Mapping[str, Any], **_: object) -> None:
    """Import the vendors' SDKs (seconds) once, before workers fork, not on the first order.

    The sealer calls no vendor, and slow work may wait for what it needs of them.
    """
    if options.get("queues") in (["seal"], ["slow"]):
        return
    vault.preload()
    runner.preload()


@worker_process_init.connect
def keep_loaded(**_: object) -> None:
    """Keep the garbage collector off what is loaded for good (see agora.wsgi)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
