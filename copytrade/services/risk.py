"""Setting risk limits, beginning each day's count, and copying again after a limit (RISK-1)."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import F
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts import notices
from accounts.models import Notice, User
from agora.lib.money import plain
from compliance import audit
from copytrade.days import ZONES
from copytrade.models import RiskDay, RiskLimits, Subscription
from copytrade.replication.risk import OF_THE_DAY, fresh_since
from copytrade.selectors.risk import current_day, days_now, standings
from copytrade.states import SUBSCRIPTION_MOVES, SubscriptionState

AMOUNTS = ("max_order", "max_symbol", "max_exposure", "daily_loss")
_MOST = Decimal(10) ** 18
_SMALLEST = Decimal("0.01")
# A day is never cut shorter than this by a changed time zone, or a losing one could be ended so.
_SHORTEST_DAY_SECONDS = 23 * 3600
# Within this of its edge a day's snapshot takes the newest prices; later, the history's.
_ON_TIME_SECONDS = 300


class RiskRefused(Exception):
    """A refusal: `code` for programs, `message` for people, `field` names what to correct."""

    def __init__(self, code: str, message: "str | Promise", *, field: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.field = field


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Amounts in the quote asset; None: no limit. `timezone` decides when the person's day begins
    and is read of a person's limits only.
    """

    max_order: Decimal | None = None
    max_symbol: Decimal | None = None
    max_exposure: Decimal | None = None
    daily_loss: Decimal | None = None
    timezone: str = "UTC"


def set_limits(
    *,
    by: User,
    limits: Limits,
    user: User | None = None,
    subscription_id: uuid.UUID | None = None,
    now: datetime,
) -> RiskLimits:
    """Replace all limits of a person, of a subscription, or (with neither) of the platform.

    A person sets their own and their subscriptions'; who has the permission `change_risklimits`
    sets anybody's and the platform's, but two people widen the platform's (copytrade.decisions).
    What is set applies to the next order and, as the limit on a day's loss, within seconds. The
    person is told when a limit was widened or lifted.

    Raises RiskRefused (amount_invalid, timezone_unknown, not_allowed, two_people) and, also for a
    stranger, Subscription.DoesNotExist. Locks the row of the limits until the commit.
    """
    check(limits)
    with transaction.atomic():
        subscription = _subscription(by, subscription_id) if subscription_id else None
        if subscription is None and user != by and not by.has_perm("copytrade.change_risklimits"):
            raise RiskRefused("not_allowed", _("You may not change these limits."))
        row, created = RiskLimits.objects.select_for_update().get_or_create(
            user=user if subscription is None else None,
            subscription=subscription,
            defaults={"updated_at": now},
        )
        owner, widened = subscription.follower if subscription else user, widens(row, limits)
        if widened and owner is None:
            raise RiskRefused(
                "two_people", _("Two people raise or lift a limit of everybody: propose it.")
            )
        _replace(row, limits, actor=audit.actor_of(by), is_new=created, now=now)
        if widened and owner is not None:
            _tell_widened(owner, subscription, now=now)
    return row


def set_decided(*, limits: Limits, actor: str, now: datetime) -> RiskLimits:
    """Set everybody's limits as two people have decided; in the transaction of their decision."""
    row = RiskLimits.objects.select_for_update().get(user=None, subscription=None)
    _replace(row, limits, actor=actor, is_new=False, now=now)
    return row


def _replace(row: RiskLimits, limits: Limits, *, actor: str, is_new: bool, now: datetime) -> None:
    names = [*AMOUNTS, *(["timezone"] if row.subscription_id is None else [])]
    changed = {n: (getattr(row, n), getattr(limits, n)) for n in names}
    changed = {n: pair for n, pair in changed.items() if pair[0] != pair[1]}
    if not changed and not is_new:
        return
    for name, (_before, after) in changed.items():
        setattr(row, name, after)
    row.updated_at = now
    row.save()
    _record(row, actor=actor, changed=changed, now=now)


def _subscription(by: User, subscription_id: uuid.UUID) -> Subscription:
    mine = Subscription.objects.select_related("follower", "strategy")
    if not by.has_perm("copytrade.change_risklimits"):
        mine = mine.filter(follower=by)
    return mine.get(pk=subscription_id)


def check(limits: Limits) -> None:
    """Raise RiskRefused (amount_invalid, timezone_unknown) unless these are limits."""
    for name in AMOUNTS:
        value: Decimal | None = getattr(limits, name)
        if value is None:
            continue
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int) or exponent < -18 or not _SMALLEST <= value < _MOST:
            raise RiskRefused(
                "amount_invalid",
                _("Give an amount of 0.01 USDT or more, or leave it empty for no limit."),
                field=name,
            )
    if limits.timezone not in ZONES:
        raise RiskRefused(
            "timezone_unknown", _("Choose one of the time zones listed."), field="timezone"
        )


def widens(row: RiskLimits, limits: Limits) -> bool:
    """Whether these limits would allow more than the stored ones in any amount."""
    return any(_is_wider(getattr(row, name), getattr(limits, name)) for name in AMOUNTS)


def _is_wider(before: Decimal | None, after: Decimal | None) -> bool:
    return before is not None and (after is None or after > before)


def _record(
    row: RiskLimits,
    *,
    actor: str,
    changed: dict[str, tuple[Decimal | str | None, Decimal | str | None]],
    now: datetime,
) -> None:
    owner = row.subscription_id or row.user_id
    kind = "subscription" if row.subscription_id else "user" if row.user_id else "platform"
    audit.record(
        actor=actor,
        action="risk.limits_set",
        object_type=kind,
        object_id=str(owner or "platform"),
        evidence={name: [_told(value) for value in pair] for name, pair in changed.items()},
        now=now,
    )


def _told(value: Decimal | str | None) -> str | None:
    return plain(value) if isinstance(value, Decimal) else value


def _tell_widened(owner: User, subscription: Subscription | None, *, now: datetime) -> None:
    where = subscription.strategy.name if subscription else ""
    body = (
        gettext_noop(
            "A risk limit of your subscription to “%(strategy)s” was raised or lifted. If that was "
            "not you, set it again and change your password."
        )
        if subscription
        else gettext_noop(
            "One of your risk limits was raised or lifted. If that was not you, set it again and "
            "change your password."
        )
    )
    notices.notify(
        user=owner,
        kind="risk-limits-widened",
        subject=gettext_noop("A risk limit was widened"),
        body=body,
        params={"strategy": where},
        url=reverse("risk-limits"),
        level=Notice.Level.WARNING,
        now=now,
    )


# Trades since the edge are taken back out of what positions say now: a late snapshot is then as
# right as one on time. Cash is realized − cost; a fee in the base asset is in the quantity already.
# A price at the edge is the newest known by then: the last UTC day's close, or an own trade.
_BEGIN_DAYS = """
INSERT INTO copytrade_riskday
    (subscription_id, day, begins_at, pnl_start, rebuilt, breached_at)
SELECT s.id, z.day, z.begins_at, round(coalesce(v.pnl, 0), 18),
       %(now)s > z.begins_at + make_interval(secs => %(on_time)s) AND s.created_at < z.begins_at, NULL
FROM copytrade_subscription s
JOIN copytrade_strategy g ON g.id = s.strategy_id
LEFT JOIN copytrade_risklimits person ON person.user_id = s.follower_id
JOIN unnest(%(zones)s::text[], %(days)s::date[], %(edges)s::timestamptz[])
    AS z(zone, day, begins_at) ON z.zone = coalesce(person.timezone, 'UTC')
LEFT JOIN LATERAL (
    SELECT sum(b.cash + CASE WHEN b.quantity = 0 THEN 0
                             ELSE b.quantity * coalesce(e.price, b.average, 0) END) AS pnl
    FROM (
        SELECT c.symbol, c.cost / nullif(c.quantity, 0) AS average,
               c.quantity - coalesce(f.quantity, 0) AS quantity,
               c.realized - c.cost - coalesce(f.cash, 0) AS cash
        FROM copytrade_copyposition c
        LEFT JOIN (
            SELECT symbol,
                   sum(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END
                       - CASE WHEN fee_asset = split_part(symbol, '/', 1) THEN fee ELSE 0 END
                   ) AS quantity,
                   sum(CASE side WHEN 'BUY' THEN -quote_quantity ELSE quote_quantity END
                       - CASE WHEN fee_asset = split_part(symbol, '/', 1) THEN 0
                              ELSE fee_value END) AS cash
            FROM copytrade_fill
            WHERE subscription_id = s.id AND at >= z.begins_at GROUP BY symbol
        ) f ON f.symbol = c.symbol
        WHERE c.subscription_id = s.id
    ) b
    LEFT JOIN LATERAL (
        SELECT k.price FROM (
            SELECT m.price, m.at FROM copytrade_markprice m
            WHERE m.exchange = g.exchange AND m.symbol = b.symbol
              AND %(now)s <= z.begins_at + make_interval(secs => %(on_time)s)
            UNION ALL
            (SELECT p.close, (p.day + 1)::timestamp AT TIME ZONE 'UTC'
             FROM copytrade_dailyprice p
             WHERE p.exchange = g.exchange AND p.symbol = b.symbol
               AND (p.day + 1)::timestamp AT TIME ZONE 'UTC' <= z.begins_at
             ORDER BY p.day DESC LIMIT 1)
            UNION ALL
            (SELECT t.price, t.at FROM copytrade_fill t
             WHERE t.subscription_id = s.id AND t.symbol = b.symbol AND t.at < z.begins_at
             ORDER BY t.at DESC, t.id DESC LIMIT 1)
        ) k ORDER BY k.at DESC LIMIT 1
    ) e ON true
) v ON true
WHERE s.state <> 'STOPPED' AND NOT EXISTS (
    SELECT 1 FROM copytrade_riskday d
    WHERE d.subscription_id = s.id AND d.begins_at > z.begins_at - make_interval(secs => %(shortest)s))
ON CONFLICT (subscription_id, day) DO NOTHING
"""


def begin_days(*, now: datetime) -> int:
    """Store where each subscription stood as its person's day began, where that is missing.

    How many were stored. Then lets subscriptions copy again that a limit held back the day before.
    """
    days = days_now(now=now)
    with connection.cursor() as cursor:
        cursor.execute(
            _BEGIN_DAYS,
            {
                "now": now,
                "zones": list(days),
                "days": [day.date for day in days.values()],
                "edges": [day.begins_at for day in days.values()],
                "on_time": _ON_TIME_SECONDS,
                "shortest": _SHORTEST_DAY_SECONDS,
            },
        )
        stored: int = cursor.rowcount
    held_back = Subscription.objects.filter(
        state=SubscriptionState.REDUCING, state_reason__in=OF_THE_DAY
    )
    for pk in held_back.values_list("pk", flat=True):
        _end_of_day(pk, now=now)
    return stored


def _end_of_day(subscription_id: uuid.UUID, *, now: datetime) -> None:
    with transaction.atomic():
        subscription = (
            Subscription.objects.select_for_update(of=("self",), no_key=True)
            .select_related("follower", "strategy")
            .get(pk=subscription_id)
        )
        day = current_day(subscription)
        struck = subscription.state == SubscriptionState.REDUCING
        if struck and day is not None and day.breached_at is None:
            _resume(subscription, by=audit.system("risk"), evidence={"day": str(day.day)}, now=now)


def rearm(*, by: User, subscription_id: uuid.UUID, now: datetime) -> Subscription:
    """Copy again at once after a day's loss limit, by hand: today's loss counts from here on.

    Raises Subscription.DoesNotExist for anybody but the follower, and RiskRefused (not_held_back;
    price_stale: a new count cannot begin at a price that nobody knows). Locks the subscription.
    """
    with transaction.atomic():
        subscription = (
            Subscription.objects.select_for_update(of=("self",), no_key=True)
            .select_related("follower", "strategy")
            .get(pk=subscription_id, follower=by)
        )
        if (
            subscription.state != SubscriptionState.REDUCING
            or subscription.state_reason not in OF_THE_DAY
        ):
            raise RiskRefused(
                "not_held_back", _("This subscription is not held back by a daily loss limit.")
            )
        standing = standings(subscription_ids=[subscription_id], now=now)[subscription_id]
        if not standing.is_fresh(since=fresh_since(now)):
            raise RiskRefused(
                "price_stale",
                _("There is no current price of what is held. Try again in a minute."),
            )
        pnl = standing.equity - subscription.allocated
        day = current_day(subscription)
        evidence = {"pnl_start": [plain(day.pnl_start) if day else "0", plain(pnl)]}
        if day is not None:
            RiskDay.objects.filter(pk=day.pk).update(pnl_start=round(pnl, 18), breached_at=None)
        _resume(subscription, by=audit.actor_of(by), evidence=evidence, now=now)
    return subscription


def _resume(
    subscription: Subscription, *, by: str, evidence: Mapping[str, object], now: datetime
) -> None:
    SUBSCRIPTION_MOVES.check(subscription.state, SubscriptionState.ACTIVE)
    reason = subscription.state_reason
    Subscription.objects.filter(pk=subscription.pk).update(
        state=SubscriptionState.ACTIVE, state_reason="", updated_at=now, version=F("version") + 1
    )
    subscription.state, subscription.state_reason = SubscriptionState.ACTIVE, ""
    audit.record(
        actor=by,
        action="risk.rearmed",
        object_type="subscription",
        object_id=str(subscription.pk),
        evidence={"limit": reason, **evidence},
        now=now,
    )
    notices.notify(
        user=subscription.follower,
        kind="risk-rearmed",
        subject=gettext_noop("Copying goes on: %(strategy)s"),
        body=gettext_noop(
            "“%(strategy)s” is copied in full again. Its loss of the day counts from zero."
        ),
        params={"strategy": subscription.strategy.name},
        url=reverse("risk-limits"),
        level=Notice.Level.INFO,
        now=now,
    )
