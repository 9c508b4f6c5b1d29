"""How a step ends: a move to a state, another try, or a person's attention. Each with its audit row."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F

from agora.lib import work
from agora.lib.failpoints import failpoint
from agora.lib.work import Lease
from compliance import audit
from trading.models import Order
from trading.states import MOVES, State

log = structlog.get_logger(__name__)
ACTOR = audit.system("settlement")

_SLOWEST_POLL = timedelta(seconds=30)

OrderLease = Lease[Order]


class NeedsAttention(Exception):
    """The step met something that a person has to decide; the order is parked, never dropped."""


def move(
    lease: OrderLease,
    *,
    to: State,
    action: str,
    evidence: Mapping[str, object],
    now: datetime,
    mark: str,
    also: Callable[[], None] | None = None,
    **changes: Any,
) -> None:
    """Commit the outcome of a step: new state, what belongs to it (`also`), audit row; all or none.

    The order is due again at once unless the new state is terminal. Raises IllegalMove for a move
    that the table does not list, LeaseLost when another worker has the order now. `mark` names the
    failpoints before and after the commit.
    """
    order = lease.row
    MOVES.check(order.state, to)
    again_at = None if to in MOVES.terminal else now
    failpoint(f"{mark}.before_commit", key=order.pk)
    with transaction.atomic():
        if also is not None:
            also()
        lease.release(
            again_at=again_at, state=to, updated_at=now, version=F("version") + 1, **changes
        )
        note(order, action=action, evidence={"state": to, **evidence}, now=now)
    failpoint(f"{mark}.after_commit", key=order.pk)


def stay(
    lease: OrderLease,
    *,
    again_at: datetime,
    now: datetime,
    mark: str = "",
    action: str = "",
    evidence: Mapping[str, object] | None = None,
    also: Callable[[], None] | None = None,
    **changes: Any,
) -> None:
    """Commit progress inside a state; with `action`, an audit row and a new version for pages.

    `mark` names the failpoints before and after the commit.
    """
    if action:
        changes |= {"updated_at": now, "version": F("version") + 1}
    failpoint(f"{mark}.before_commit", key=lease.row.pk)
    with transaction.atomic():
        if also is not None:
            also()
        lease.release(again_at=again_at, **changes)
        if action:
            note(lease.row, action=action, evidence=evidence or {}, now=now)
    failpoint(f"{mark}.after_commit", key=lease.row.pk)


def patience(*, since: datetime, now: datetime) -> timedelta:
    """The pause before looking again at what goes on since then: longer with time, up to 30 s."""
    return min(max(timedelta(seconds=settings.POLL_SECONDS), (now - since) / 10), _SLOWEST_POLL)


def check_patience(
    order: Order, *, what: str, now: datetime, longest: timedelta = timedelta(hours=1)
) -> None:
    """Raise NeedsAttention when nothing has happened to the order for too long.

    Having it tried again counts as something that happened.
    """
    if now - order.updated_at > longest:
        raise NeedsAttention(f"{what}, for more than {longest}.")


def retry(
    lease: OrderLease, *, error: str, wait: timedelta | None, now: datetime, **changes: Any
) -> None:
    """Try the step again later; once the tries are used up the order needs attention."""
    order = lease.row
    log.warning("order.retry", state=order.state, attempt=order.attempts, error=error)
    with transaction.atomic():
        if not work.retry_later(lease, error=error, wait=wait, now=now, **changes):
            _note_attention(order, error, now)


def park(lease: OrderLease, *, error: str, now: datetime) -> None:
    """Leave the order to a person: nothing more happens to it by itself."""
    with transaction.atomic():
        work.park(lease, error=error)
        _note_attention(lease.row, error, now)


def _note_attention(order: Order, error: str, now: datetime) -> None:
    log.error("order.needs_attention", state=order.state, error=error)
    note(order, action="order.needs_attention", evidence={"error": error[:500]}, now=now)


def note(order: Order, *, action: str, evidence: Mapping[str, object], now: datetime) -> None:
    """Write an audit row about the order; call it inside the transaction of the change."""
    audit.record(
        actor=ACTOR,
        action=action,
        object_type="order",
        object_id=str(order.pk),
        evidence=evidence,
        now=now,
    )
