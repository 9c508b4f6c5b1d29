"""Profit and loss of subscriptions since their person's day began, and the limits on it (RISK-1)."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from accounts.models import User
from copytrade.days import ZONES, Day, day_of
from copytrade.models import RiskDay, RiskLimits, Subscription

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a subscription stands today. Amounts are in the quote asset; losses are positive.

    `equity` is allocated + realized + unrealized, fees included. `loss` is what profit and loss fell
    by since the day began, `user_loss` the sum of it over all subscriptions of the person. Limits
    are None where nobody set one; the person's is the stricter of their own and the platform's.
    `priced_at` is the age of the oldest price in `equity`, `user_priced_at` in `user_loss`; None:
    no price was needed. `unpriced`: something is held that has no price at all.
    """

    subscription_id: uuid.UUID
    user_id: uuid.UUID
    state: str
    state_reason: str
    equity: Decimal
    stop_equity: Decimal | None
    loss: Decimal
    daily_loss: Decimal | None
    user_loss: Decimal
    user_daily_loss: Decimal | None
    priced_at: datetime | None
    unpriced: bool
    user_priced_at: datetime | None
    user_unpriced: bool

    def is_fresh(self, *, since: datetime) -> bool:
        """Whether every price in `equity` and `loss` is known and not older than that."""
        return not self.unpriced and (self.priced_at is None or self.priced_at >= since)

    def user_is_fresh(self, *, since: datetime) -> bool:
        """The same of `user_loss`."""
        return not self.user_unpriced and (
            self.user_priced_at is None or self.user_priced_at >= since
        )


# A subscription that stopped today still counts for its person's day.
_STANDINGS = """
SELECT s.id, s.follower_id, s.state, s.state_reason,
       s.allocated + coalesce(p.pnl, 0) AS equity, s.stop_equity,
       coalesce(d.pnl_start, 0) - coalesce(p.pnl, 0) AS loss,
       own.daily_loss, least(person.daily_loss, platform.daily_loss) AS user_daily_loss,
       p.priced_at, coalesce(p.unpriced, false) AS unpriced,
       coalesce(person.timezone, 'UTC') AS zone, s.stopped_at
FROM copytrade_subscription s
JOIN copytrade_strategy g ON g.id = s.strategy_id
LEFT JOIN LATERAL (
    SELECT sum(c.realized + CASE WHEN c.quantity = 0 OR m.price IS NULL THEN 0
                                 ELSE c.quantity * m.price - c.cost END) AS pnl,
           min(m.at) FILTER (WHERE c.quantity <> 0) AS priced_at,
           bool_or(c.quantity <> 0 AND m.price IS NULL) AS unpriced
    FROM copytrade_copyposition c
    LEFT JOIN copytrade_markprice m ON m.exchange = g.exchange AND m.symbol = c.symbol
    WHERE c.subscription_id = s.id
) p ON true
LEFT JOIN LATERAL (
    SELECT pnl_start FROM copytrade_riskday
    WHERE subscription_id = s.id ORDER BY day DESC LIMIT 1
) d ON true
LEFT JOIN copytrade_risklimits own ON own.subscription_id = s.id
LEFT JOIN copytrade_risklimits person ON person.user_id = s.follower_id
LEFT JOIN copytrade_risklimits platform
    ON platform.user_id IS NULL AND platform.subscription_id IS NULL
WHERE (s.state <> 'STOPPED' OR s.stopped_at > %(now)s - interval '2 days')
  AND (%(ids)s::uuid[] IS NULL OR s.follower_id IN (
        SELECT follower_id FROM copytrade_subscription WHERE id = ANY(%(ids)s)))
  AND (%(ids)s::uuid[] IS NOT NULL OR s.stop_equity IS NOT NULL OR own.daily_loss IS NOT NULL
       OR person.daily_loss IS NOT NULL OR platform.daily_loss IS NOT NULL)
"""


@dataclass(frozen=True, slots=True)
class _Row:
    subscription_id: uuid.UUID
    user_id: uuid.UUID
    state: str
    state_reason: str
    equity: Decimal
    stop_equity: Decimal | None
    loss: Decimal
    daily_loss: Decimal | None
    user_daily_loss: Decimal | None
    priced_at: datetime | None
    unpriced: bool
    zone: str
    stopped_at: datetime | None


def standings(
    *, subscription_ids: Sequence[uuid.UUID] | None = None, now: datetime
) -> dict[uuid.UUID, Standing]:
    """Where subscriptions stand: those named, or all that have a limit on losses. One query.

    Stopped ones are not in the answer, but what they lost today counts for their person.
    """
    ids = None if subscription_ids is None else list(subscription_ids)
    with connection.cursor() as cursor:
        cursor.execute(_STANDINGS, {"ids": ids, "now": now})
        rows = [_Row(*row) for row in cursor.fetchall()]
    begins = {zone: day_of(at=now, zone=zone).begins_at for zone in {row.zone for row in rows}}
    people: dict[uuid.UUID, list[_Row]] = defaultdict(list)
    for row in rows:
        if row.stopped_at is None or row.stopped_at >= begins[row.zone]:
            people[row.user_id].append(row)
    wanted = None if ids is None else frozenset(ids)
    return {
        row.subscription_id: _standing(row, people[row.user_id])
        for row in rows
        if row.state != "STOPPED" and (wanted is None or row.subscription_id in wanted)
    }


def _standing(row: _Row, of_person: list[_Row]) -> Standing:
    return Standing(
        subscription_id=row.subscription_id,
        user_id=row.user_id,
        state=row.state,
        state_reason=row.state_reason,
        equity=row.equity,
        stop_equity=row.stop_equity,
        loss=row.loss,
        daily_loss=row.daily_loss,
        user_loss=sum((other.loss for other in of_person), _ZERO),
        user_daily_loss=row.user_daily_loss,
        priced_at=row.priced_at,
        unpriced=row.unpriced,
        user_priced_at=min((r.priced_at for r in of_person if r.priced_at), default=None),
        user_unpriced=any(other.unpriced for other in of_person),
    )


def zone_of(user: User) -> str:
    """The time zone of the person's day; UTC until they chose one."""
    zone = RiskLimits.objects.filter(user=user).values_list("timezone", flat=True).first()
    return zone if zone in ZONES else "UTC"


def limits_of(*, user: User | None = None, subscription: Subscription | None = None) -> RiskLimits:
    """Limits of a subscription, of a person, or of the platform; an unsaved row without limits when
    none were set.
    """
    found = RiskLimits.objects.filter(user=user, subscription=subscription).first()
    return found or RiskLimits(user=user, subscription=subscription)


def current_day(subscription: Subscription) -> RiskDay | None:
    """The newest day of a subscription; None before its first minute is over."""
    return RiskDay.objects.filter(subscription=subscription).order_by("-day").first()


def zones_in_use() -> list[str]:
    """Time zones of people who subscribe to something."""
    chosen = RiskLimits.objects.filter(user__isnull=False).values_list("timezone", flat=True)
    return sorted({"UTC", *chosen.distinct()})


def days_now(*, now: datetime) -> dict[str, Day]:
    """Today in every time zone in use."""
    return {zone: day_of(at=now, zone=zone) for zone in zones_in_use()}
