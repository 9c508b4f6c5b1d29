"""The Celery application: tasks are nudges, the rows they name are the work (ARCHITECTURE 2)."""

import os

from celery import Celery

from agora import celery_logging  # noqa: F401  (its signal handlers)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agora.settings")

app = Celery("agora")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
