"""Track records are kept up to date: soon after a trade, and hourly, because prices move."""

import time
import uuid
from datetime import timedelta

import structlog
from celery import shared_task
from django.db.models import Exists, F, FilteredRelation, OuterRef, Q
from django.utils import timezone

from copytrade.ledger import records
from copytrade.models import LedgerEntry, Strategy, TrackRecord
from copytrade.states import StrategyState

log = structlog.get_logger(__name__)
_EVERY = timedelta(hours=1)
_BOOKING_LAG = timedelta(minutes=2)
_MOST, _BUDGET_SECONDS = 2_000, 40


@shared_task(name=records.REFRESH_TASK)
def refresh_track_record(*, id: str, **_: object) -> None:  # noqa: A002  # the name every nudge uses
    """Compute one strategy's track record now."""
    records.refresh(strategy_id=uuid.UUID(id), now=timezone.now())


@shared_task(name="copytrade.tasks.records.sweep_track_records", expires=50)
def sweep_track_records() -> None:
    """Compute those that are an hour old or have traded since, longest waiting first.

    What does not fit into the time of one run is first in the next. One that fails is told in the
    log and left for later, so that it keeps nobody else's from being computed.
    """
    ends = time.monotonic() + _BUDGET_SECONDS
    for strategy_id in due(limit=_MOST):
        if time.monotonic() > ends:
            return
        try:
            records.refresh(strategy_id=strategy_id, now=timezone.now())
        except Exception:
            log.exception("track_record.failed", strategy_id=str(strategy_id))


def due(*, limit: int) -> list[uuid.UUID]:
    """Strategies whose record is to be computed, those without one first."""
    shortest = Q(records__period=TrackRecord.Period.WEEK)
    # A trade is booked a little after the exchange's time of it.
    traded = LedgerEntry.objects.filter(
        account_id=OuterRef("account_id"), at__gt=OuterRef("record__computed_at") - _BOOKING_LAG
    )
    found = (
        Strategy.objects.exclude(state=StrategyState.DELETED)
        .annotate(record=FilteredRelation("records", condition=shortest))
        .filter(
            Q(record__isnull=True)
            | Q(record__computed_at__lte=timezone.now() - _EVERY)
            | Exists(traded)
        )
        .order_by(F("record__computed_at").asc(nulls_first=True), "pk")
    )
    return list(found.values_list("pk", flat=True)[:limit])
