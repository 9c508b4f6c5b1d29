"""Writing decisions and outcomes of many legs at once, each in one statement.

Outcomes are written by compare-and-set on the lease; trades are facts and are booked in any case.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from agora.lib.arrays import columns
from copytrade import sizing
from copytrade.exchange.types import OrderReport, Trade
from copytrade.ledger.booking import Booking, book
from copytrade.models import CopyOrder
from copytrade.replication import outcomes
from copytrade.replication.claims import Facts
from copytrade.replication.outcomes import Change
from copytrade.replication.planning import Cancel, Decision, Send, Skip, Wait
from copytrade.sizing import Sized

_DECIDE = """
UPDATE copytrade_copyorder l SET
    state = r.state, reason = CASE WHEN r.reason = '' THEN l.reason ELSE r.reason END,
    next_attempt_at = r.next_attempt_at, lease_token = r.lease_token, lease_until = r.lease_until,
    asked_at = coalesce(r.asked_at, l.asked_at), sends = l.sends + r.sends,
    missed_lookups = CASE WHEN r.sends > 0 THEN 0 ELSE l.missed_lookups END,
    attempts = l.attempts + r.attempts, type = coalesce(r.type, l.type),
    price = coalesce(r.price, l.price), ideal = coalesce(r.ideal, l.ideal),
    clamped = coalesce(r.clamped, l.clamped), rounded = coalesce(r.rounded, l.rounded),
    sent = coalesce(r.sent, l.sent), carried_in = coalesce(r.carried_in, l.carried_in),
    last_error = CASE WHEN r.why = '' THEN l.last_error ELSE r.why END, updated_at = %s
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::uuid[], %s::timestamptz[],
            %s::timestamptz[], %s::int[], %s::int[], %s::text[], %s::numeric[], %s::numeric[],
            %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::text[], %s::text[],
            %s::int[])
  AS r(id, state, reason, next_attempt_at, lease_token, lease_until, asked_at, sends, attempts,
       type, price, ideal, clamped, rounded, sent, carried_in, why, seen_state, seen_sends)
WHERE l.id = r.id AND l.state = r.seen_state AND l.sends = r.seen_sends
RETURNING l.id
"""

_CARRY = """
INSERT INTO copytrade_copyposition AS p
    (subscription_id, symbol, quantity, cost, realized, fees, carried, updated_at)
SELECT r.subscription_id, r.symbol, 0, 0, 0, 0, r.carried, %s
FROM unnest(%s::uuid[], %s::text[], %s::numeric[]) AS r(subscription_id, symbol, carried)
ON CONFLICT (subscription_id, symbol) DO UPDATE SET carried = EXCLUDED.carried
"""

_RECORD = """
UPDATE copytrade_copyorder l SET
    state = r.state, reason = CASE WHEN r.reason = '' THEN l.reason ELSE r.reason END,
    next_attempt_at = r.again_at, lease_token = NULL, lease_until = NULL,
    asked_at = CASE WHEN r.keep_asked THEN l.asked_at END,
    missed_lookups = r.missed_lookups, attention = r.attention, last_error = r.error,
    attempts = CASE WHEN r.error = '' AND NOT r.keep_asked THEN 0 ELSE l.attempts END,
    filled = greatest(l.filled, coalesce(r.filled, 0)),
    quote_filled = greatest(l.quote_filled, coalesce(r.quote_filled, 0)),
    exchange_order_id = CASE WHEN r.order_id = '' THEN l.exchange_order_id ELSE r.order_id END,
    accepted_at = coalesce(l.accepted_at, r.accepted_at), updated_at = %s
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::bool[],
            %s::int[], %s::bool[], %s::text[], %s::numeric[], %s::numeric[], %s::text[],
            %s::timestamptz[])
  AS r(id, lease_token, state, reason, again_at, keep_asked, missed_lookups, attention, error,
       filled, quote_filled, order_id, accepted_at)
WHERE l.id = r.id AND l.lease_token = r.lease_token
RETURNING l.id
"""

# The order of another leg ended by our cancellation, told by the exchange's answer to it.
_END_TARGET = """
UPDATE copytrade_copyorder l SET state = r.state, filled = greatest(l.filled, r.filled),
    quote_filled = greatest(l.quote_filled, r.quote_filled), next_attempt_at = r.again_at,
    reason = CASE WHEN r.state = 'CANCELLED' THEN 'master_cancelled' ELSE l.reason END,
    updated_at = %s
FROM unnest(%s::uuid[], %s::text[], %s::numeric[], %s::numeric[], %s::timestamptz[])
  AS r(id, state, filled, quote_filled, again_at)
WHERE l.id = r.id AND l.state = 'WORKING'
"""

# A market sell that found too few buyers: the rest is the next leg of the same signal, after 2 s,
# and later and later while there are none.
_REST = """
INSERT INTO copytrade_copyorder (id, signal_id, subscription_id, leg, account_id, master_order_id,
    kind, symbol, side, rank, client_order_id, state, reason, type, carried_in, sent, filled,
    quote_filled, exchange_order_id, created_at, updated_at, next_attempt_at, attempts, last_error,
    attention, missed_lookups, sends)
SELECT gen_random_uuid(), signal_id, subscription_id, leg + 1, account_id, master_order_id,
    kind, symbol, side, rank,
    'c' || substr(encode(sha256(convert_to(
        signal_id::text || subscription_id::text || (leg + 1)::text, 'UTF8')), 'hex'), 1, 27),
    'PLANNED', '', '', 0, 0, 0, 0, '', %s, %s,
    %s::timestamptz + make_interval(secs => least(2 ^ least(leg + 1, 9), 300)), 0, '', false, 0, 0
FROM copytrade_copyorder WHERE id = ANY(%s)
ON CONFLICT (signal_id, subscription_id, leg) DO NOTHING
"""

_NEXT = """
SELECT DISTINCT ON (l.account_id) l.id FROM copytrade_copyorder l
WHERE l.account_id = ANY(%s) AND l.state IN ('PLANNED', 'SENDING', 'WORKING')
  AND l.next_attempt_at <= clock_timestamp() AND l.lease_token IS NULL
ORDER BY l.account_id, l.kind = 'OPEN', l.created_at
"""


_SET_ASIDE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Begun:
    """A decision whose intent is committed."""

    leg: Facts
    decision: Decision
    token: uuid.UUID


def write_decisions(decided: Sequence[tuple[Facts, Decision]], *, now: datetime) -> list[Begun]:
    """Write what was decided, inside the transaction that holds the legs; what is to be done.

    A leg that another worker sent between the reading of the claim and its locks is left alone: its
    facts are those of before.
    """
    if not decided:
        return []
    token = uuid.uuid4()
    until = now + timedelta(seconds=settings.COPY_LEASE_SECONDS)
    rows = [
        (*_decision_row(leg, decision, token=token, until=until, now=now), leg.state, leg.sends)
        for leg, decision in decided
    ]
    with connection.cursor() as cursor:
        cursor.execute(_DECIDE, [now, *columns(rows)])
        ours = {row[0] for row in cursor.fetchall()}
        decided = [(leg, decision) for leg, decision in decided if leg.id in ours]
        carried = list(_carries(decided))
        if carried:
            cursor.execute(_CARRY, [now, *columns(carried)])
    return [
        Begun(leg, decision, token)
        for leg, decision in decided
        if not isinstance(decision, Skip | Wait)
    ]


def _decision_row(
    leg: Facts, decision: Decision, *, token: uuid.UUID, until: datetime, now: datetime
) -> tuple[Any, ...]:
    if isinstance(decision, Skip):
        return (leg.id, decision.state, decision.reason, None, None, None, None, 0, 0, None, None,
                *_sizes(decision.sized), None, None, "")  # fmt: skip
    if isinstance(decision, Wait):
        return (leg.id, leg.state, "", decision.until, None, None, None, 0, 0, None, None,
                None, None, None, None, None, decision.why)  # fmt: skip
    due = leg.created_at  # stays due, so that a sweep finds it once the lease is over
    if isinstance(decision, Send):
        order = decision.order
        return (leg.id, "SENDING", decision.sized.reason, due, token, until, order.signed_at, 1, 1,
                order.type, order.price, *_sizes(decision.sized), order.quantity,
                decision.carried_in, "")  # fmt: skip
    state, asked = ("SENDING", now) if isinstance(decision, Cancel) else (leg.state, None)
    return (leg.id, state, "", due, token, until, asked, 0, 1, None, None,
            None, None, None, None, None, "")  # fmt: skip


def _sizes(sized: Sized | None) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    return (None, None, None) if sized is None else (sized.ideal, sized.clamped, sized.rounded)


def _carries(
    decided: Sequence[tuple[Facts, Decision]],
) -> list[tuple[uuid.UUID, str, Decimal]]:
    """What pairs carry over from now on: more after an accumulated leg, nothing after a sent one, and
    after a close only what the master still holds of it.
    """
    found = []
    for leg, decision in decided:
        if leg.kind == "CLOSE":
            if leg.carried and not leg.sends and isinstance(decision, Send | Skip):
                left = sizing.left_to_carry(
                    carried=leg.carried,
                    cumulative=leg.cumulative,
                    position_before=leg.position_before,
                )
                found.append((leg.subscription_id, leg.symbol, left))
        elif isinstance(decision, Send) and leg.carried:
            found.append((leg.subscription_id, leg.symbol, Decimal(0)))
        elif isinstance(decision, Skip) and decision.sized and decision.reason == "accumulated":
            found.append((leg.subscription_id, leg.symbol, decision.sized.carried))
        elif isinstance(decision, Skip) and leg.carried_in:  # taken along by what was not heard
            found.append((leg.subscription_id, leg.symbol, leg.carried + leg.carried_in))
    return found


def write_outcomes(finished: Sequence[tuple[Begun, Change]], *, now: datetime) -> list[Change]:
    """Commit what came of it, trades and positions with it; the changes that this worker still held."""
    with transaction.atomic():
        book(_bookings([change for _, change in finished]), now=now)
        with connection.cursor() as cursor:
            rows = [_outcome_row(begun, change, now) for begun, change in finished]
            cursor.execute(_RECORD, [now, *columns(rows)])
            ours = {row[0] for row in cursor.fetchall()}
            kept = [change for _, change in finished if change.leg.id in ours]
            targets = [_target_row(change, now) for change in kept if change.target]
            if targets:
                cursor.execute(_END_TARGET, [now, *columns(targets)])
            rests = [change.leg.id for change in kept if change.rest_to_close]
            if rests:
                cursor.execute(_REST, [now, now, now, rests])
    return kept


def _outcome_row(begun: Begun, change: Change, now: datetime) -> tuple[Any, ...]:
    filled, paid, order_id = outcomes.quantities(change)
    return (begun.leg.id, begun.token, change.state, change.reason, change.again_at,
            change.keep_asked, change.missed_lookups, change.attention, change.error[:2000],
            filled, paid, order_id, now if change.report else None)  # fmt: skip


def _target_row(change: Change, now: datetime) -> tuple[Any, ...]:
    report = change.target
    assert report is not None  # noqa: S101  # the caller picked those that have one
    ended = not report.is_open and report.has_all_trades
    state = "WORKING" if not ended else _end_state(report)
    return (change.leg.target_id, state, report.filled, report.quote_filled,
            None if ended else now)  # fmt: skip


def _end_state(report: OrderReport) -> str:
    return "FILLED" if report.filled >= report.quantity else "CANCELLED"


def _bookings(changes: Sequence[Change]) -> list[Booking]:
    found: list[Booking] = []
    for change in changes:
        leg = change.leg
        if change.report is not None:
            found += [_booking(leg, leg.id, trade) for trade in change.report.trades]
        if change.target is not None and leg.target_id is not None:
            found += [_booking(leg, leg.target_id, trade) for trade in change.target.trades]
    return found


def _booking(leg: Facts, order_id: uuid.UUID, trade: Trade) -> Booking:
    return Booking(
        account_id=leg.account_id,
        trade=trade,
        copy_order_id=order_id,
        subscription_id=leg.subscription_id,
    )


def set_aside(begun: Begun, *, now: datetime) -> None:
    """Keep a leg whose outcome the database refuses for a person, and look at it again later."""
    CopyOrder.objects.filter(pk=begun.leg.id, lease_token=begun.token).update(
        lease_token=None,
        lease_until=None,
        next_attempt_at=now + _SET_ASIDE,
        attention=True,
        last_error="Its outcome could not be recorded; see the log.",
        updated_at=now,
    )


def next_of(accounts: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """The next due leg of each account that has one: what had to wait for its turn."""
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, [list(accounts)])
        return [row[0] for row in cursor.fetchall()]
