"""Loaded into a Celery worker by the runtime (`--include`): says when it takes tasks."""

import os
from pathlib import Path

from celery.signals import worker_ready


@worker_ready.connect(weak=False)
def tell(**_: object) -> None:
    path = os.environ.get("AGORA_READY_FILE")
    if path:
        Path(path).touch()
