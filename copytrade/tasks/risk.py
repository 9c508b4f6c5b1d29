"""Celery's way in to the limits on losses."""

from celery import shared_task
from django.utils import timezone

from copytrade.replication import risk
from copytrade.services.risk import begin_days


@shared_task(name="copytrade.tasks.risk.watch", expires=10)
def watch() -> None:
    """Strike where a limit on losses is reached."""
    risk.watch(now=timezone.now())


@shared_task(name="copytrade.tasks.risk.begin_days", expires=60)
def begin_risk_days() -> None:
    """Begin the day of everybody whose clock has passed midnight, also when that was missed."""
    begin_days(now=timezone.now())
