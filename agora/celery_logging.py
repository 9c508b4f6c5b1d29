"""Celery's side of logging: our formatter in workers, and each line bound to its task."""

from typing import Any

import structlog
from celery import signals
from django.conf import settings

from agora.logging import configure


@signals.setup_logging.connect
def set_up(**_ignored: Any) -> None:
    """Keep Celery from installing its own handlers."""
    configure(settings.LOG_LEVEL)


@signals.task_prerun.connect
def bind_task(task_id: str = "", task: Any = None, **_ignored: Any) -> None:
    """Start each task with a clean context that names it."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task=getattr(task, "name", ""), task_id=task_id)


@signals.task_postrun.connect
def unbind_task(**_ignored: Any) -> None:
    """Leave nothing behind for what the process does next."""
    structlog.contextvars.clear_contextvars()
