"""Taking legs to work on, and reading every fact that their decisions need.

First the rows of legs and of their accounts are taken and held until the caller's transaction ends;
what another worker holds is passed over. Only then are the facts read, so that they show all that
was committed about an account before it was held. An account whose leg is being sent has no other
leg taken.
"""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

from agora.lib.arrays import literal
from copytrade.selectors.risk import Standing, standings
from copytrade.sizing import DUST

# A close waits a little for opens before it: for those that may still be sent, and until it is known
# what resting ones have bought.
_DUE = """
    l.next_attempt_at <= clock_timestamp()
    AND (l.lease_until IS NULL OR l.lease_until < clock_timestamp())
    AND NOT EXISTS (SELECT 1 FROM copytrade_copyorder b
        WHERE b.account_id = l.account_id AND b.state = 'SENDING' AND b.id <> l.id)
    AND NOT (l.kind = 'CLOSE' AND EXISTS (SELECT 1 FROM copytrade_copyorder o
        WHERE o.account_id = l.account_id AND o.subscription_id = l.subscription_id
          AND o.symbol = l.symbol AND o.kind = 'OPEN' AND o.created_at < l.created_at
          AND (o.state = 'PLANNED' AND o.created_at > clock_timestamp() - interval '15 seconds'
            OR o.state = 'WORKING' AND l.created_at > clock_timestamp() - interval '15 seconds'
              AND (o.updated_at < l.created_at OR o.lease_until > clock_timestamp()))))
"""

_TAKE = f"""
SELECT l.id, s.follower_id, s.id,
       num_nonnulls(ul.max_symbol, ul.max_exposure, ul.daily_loss,
                    pl.max_symbol, pl.max_exposure, pl.daily_loss) > 0,
       l.kind = 'OPEN' AND l.state = 'PLANNED'
           AND num_nonnulls(s.stop_equity, sl.daily_loss, ul.daily_loss, pl.daily_loss) > 0
FROM copytrade_copyorder l
JOIN copytrade_exchangeaccount a ON a.id = l.account_id
JOIN copytrade_subscription s ON s.id = l.subscription_id
LEFT JOIN copytrade_risklimits sl ON sl.subscription_id = s.id
LEFT JOIN copytrade_risklimits ul ON ul.user_id = s.follower_id
LEFT JOIN copytrade_risklimits pl ON pl.user_id IS NULL AND pl.subscription_id IS NULL
WHERE {{where}} AND {_DUE}
ORDER BY {{order}} LIMIT %(limit)s
FOR NO KEY UPDATE OF l, a SKIP LOCKED
"""  # noqa: S608  # all of it is ours; values are bound

# Limits of a person span their accounts: whoever decides under them does so one after the other.
_HOLD_PEOPLE = """
SELECT pg_advisory_xact_lock(hashtextextended('copytrade:' || id, 0))
FROM (SELECT id FROM unnest(%s::text[]) AS id ORDER BY id) people
"""

# Amounts are in the quote asset. `open_cost` and `pending` are what positions and resting buys bind.
_FACTS = """
SELECT l.id, l.state, l.kind, l.symbol, l.side, l.client_order_id, l.exchange_order_id,
       l.attempts, l.sends, l.missed_lookups, l.asked_at, l.created_at, l.accepted_at, l.type,
       l.price, l.ideal, l.clamped, l.rounded, l.sent, l.filled, l.quote_filled, l.carried_in,
       l.reason, l.signal_id, l.master_order_id, l.subscription_id, l.account_id,
       g.type, g.price, g.cumulative, g.order_quantity, g.position_before, g.equity_before,
       g.expires_at, g.strategy_id, g.at,
       s.state, s.sizing, s.factor, s.allocated, s.symbols, s.slippage_bps, s.max_open, s.minimum,
       s.follower_id,
       a.exchange, a.state, a.api_key_encrypted, a.secret_encrypted, a.blocked_until, a.failures,
       coalesce(p.quantity, 0), coalesce(p.carried, 0),
       e.value, e.symbol_value, e.open_cost, e.realized, e.open_pairs, e.unpriced, e.priced_at,
       w.pending, w.pending_symbol,
       d.done,
       least(ul.max_order, sl.max_order, pl.max_order),
       sl.max_symbol, sl.max_exposure,
       least(ul.max_symbol, pl.max_symbol), least(ul.max_exposure, pl.max_exposure),
       h.value + y.pending, h.symbol_value + y.pending_symbol, h.unpriced, h.priced_at,
       t.id, t.client_order_id,
       CASE WHEN l.kind = 'OPEN' AND l.state = 'PLANNED' AND l.sends > 0 THEN (
                SELECT CASE c.kind WHEN 'CLOSE' THEN 'superseded_by_close' ELSE 'master_cancelled' END
                FROM copytrade_signal c
                WHERE c.strategy_id = g.strategy_id AND c.number > g.number AND c.symbol = l.symbol
                  AND (c.subscription_id IS NULL OR c.subscription_id = l.subscription_id)
                  AND (c.kind = 'CLOSE' AND c.cumulative >= c.position_before
                       OR c.kind = 'CANCEL' AND (c.master_order_id IS NULL
                            OR (c.master_order_id = l.master_order_id AND g.type = 'LIMIT')))
                ORDER BY c.number LIMIT 1) END
FROM copytrade_copyorder l
JOIN copytrade_signal g ON g.id = l.signal_id
JOIN copytrade_subscription s ON s.id = l.subscription_id
JOIN copytrade_exchangeaccount a ON a.id = l.account_id
LEFT JOIN copytrade_copyposition p
    ON p.subscription_id = l.subscription_id AND p.symbol = l.symbol
LEFT JOIN copytrade_risklimits ul ON ul.user_id = s.follower_id
LEFT JOIN copytrade_risklimits sl ON sl.subscription_id = s.id
LEFT JOIN copytrade_risklimits pl ON pl.user_id IS NULL AND pl.subscription_id IS NULL
CROSS JOIN LATERAL (
    SELECT coalesce(sum(x.quantity * coalesce(m.price, x.cost / nullif(x.quantity, 0))), 0) AS value,
           coalesce(sum(x.quantity * coalesce(m.price, x.cost / nullif(x.quantity, 0)))
               FILTER (WHERE x.symbol = l.symbol), 0) AS symbol_value,
           coalesce(sum(x.cost), 0) AS open_cost, coalesce(sum(x.realized), 0) AS realized,
           count(*) FILTER (WHERE x.quantity * coalesce(m.price, x.cost / nullif(x.quantity, 0))
               >= %(dust)s) AS open_pairs,
           coalesce(bool_or(x.quantity > 0 AND m.price IS NULL), false) AS unpriced,
           min(m.at) FILTER (WHERE x.quantity > 0) AS priced_at
    FROM copytrade_copyposition x
    LEFT JOIN copytrade_markprice m ON m.symbol = x.symbol AND m.exchange = a.exchange
    WHERE x.subscription_id = l.subscription_id
) e
CROSS JOIN LATERAL (
    SELECT coalesce(sum(o.sent * o.price - o.quote_filled), 0) AS pending,
           coalesce(sum(o.sent * o.price - o.quote_filled) FILTER (WHERE o.symbol = l.symbol), 0)
               AS pending_symbol
    FROM copytrade_copyorder o
    WHERE o.account_id = l.account_id AND o.state IN ('PLANNED', 'SENDING', 'WORKING')
      AND o.subscription_id = l.subscription_id AND o.side = 'BUY' AND o.kind = 'OPEN'
      AND o.price IS NOT NULL AND o.id <> l.id
) w
-- What the person holds and has resting in all of their subscriptions; nothing is read without limits.
CROSS JOIN LATERAL (
    SELECT coalesce(sum(x.quantity * coalesce(m.price, x.cost / x.quantity)), 0) AS value,
           coalesce(sum(x.quantity * coalesce(m.price, x.cost / x.quantity))
               FILTER (WHERE x.symbol = l.symbol), 0) AS symbol_value,
           coalesce(bool_or(m.price IS NULL), false) AS unpriced, min(m.at) AS priced_at
    FROM copytrade_subscription us
    JOIN copytrade_copyposition x ON x.subscription_id = us.id AND x.quantity > 0
    LEFT JOIN copytrade_markprice m ON m.symbol = x.symbol AND m.exchange = a.exchange
    WHERE coalesce(ul.max_symbol, pl.max_symbol, ul.max_exposure, pl.max_exposure) IS NOT NULL
      AND us.follower_id = s.follower_id AND us.state <> 'STOPPED'
) h
CROSS JOIN LATERAL (
    SELECT coalesce(sum(o.sent * o.price - o.quote_filled), 0) AS pending,
           coalesce(sum(o.sent * o.price - o.quote_filled) FILTER (WHERE o.symbol = l.symbol), 0)
               AS pending_symbol
    FROM copytrade_subscription us
    JOIN copytrade_copyorder o ON o.account_id = us.account_id AND o.subscription_id = us.id
    WHERE coalesce(ul.max_symbol, pl.max_symbol, ul.max_exposure, pl.max_exposure) IS NOT NULL
      AND us.follower_id = s.follower_id AND o.state IN ('PLANNED', 'SENDING', 'WORKING')
      AND o.side = 'BUY' AND o.kind = 'OPEN' AND o.price IS NOT NULL AND o.id <> l.id
) y
CROSS JOIN LATERAL (
    SELECT coalesce(sum(CASE
        WHEN o.reason = 'accumulated' THEN o.clamped
        WHEN o.state IN ('SENDING', 'WORKING') THEN greatest(o.sent - o.carried_in, 0)
        ELSE greatest(o.filled - o.carried_in, 0) END), 0) AS done
    FROM copytrade_copyorder o
    WHERE o.master_order_id = l.master_order_id AND o.subscription_id = l.subscription_id
      AND o.kind = l.kind AND o.id <> l.id
) d
LEFT JOIN LATERAL (
    SELECT o.id, o.client_order_id FROM copytrade_copyorder o
    WHERE l.kind = 'CANCEL' AND o.account_id = l.account_id AND o.state = 'WORKING'
      AND o.subscription_id = l.subscription_id AND o.symbol = l.symbol AND o.kind = 'OPEN'
      AND (l.master_order_id IS NULL OR o.master_order_id = l.master_order_id)
    ORDER BY o.created_at LIMIT 1
) t ON true
WHERE l.id = ANY(%(ids)s) AND NOT EXISTS (SELECT 1 FROM copytrade_copyorder b
    WHERE b.account_id = l.account_id AND b.state = 'SENDING' AND b.id <> l.id)
ORDER BY l.rank, l.id
"""

_BY_ID = _TAKE.format(where="l.id = ANY(%(ids)s)", order="l.kind = 'OPEN', l.created_at")
_BY_SIGNAL = _TAKE.format(where="l.signal_id = %(signal)s", order="l.rank")

_SWITCHES = """
SELECT level, exchange, strategy_id, subscription_id FROM copytrade_killswitch
WHERE released_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """A leg and all that its decision depends on, as its transaction sees them."""

    id: uuid.UUID
    state: str
    kind: str
    symbol: str
    side: str
    client_order_id: str
    exchange_order_id: str
    attempts: int
    sends: int
    missed_lookups: int
    asked_at: datetime | None
    created_at: datetime
    accepted_at: datetime | None
    type: str
    price: Decimal | None
    ideal: Decimal | None
    clamped: Decimal | None
    rounded: Decimal | None
    sent: Decimal
    filled: Decimal
    quote_filled: Decimal
    carried_in: Decimal
    reason: str
    signal_id: uuid.UUID
    master_order_id: uuid.UUID | None
    subscription_id: uuid.UUID
    account_id: uuid.UUID
    signal_type: str
    signal_price: Decimal
    cumulative: Decimal
    order_quantity: Decimal
    position_before: Decimal
    equity_before: Decimal
    expires_at: datetime | None
    strategy_id: uuid.UUID
    signal_at: datetime
    subscription_state: str
    sizing: str
    factor: Decimal
    allocated: Decimal
    symbols: list[str]
    slippage_bps: int
    max_open: int
    minimum: str
    follower_id: uuid.UUID
    exchange: str
    account_state: str
    api_key: bytes
    secret: bytes
    blocked_until: datetime | None
    failures: int
    held: Decimal
    carried: Decimal
    value: Decimal
    symbol_value: Decimal
    open_cost: Decimal
    realized: Decimal
    open_pairs: int
    unpriced: bool
    priced_at: datetime | None
    pending: Decimal
    pending_symbol: Decimal
    done: Decimal
    max_order: Decimal | None
    max_symbol: Decimal | None
    max_exposure: Decimal | None
    person_max_symbol: Decimal | None
    person_max_exposure: Decimal | None
    # Over all of the person's subscriptions, resting buys included; known where limits ask for it.
    person_value: Decimal
    person_symbol_value: Decimal
    person_unpriced: bool
    person_priced_at: datetime | None
    target_id: uuid.UUID | None
    target_client_order_id: str | None
    # Of an open that was sent before but not heard: which later event of the master made it void.
    overtaken: str | None
    # Of an open under a limit on losses: the subscription's, the person's, or the platform's.
    losses: Standing | None = None

    @property
    def equity(self) -> Decimal:
        """What the subscription is worth by its marks, fees included."""
        return self.allocated + self.realized + self.value - self.open_cost


@dataclass(frozen=True, slots=True)
class Switch:
    """An engaged kill switch."""

    level: str
    exchange: str
    strategy_id: uuid.UUID | None
    subscription_id: uuid.UUID | None

    def stops(self, leg: Facts) -> bool:
        return (
            self.level == "platform"
            or (self.level == "exchange" and self.exchange == leg.exchange)
            or (self.level == "strategy" and self.strategy_id == leg.strategy_id)
            or (self.level == "subscription" and self.subscription_id == leg.subscription_id)
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """Which legs to work on: those named, or those of one signal."""

    ids: Sequence[uuid.UUID] = ()
    signal_id: uuid.UUID | None = None


class _Taken(NamedTuple):
    """A leg that is held. `spans`: limits of its person span their accounts; `loses`: it is an open
    under a limit on losses.
    """

    id: uuid.UUID
    follower_id: uuid.UUID
    subscription_id: uuid.UUID
    spans: bool
    loses: bool


def claim(selection: Selection, *, limit: int) -> list[Facts]:
    """Due legs of the selection, one for each account, held until the transaction ends."""
    with connection.cursor() as cursor:
        # Planning these anew each time, as PostgreSQL would, takes longer than running them.
        cursor.execute("SELECT set_config('plan_cache_mode', 'force_generic_plan', true)")
        if selection.signal_id is not None:
            cursor.execute(_BY_SIGNAL, {"signal": selection.signal_id, "limit": limit})
        else:
            cursor.execute(_BY_ID, {"ids": list(selection.ids), "limit": limit})
        taken = [_Taken(*row) for row in cursor.fetchall()]
        if not taken:
            return []
        people = {str(row.follower_id) for row in taken if row.spans}
        if people:
            cursor.execute(_HOLD_PEOPLE, [literal(people)])
        cursor.execute(_FACTS, {"ids": [row.id for row in taken], "dust": DUST})
        found = [Facts(*row) for row in cursor.fetchall()]
    losses = _losses([row.subscription_id for row in taken if row.loses])
    found = [
        replace(leg, losses=losses.get(leg.subscription_id)) if losses else leg for leg in found
    ]
    return list(_one_each(found, people))


def _losses(subscriptions: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Standing]:
    """Where subscriptions under a limit on losses stand; asks nothing when there are none."""
    if not subscriptions:
        return {}
    return standings(subscription_ids=subscriptions, now=timezone.now())


def _one_each(found: Sequence[Facts], limited: Collection[str]) -> Iterator[Facts]:
    """One leg for each account, and one for each person whose limits span accounts; urgent first.

    The others stay due: they are decided once this one is recorded.
    """
    accounts: set[uuid.UUID] = set()
    people: set[uuid.UUID] = set()
    for leg in sorted(found, key=lambda leg: leg.kind == "OPEN"):
        spans = leg.kind == "OPEN" and str(leg.follower_id) in limited
        if leg.account_id in accounts or (spans and leg.follower_id in people):
            continue
        accounts.add(leg.account_id)
        if spans:
            people.add(leg.follower_id)
        yield leg


def engaged_switches() -> list[Switch]:
    """Kill switches as this transaction sees them; never cached."""
    with connection.cursor() as cursor:
        cursor.execute(_SWITCHES)
        return [Switch(*row) for row in cursor.fetchall()]
