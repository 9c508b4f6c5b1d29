"""Since when a difference stands: through how many snapshots, one after the other, it was there."""

from datetime import datetime
from typing import Any

from django.db.models import Prefetch, Q, QuerySet

from compliance.models import ReserveRow, ReserveSnapshot

_AT_ONCE = 20
_MOST = 1_000  # snapshots looked back through: of nearly three years, when one is built each day


def standing_since(snapshot: ReserveSnapshot) -> dict[int, datetime]:
    """When the first snapshot of an unbroken series with the same difference was built, by row number.

    Of the breaks only. Reads snapshots back to the first one without any of them, and 1,000 at most:
    what stands longer counts from the earliest of these.
    """
    rows = list(snapshot.rows.filter(is_break=True))
    breaks = {row.number: _same(row) for row in rows}
    since = {number: snapshot.built_at for number in breaks if snapshot.built_at}
    earlier = ReserveSnapshot.objects.filter(
        state=ReserveSnapshot.State.READY, symbol=snapshot.symbol, built_at__lt=snapshot.built_at
    ).prefetch_related(Prefetch("rows", _like(rows), to_attr="breaking"))
    if not breaks:
        return since
    for each in earlier.order_by("-built_at")[:_MOST].iterator(chunk_size=_AT_ONCE):
        there = {_same(row) for row in each.breaking}
        breaks = {number: same for number, same in breaks.items() if same in there}
        if not breaks:
            break
        if each.built_at is not None:
            since |= dict.fromkeys(breaks, each.built_at)
    return since


def _like(rows: list[ReserveRow]) -> QuerySet[ReserveRow]:
    """The breaks that may be the same as one of these; nothing of the many others."""
    of_orders = Q(order_id__in={row.order_id for row in rows if row.order_id})
    of_none = Q(order_id=None, reference__in={row.reference for row in rows if not row.order_id})
    alike = of_orders | of_none | Q(kind=ReserveRow.Kind.HOLDERS)
    kinds = {row.kind for row in rows}
    found = ReserveRow.objects.filter(alike, is_break=True, kind__in=kinds)
    return found.only("snapshot_id", "kind", "order_id", "reference")


def _same(row: ReserveRow) -> tuple[Any, ...]:
    """What a difference is known by from snapshot to snapshot; its quantity may change."""
    return row.kind, row.order_id, "" if row.kind == ReserveRow.Kind.HOLDERS else row.reference
