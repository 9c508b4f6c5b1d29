"""Since when a difference stands: through how many snapshots, one after the other, it was there."""

from datetime import datetime
from typing import Any

from django.db.models import Prefetch

from compliance.models import ReserveRow, ReserveSnapshot

_AT_ONCE = 20


def standing_since(snapshot: ReserveSnapshot) -> dict[int, datetime]:
    """When the first snapshot of an unbroken series with the same difference was built, by row number.

    Of the breaks only. Reads snapshots back to the first one without any of them.
    """
    breaks = {row.number: _same(row) for row in snapshot.rows.filter(is_break=True)}
    since = {number: snapshot.built_at for number in breaks if snapshot.built_at}
    earlier = ReserveSnapshot.objects.filter(
        state=ReserveSnapshot.State.READY, symbol=snapshot.symbol, built_at__lt=snapshot.built_at
    ).prefetch_related(
        Prefetch("rows", ReserveRow.objects.filter(is_break=True), to_attr="breaking")
    )
    if not breaks:
        return since
    for each in earlier.order_by("-built_at").iterator(chunk_size=_AT_ONCE):
        there = {_same(row) for row in each.breaking}
        breaks = {number: same for number, same in breaks.items() if same in there}
        if not breaks:
            break
        if each.built_at is not None:
            since |= dict.fromkeys(breaks, each.built_at)
    return since


def _same(row: ReserveRow) -> tuple[Any, ...]:
    """What a difference is known by from snapshot to snapshot; its quantity may change."""
    return row.kind, row.order_id, "" if row.kind == ReserveRow.Kind.HOLDERS else row.reference
