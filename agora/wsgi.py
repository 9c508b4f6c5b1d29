"""WSGI entry point: gunicorn serves pages and API through it (ARCHITECTURE 4)."""

import gc
import os

import structlog
from django.core.wsgi import get_wsgi_application
from django.db import DatabaseError, connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agora.settings")

application = get_wsgi_application()


def note_settings() -> None:
    """Note in the trail when the web's settings are not what they were; serving does not depend on it."""
    from django.utils import timezone

    from compliance.trail import configuration

    try:
        configuration.note(process="web", now=timezone.now())
    except DatabaseError as error:
        structlog.get_logger(__name__).error("settings.not_noted", reason=type(error).__name__)
    finally:
        connection.close()  # processes that fork from here must not share it


note_settings()

# What is loaded by now lives as long as the process, which forks from here: looking through it for
# garbage again and again costs several percent of each request and unshares memory.
gc.collect()
gc.freeze()
gc.set_threshold(10_000, 20, 20)
