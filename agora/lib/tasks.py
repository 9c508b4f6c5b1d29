"""Housekeeping of the shared helpers."""

from celery import shared_task
from django.utils import timezone

from agora.lib import idempotency


@shared_task
def forget_idempotency_keys() -> int:
    """Delete stored answers that are past their time; safe to run twice."""
    return idempotency.forget(now=timezone.now())
