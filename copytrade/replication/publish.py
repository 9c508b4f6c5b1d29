"""Turning an event of a master's order into a signal and one leg for each follower.

All of it is one INSERT … SELECT in the caller's transaction, so that the fact and what has to be
done about it are committed together. Followers' turns are shuffled by the signal's seed.
"""

import secrets
import uuid
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from agora.lib import work
from copytrade.models import MasterOrder, Side, Signal, Strategy, Subscription

FAN_OUT_TASK = "copytrade.tasks.fan_out"
# Followers for each message to the workers; each takes what is due, so that none waits for another.
_FOLLOWERS_A_TASK = 250
_SIDES = {Signal.Kind.OPEN: Side.BUY, Signal.Kind.CLOSE: Side.SELL}

_LEGS = """
INSERT INTO copytrade_copyorder (id, signal_id, subscription_id, leg, account_id, master_order_id,
    kind, symbol, side, rank, client_order_id, state, reason, type, carried_in, sent, filled, quote_filled,
    exchange_order_id, created_at, updated_at, next_attempt_at, attempts, last_error, attention,
    missed_lookups, sends)
SELECT gen_random_uuid(), %(signal)s::uuid, t.id, 0, t.account_id, %(order)s::uuid,
       %(kind)s::text, %(symbol)s::text, %(side)s::text,
       row_number() OVER (ORDER BY md5(%(seed)s::text || t.id::text)),
       'c' || substr(encode(sha256(convert_to(
           (%(signal)s::uuid)::text || t.id::text || '0', 'UTF8')), 'hex'), 1, 27),
       CASE WHEN t.reason = '' THEN 'PLANNED' ELSE 'SKIPPED' END, t.reason, '', 0, 0, 0, 0, '',
       %(now)s::timestamptz, %(now)s::timestamptz,
       CASE WHEN t.reason = '' THEN %(now)s::timestamptz END, 0, '', false, 0, 0
FROM (
    SELECT s.id, s.account_id, CASE %(kind)s::text
        WHEN 'OPEN' THEN CASE
            WHEN s.state = 'PAUSED' THEN 'subscription_paused'
            WHEN s.state = 'REDUCING' THEN 'risk_reducing'
            WHEN s.state = 'STOPPING' THEN 'subscription_stopping'
            WHEN %(paused)s::bool THEN 'strategy_paused'
            WHEN s.symbols <> '{}' AND NOT %(symbol)s::text = ANY(s.symbols) THEN 'symbol_not_allowed'
            WHEN a.state <> 'ACTIVE' THEN 'account_paused'
            ELSE '' END
        WHEN 'CLOSE' THEN CASE
            WHEN s.state = 'STOPPING' AND s.on_stop = 'keep' THEN 'subscription_stopping'
            WHEN EXISTS (SELECT 1 FROM copytrade_copyposition p WHERE p.subscription_id = s.id
                         AND p.symbol = %(symbol)s::text AND (p.quantity > 0 OR p.carried > 0))
              OR EXISTS (SELECT 1 FROM copytrade_copyorder l WHERE l.account_id = s.account_id
                         AND l.subscription_id = s.id AND l.symbol = %(symbol)s::text
                         AND l.state IN ('PLANNED', 'SENDING', 'WORKING'))
            THEN '' ELSE 'no_position' END
        ELSE CASE
            WHEN EXISTS (SELECT 1 FROM copytrade_copyorder l WHERE l.account_id = s.account_id
                         AND l.subscription_id = s.id AND l.kind = 'OPEN'
                         AND l.state IN ('PLANNED', 'SENDING', 'WORKING')
                         AND (%(order)s::uuid IS NULL OR l.master_order_id = %(order)s::uuid))
            THEN '' ELSE 'nothing_open' END
        END AS reason
    FROM copytrade_subscription s JOIN copytrade_exchangeaccount a ON a.id = s.account_id
    WHERE s.strategy_id = %(strategy)s::uuid AND s.state <> 'STOPPED'
      AND (%(only)s::uuid IS NULL OR s.id = %(only)s::uuid)
) t
"""

# A close of everything overtakes opens that nobody has sent yet.
_SUPERSEDE = """
UPDATE copytrade_copyorder l
SET state = 'SKIPPED', reason = %(reason)s::text, next_attempt_at = NULL,
       updated_at = %(now)s::timestamptz
FROM copytrade_subscription s, copytrade_signal g
WHERE s.id = l.subscription_id AND g.id = l.signal_id AND s.strategy_id = %(strategy)s::uuid
  AND (%(only)s::uuid IS NULL OR s.id = %(only)s::uuid)
  AND l.symbol = %(symbol)s::text AND l.kind = 'OPEN' AND l.state = 'PLANNED'
  AND (%(kind)s::text = 'CLOSE' OR %(order)s::uuid IS NULL
       OR (l.master_order_id = %(order)s::uuid AND g.type = 'LIMIT'))
"""

# Before a close is worked out it must be known what resting orders have bought by now.
_LOOK_AGAIN = """
UPDATE copytrade_copyorder l SET next_attempt_at = %(now)s::timestamptz
FROM copytrade_subscription s
WHERE s.strategy_id = %(strategy)s::uuid AND (%(only)s::uuid IS NULL OR s.id = %(only)s::uuid)
  AND l.account_id = s.account_id AND l.subscription_id = s.id AND l.symbol = %(symbol)s::text
  AND l.kind = 'OPEN' AND l.state = 'WORKING'
  AND (l.lease_until IS NULL OR l.lease_until < clock_timestamp())
RETURNING l.signal_id
"""


def publish(
    *,
    strategy: Strategy,
    kind: str,
    symbol: str,
    type: str,  # noqa: A002  # the field's own name
    price: Decimal,
    at: datetime,
    now: datetime,
    master_order: MasterOrder | None = None,
    cumulative: Decimal = Decimal(0),
    order_quantity: Decimal = Decimal(0),
    position_before: Decimal = Decimal(0),
    equity_before: Decimal = Decimal(0),
    cause: str = Signal.Cause.MASTER,
    subscription: Subscription | None = None,
) -> Signal | None:
    """Store a signal and a leg for each follower; None when this event was published before.

    Inside the caller's transaction, which then holds the strategy's row: signals of one strategy
    are numbered one after the other. `at` is the master's time, `price` the reference for slippage.
    """
    Strategy.objects.filter(pk=strategy.pk).update(signal_count=F("signal_count") + 1)
    known = Signal.objects.filter(master_order=master_order, kind=kind, cumulative=cumulative)
    if master_order is not None and known.exists():
        return None
    number, state = Strategy.objects.values_list("signal_count", "state").get(pk=strategy.pk)
    side = _SIDES.get(Signal.Kind(kind)) or (master_order.side if master_order else Side.BUY)
    signal = Signal.objects.create(
        strategy=strategy,
        number=number,
        kind=kind,
        cause=cause,
        master_order=master_order,
        subscription=subscription,
        symbol=symbol,
        side=side,
        type=type,
        price=price,
        cumulative=cumulative,
        order_quantity=order_quantity,
        position_before=position_before,
        equity_before=equity_before,
        at=at,
        expires_at=_expiry(kind=kind, type=type, cause=cause, at=at, now=now),
        seed=secrets.randbits(62),
        created_at=now,
    )
    planned, looked_at = _plan_legs(signal, paused=state == "PAUSED", now=now)
    transaction.on_commit(lambda: _nudge(signal, planned, looked_at), robust=True)
    return signal


def _expiry(
    *,
    kind: str,
    type: str,  # noqa: A002
    cause: str,
    at: datetime,
    now: datetime,
) -> datetime | None:
    """When opens are too old to be sent. A resting order has a price of its own to guard it."""
    if kind != Signal.Kind.OPEN or type == "LIMIT":
        return None
    seconds = settings.COPY_OPEN_EXPIRY_SECONDS
    return (at if cause == Signal.Cause.MASTER else now) + timedelta(seconds=seconds)


def _plan_legs(signal: Signal, *, paused: bool, now: datetime) -> tuple[int, frozenset[uuid.UUID]]:
    """Insert the legs, skipped ones with their reason; how many, and which earlier signals' resting
    orders are to be looked at first.
    """
    values = {
        "signal": signal.pk,
        "order": signal.master_order_id,
        "kind": signal.kind,
        "symbol": signal.symbol,
        "side": signal.side,
        "seed": str(signal.seed),
        "now": now,
        "paused": paused,
        "strategy": signal.strategy_id,
        "only": signal.subscription_id,
    }
    with connection.cursor() as cursor:
        reason = _superseding(signal)
        if reason:
            cursor.execute(_SUPERSEDE, values | {"reason": reason})
        cursor.execute(_LEGS, values)
        planned = int(cursor.rowcount)
        if signal.kind != Signal.Kind.CLOSE:
            return planned, frozenset()
        cursor.execute(_LOOK_AGAIN, values)
        return planned, frozenset(row[0] for row in cursor.fetchall())


def _superseding(signal: Signal) -> str:
    """Why opens still waiting are not needed any more; "" when they are."""
    if signal.kind == Signal.Kind.CANCEL:
        return "master_cancelled"
    if signal.kind == Signal.Kind.CLOSE and signal.cumulative >= signal.position_before:
        return "superseded_by_close"
    return ""


def _nudge(signal: Signal, legs: int, looked_at: frozenset[uuid.UUID]) -> None:
    for earlier in looked_at:
        work.nudge(FAN_OUT_TASK, pk=earlier)
    for _ in range(-(-legs // _FOLLOWERS_A_TASK)):
        work.nudge(FAN_OUT_TASK, pk=signal.pk)
