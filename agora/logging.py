"""Logs: one JSON object a line on standard error, in UTC, without secrets (RAT-011).

structlog and the standard library meet in one formatter, so Django, Celery and vendors' SDKs come
out in the same form. `request_id`, `user_id`, `order_id` and task are bound by contextvars.
"""

import logging
import logging.config
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

from agora.redaction import redact_event

_QUIET = {
    # Their INFO lines repeat ours, and some print addresses with query strings.
    "urllib3": "WARNING",
    "web3": "WARNING",
    "asyncio": "WARNING",
    # A line for each table of each font of a PDF.
    "fontTools": "WARNING",
    "celery.worker.strategy": "WARNING",
    "celery.app.trace": "WARNING",
    # Its INFO lines tell of sweeps that expired while no worker was ready; the next are on their way.
    "celery.worker.request": "WARNING",
    "celery.beat": "WARNING",
    "django.server": "WARNING",
    # Its warnings for 4xx carry the raw path; our access line has told of the request already.
    "django.request": "ERROR",
}


def configure(level: str) -> None:
    """Route all logging of this process through one JSON formatter; safe to call again.

    Django calls it through LOGGING_CONFIG with settings.LOGGING, which is the level's name.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in ("django", "django.server", "celery", "gunicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(quiet)
    # A fault in logging must not print the arguments it failed on.
    logging.raiseExceptions = False


def _formatter() -> structlog.stdlib.ProcessorFormatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(), structlog.stdlib.ExtraAdder(allow=("status_code",))],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact_event,
            _one_line,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _one_line(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Time, level and event first: the form that people read in a terminal."""
    first = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return {**first, **event}
