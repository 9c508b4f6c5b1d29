"""Limits on losses: when one is reached, and what follows at once (RISK-1).

The engine asks as it plans, and a task every few seconds. Opens end there; what reduces goes on.
"""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils.translation import gettext_noop

from accounts import notices
from accounts.models import Notice
from agora.lib import work
from agora.lib.money import plain
from compliance import audit
from copytrade.models import RiskDay, Subscription
from copytrade.replication import stopping
from copytrade.replication.reconcile import RECONCILE_TASK
from copytrade.selectors.risk import Standing, current_day, standings
from copytrade.states import SubscriptionState

log = structlog.get_logger(__name__)

STOP_LOSS = "stop_loss"
DAILY_LOSS = "daily_loss"
USER_DAILY_LOSS = "user_daily_loss"
# These end with the person's day; the copy stop-loss ends the subscription.
OF_THE_DAY = (DAILY_LOSS, USER_DAILY_LOSS)

_SUBJECTS = {
    STOP_LOSS: gettext_noop("Stop-loss reached: %(strategy)s"),
    DAILY_LOSS: gettext_noop("Loss limit reached: %(strategy)s"),
    USER_DAILY_LOSS: gettext_noop("Your daily loss limit is reached: %(strategy)s"),
}
_BODIES = {
    STOP_LOSS: gettext_noop(
        "The capital of this subscription fell to %(equity)s USDT, and its stop-loss stands at "
        "%(limit)s USDT. The subscription is being stopped, in the way you chose for that."
    ),
    DAILY_LOSS: gettext_noop(
        "This subscription lost %(loss)s USDT today, and its limit for a day is %(limit)s USDT. "
        "Only closes are copied until your next day begins."
    ),
    USER_DAILY_LOSS: gettext_noop(
        "Your subscriptions together lost %(loss)s USDT today, and your limit for a day is "
        "%(limit)s USDT. Only closes are copied until your next day begins."
    ),
}


def breached(standing: Standing, *, fresh_since: datetime) -> str | None:
    """Which limit the subscription has reached, the gravest first; None when none, or unknown.

    A price that is older than `fresh_since` strikes nothing: the market may have recovered since.
    """
    if standing.is_fresh(since=fresh_since):
        stop = standing.stop_equity
        stoppable = standing.state != SubscriptionState.STOPPING
        if stop is not None and standing.equity <= stop and stoppable:
            return STOP_LOSS
        if standing.daily_loss is not None and standing.loss >= standing.daily_loss:
            return _while_open(standing, DAILY_LOSS)
    if (
        standing.user_daily_loss is not None
        and standing.user_loss >= standing.user_daily_loss
        and standing.user_is_fresh(since=fresh_since)
    ):
        return _while_open(standing, USER_DAILY_LOSS)
    return None


def _while_open(standing: Standing, kind: str) -> str | None:
    """A paused or reducing subscription opens nothing anyway, and keeps its own reason."""
    return kind if standing.state == SubscriptionState.ACTIVE else None


def fresh_since(now: datetime) -> datetime:
    """Older prices are not acted on."""
    return now - timedelta(seconds=settings.COPY_PRICE_MAX_AGE_SECONDS)


def watch(*, now: datetime) -> list[uuid.UUID]:
    """Look at all subscriptions with a limit on losses, and strike; which were struck.

    Outside of transactions. What one of them raises does not keep the others from being looked at.
    """
    struck = []
    for standing in standings(now=now).values():
        kind = breached(standing, fresh_since=fresh_since(now))
        if kind is None:
            continue
        try:
            if strike(standing=standing, kind=kind, now=now):
                struck.append(standing.subscription_id)
        except Exception:  # one person's trouble must not cost another their stop-loss
            log.exception("risk.strike_failed", subscription_id=str(standing.subscription_id))
    return struck


def strike(*, standing: Standing, kind: str, now: datetime) -> bool:
    """Do what reaching a limit brings, once; False when it has been done, or no longer applies.

    `kind` is STOP_LOSS, DAILY_LOSS or USER_DAILY_LOSS. Holds the subscription's row (for the
    stop-loss its strategy's before it) until the commit. One audit row, one notice a day and limit,
    one line in the log at level error.
    """
    with transaction.atomic():
        subscription = Subscription.objects.select_related("strategy", "follower").get(
            pk=standing.subscription_id
        )
        if not _move(subscription, kind=kind, now=now):
            return False
        evidence = {
            "limit": kind,
            "equity": plain(standing.equity),
            "loss": plain(standing.loss),
            "user_loss": plain(standing.user_loss),
        }
        audit.record(
            actor=audit.system("risk"),
            action="risk.breached",
            object_type="subscription",
            object_id=str(subscription.pk),
            evidence=evidence,
            now=now,
        )
        _tell(subscription, standing, kind=kind, now=now)
    log.error("risk.breached", subscription_id=str(standing.subscription_id), **evidence)
    return True


def _move(subscription: Subscription, *, kind: str, now: datetime) -> bool:
    """Take the subscription to where the limit leads; whether it was not there yet."""
    if kind == STOP_LOSS:
        return stopping.begin_stop(subscription=subscription, reason=kind, now=now)
    changed = Subscription.objects.filter(
        pk=subscription.pk, state=SubscriptionState.ACTIVE
    ).update(
        state=SubscriptionState.REDUCING,
        state_reason=kind,
        updated_at=now,
        next_attempt_at=now,  # what rests at the exchange is cancelled by the reconciling
        version=F("version") + 1,
    )
    if not changed:
        return False
    work.nudge_after_commit(RECONCILE_TASK, pk=subscription.pk)
    day = current_day(subscription)
    if day is not None:
        RiskDay.objects.filter(pk=day.pk).update(breached_at=now)
    return True


def _tell(subscription: Subscription, standing: Standing, *, kind: str, now: datetime) -> None:
    day = current_day(subscription)
    limits = {
        STOP_LOSS: standing.stop_equity,
        DAILY_LOSS: standing.daily_loss,
        USER_DAILY_LOSS: standing.user_daily_loss,
    }
    loss = standing.user_loss if kind == USER_DAILY_LOSS else standing.loss
    notices.notify(
        user=subscription.follower,
        kind="risk-limit-reached",
        subject=_SUBJECTS[kind],
        body=_BODIES[kind],
        params={
            "strategy": subscription.strategy.name,
            "equity": f"{standing.equity:.2f}",
            "loss": f"{loss:.2f}",
            "limit": plain(limits[kind] or Decimal(0)),
        },
        url=reverse("risk-limits"),
        level=Notice.Level.ALERT,
        dedupe_key=f"risk:{kind}:{subscription.pk}:{day.day if day else now.date()}",
        now=now,
    )
