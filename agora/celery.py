"""The Celery application: tasks are nudges, the rows they name are the work (ARCHITECTURE 2)."""

import os

from celery import Celery
from celery.signals import celeryd_init

from agora import celery_logging  # noqa: F401  (its signal handlers)
from custody import vault

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agora.settings")

app = Celery("agora")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect
def preload(**_: object) -> None:
    """Import the custodian's SDK (seconds) once, before workers fork, not on the first order."""
    vault.preload()
