"""Tasks of copy trading, one module a topic; Celery finds those that are imported here."""

from copytrade.tasks import accounts

__all__ = ["accounts"]
