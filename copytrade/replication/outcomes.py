"""What an answer of the exchange makes of a leg: pure, so that every case can be told in a test."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings

from agora.lib.outcome import OutsideError, Rejected, Temporary, Unknown
from copytrade.exchange import reasons
from copytrade.exchange.types import OrderReport
from copytrade.reasons import REASONS
from copytrade.replication.claims import Facts
from copytrade.replication.planning import FINAL_AFTER, Cancel, LookUp

# The key itself is the trouble: the account is paused and closes wait for a new key.
KEY_TROUBLE = frozenset(
    {reasons.KEY_INVALID, reasons.KEY_NO_PERMISSION, reasons.IP_NOT_ALLOWED, reasons.LEGAL}
)
# Troubles of the exchange or of the address, not of one account.
_SHARED_TROUBLE = frozenset(
    {
        reasons.RATE_LIMITED_IP,
        reasons.BANNED_IP,
        reasons.OVERLOADED,
        reasons.MAINTENANCE,
        reasons.MARKET_CLOSED,
        reasons.CLOCK_SKEW,
        reasons.STALE,
        reasons.NOT_SENT,
    }
)
_FIRST_LOOK = timedelta(milliseconds=500)
_TRADES_LAG = timedelta(seconds=1)
_SOONEST_POLL = timedelta(seconds=2)
_LATEST_POLL = timedelta(minutes=5)


@dataclass(slots=True)
class Change:
    """New values of a leg. `reason` "" keeps the one it has; `again_at` None: nothing left to do."""

    leg: Facts
    state: str
    reason: str = ""
    again_at: datetime | None = None
    report: OrderReport | None = None
    keep_asked: bool = False
    missed_lookups: int = 0
    attention: bool = False
    error: str = ""
    failed: bool = False
    key_trouble: str = ""
    rest_to_close: bool = False
    target: OrderReport | None = None


def of_report(leg: Facts, report: OrderReport, *, now: datetime) -> Change:
    """The order as the exchange has it, whichever way it was told."""
    if report.is_open:
        return Change(leg, "WORKING", again_at=_next_poll(leg, now), report=report)
    if not report.has_all_trades:
        # Over, but its trades cannot all be read yet: it stays open here until they are booked.
        return Change(leg, "WORKING", again_at=now + _TRADES_LAG, report=report)
    if report.status == "REJECTED" and leg.state != "WORKING":
        return Change(leg, "REJECTED", reason="rejected", report=report)
    if report.filled >= report.quantity:
        return Change(leg, "FILLED", report=report)
    return Change(
        leg,
        "CANCELLED",
        reason=_why_unfilled(leg, report),
        report=report,
        rest_to_close=leg.kind == "CLOSE",
    )


def _why_unfilled(leg: Facts, report: OrderReport) -> str:
    if leg.signal_type == "LIMIT" and leg.kind == "OPEN":
        return "master_cancelled"
    return "partly_filled" if report.filled else "price_moved"


def _next_poll(leg: Facts, now: datetime) -> datetime:
    """Sooner for a young order; a resting one is looked at every five minutes, for a look weighs nine
    times what a copy does.
    """
    age = now - (leg.accepted_at or now)
    return now + min(max(age / 10, _SOONEST_POLL), _LATEST_POLL)


def of_missing(leg: Facts, *, began: datetime, now: datetime) -> Change:
    """The exchange does not know the order (yet). Final only when it could not be taken any more.

    `began` is when the look-up was begun: an answer that came late tells how it was then.
    """
    if leg.state == "WORKING":
        return Change(
            leg,
            "WORKING",
            again_at=now + _LATEST_POLL,
            attention=True,
            error="The exchange no longer knows this order.",
        )
    asked = leg.asked_at or now
    missed = leg.missed_lookups + 1
    if missed >= 2 and began >= asked + FINAL_AFTER:
        return Change(leg, "PLANNED", again_at=now, missed_lookups=0)
    again_at = max(now + _FIRST_LOOK, min(now + _FIRST_LOOK * 2**missed, asked + FINAL_AFTER))
    return Change(leg, "SENDING", again_at=again_at, keep_asked=True, missed_lookups=missed)


def of_failure(leg: Facts, decision: object, error: OutsideError, *, now: datetime) -> Change:
    """A failed call: refused, certainly not done, or unknown."""
    if isinstance(decision, Cancel):
        return _of_failed_cancel(leg, error, now=now)
    if leg.state == "WORKING":
        # It was a look only; the order stands as it stood.
        wait = _backoff(leg, error)
        return Change(leg, "WORKING", again_at=now + wait, error=error.message)
    if isinstance(decision, LookUp):
        wait = _backoff(leg, error)
        return Change(
            leg,
            "SENDING",
            again_at=now + wait,
            keep_asked=True,
            missed_lookups=leg.missed_lookups,
            attention=leg.attempts >= settings.WORK_MAX_ATTEMPTS,
            error=error.message,
            failed=_is_accounts(error),
        )
    if isinstance(error, Rejected):
        return _of_refusal(leg, error, now=now)
    if isinstance(error, Temporary):
        return _of_temporary(leg, error, now=now)
    return Change(
        leg,
        "SENDING",
        again_at=now + _FIRST_LOOK,
        keep_asked=True,
        error=error.message,
        failed=_is_accounts(error),
    )


def of_slow(leg: Facts, decision: object, *, now: datetime) -> Change:
    """No answer while everybody else had theirs: nobody waits on, it is looked up once it is over."""
    error = Unknown("The exchange took longer than for others.", code=reasons.TIMEOUT)
    change = of_failure(leg, decision, error, now=now)
    over = now + timedelta(seconds=settings.COPY_SEND_TIMEOUT)
    change.again_at = max(change.again_at or over, over)
    return change


def _of_refusal(leg: Facts, error: Rejected, *, now: datetime) -> Change:
    trouble = error.code if error.code in KEY_TROUBLE else ""
    if trouble and leg.kind == "CLOSE":
        again_at = now + timedelta(seconds=60)
        return Change(leg, "PLANNED", again_at=again_at, error=error.message, key_trouble=trouble)
    return Change(
        leg,
        "REJECTED",
        reason=error.code if error.code in REASONS else "rejected",
        error=error.message,
        key_trouble=trouble,
        # Something of the follower's stays open although the master closed it.
        attention=leg.kind == "CLOSE",
    )


def _of_temporary(leg: Facts, error: Temporary, *, now: datetime) -> Change:
    if error.code == reasons.MARKET_CLOSED and leg.expires_at is not None:
        return Change(leg, "PLANNED", again_at=max(leg.expires_at, now), error=error.message)
    again_at = now + _backoff(leg, error)
    if leg.expires_at is not None:  # so that it expires in time to say so
        again_at = min(again_at, max(leg.expires_at, now))
    return Change(
        leg,
        "PLANNED",
        again_at=again_at,
        error=error.message,
        failed=_is_accounts(error),
        attention=leg.attempts >= settings.WORK_MAX_ATTEMPTS,
    )


def _of_failed_cancel(leg: Facts, error: OutsideError, *, now: datetime) -> Change:
    """Cancelling twice does no harm, so that it is simply tried again."""
    return Change(
        leg,
        "PLANNED",
        again_at=now + _backoff(leg, error),
        error=error.message,
        failed=_is_accounts(error),
        key_trouble=error.code if error.code in KEY_TROUBLE else "",
        attention=leg.attempts >= settings.WORK_MAX_ATTEMPTS,
    )


def of_cancel(leg: Facts, target: OrderReport | None, *, now: datetime) -> Change:
    """The resting order's end; a cancellation that the exchange has not carried out is repeated."""
    if target is not None and target.is_open:
        return Change(leg, "PLANNED", again_at=now + _FIRST_LOOK, target=target)
    return Change(leg, "DONE", target=target)


def _is_accounts(error: OutsideError) -> bool:
    """Whether a failure speaks of the one account rather than of the exchange."""
    return error.code not in _SHARED_TROUBLE


def _backoff(leg: Facts, error: OutsideError) -> timedelta:
    """The exchange's own wait where it names one; else doubled each time, capped, with jitter."""
    told = getattr(error, "retry_after", None)
    if told is not None:
        return timedelta(seconds=float(told))
    base = min(
        settings.WORK_BACKOFF_SECONDS * 2 ** min(leg.attempts, 20),
        settings.WORK_BACKOFF_MAX_SECONDS,
    )
    return timedelta(seconds=base * random.uniform(0.5, 1.0))  # noqa: S311


def quantities(change: Change) -> tuple[Decimal | None, Decimal | None, str]:
    """Filled, paid and the exchange's order id, where a report told them."""
    report = change.report
    if report is None:
        return None, None, ""
    return report.filled, report.quote_filled, report.id
