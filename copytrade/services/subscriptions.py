"""What a follower does with a running subscription: change, pause, resume, stop (SUB-1).

Rows are locked in the order account, strategy, subscription. What the exchange has to tell is asked
before (`services.funds`), outside of any transaction.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agora.lib import work
from agora.lib.catalog import Text
from agora.lib.money import plain
from compliance import audit
from copytrade.models import (
    ExchangeAccount,
    Subscription,
)
from copytrade.replication import stopping
from copytrade.replication.reconcile import RECONCILE_TASK
from copytrade.selectors.equity import subscription_equity
from copytrade.services import funds, risk
from copytrade.services.subscription_news import tell
from copytrade.services.terms import (
    STORED,
    Terms,
    Wrong,
    faults_of,
    stop_equity_of,
    terms_of,
    widened,
)
from copytrade.states import (
    SUBSCRIPTION_MOVES,
    AccountState,
    SubscriptionState,
)

_CHANGEABLE = (SubscriptionState.ACTIVE, SubscriptionState.PAUSED, SubscriptionState.REDUCING)

MESSAGES: dict[str, Text] = {
    "terms_invalid": _("Some of the settings cannot be used."),
    "own_strategy": _("This is your own strategy. You cannot copy yourself."),
    "strategy_not_active": _("This strategy takes no followers now."),
    "strategy_full": _("All places of this strategy are taken. Try again when one is free."),
    "already_subscribed": _("You copy this strategy already."),
    "copies_in_a_circle": _(
        "The master of this strategy copies you, directly or through others. Copying in a circle is "
        "not possible."
    ),
    "account_unknown": _("Choose one of your exchange accounts."),
    "account_paused": _("This exchange account is paused. Check its key first."),
    "account_publishes": _(
        "You publish a strategy on this account. Copy with another account, or your followers would "
        "copy the copies."
    ),
    "start_invalid": _("Choose what happens at the start."),
    "changed_meanwhile": _(
        "The subscription has changed since you opened it. Look at it again, then repeat your change."
    ),
    "not_changeable": _("The subscription is being stopped or has ended. It cannot be changed."),
    "not_active": _("Only a subscription that copies can be paused."),
    "not_paused": _("The subscription is neither paused nor held back by a limit."),
    "confirm_resume": _(
        "A loss limit holds this subscription back until the day ends. Confirm that it shall copy "
        "again now."
    ),
    "on_stop_invalid": _("Choose whether positions are closed or kept."),
}
_FIELDS = {
    "account_unknown": "account",
    "account_paused": "account",
    "account_publishes": "account",
    "start_invalid": "start",
    "on_stop_invalid": "on_stop",
    "confirm_resume": "confirm",
}


class SubscriptionRefused(Exception):
    """Nothing was changed. `code` is stable, `faults` names each field to correct and how.

    Codes: the keys of MESSAGES, and those of services.risk for a resumption by hand.
    """

    def __init__(self, code: str, *, message: Text = "", faults: Sequence[Wrong] = ()) -> None:
        super().__init__(code)
        self.code = code
        self.message = message or MESSAGES[code]
        field = _FIELDS.get(code, "")
        self.faults = list(faults) or ([Wrong(field, code, self.message)] if field else [])


@dataclass(frozen=True)
class Planned:
    """The terms after a change, their stop-loss in the quote asset, and the names of the choices by
    which more can be lost than before.
    """

    terms: Terms
    stop_equity: Decimal | None
    widened: list[str]


@dataclass(frozen=True)
class Changed:
    """A changed subscription, and the choices by which more can be lost than before."""

    subscription: Subscription
    widened: list[str]


def refuse_overdrawn(allocated: Decimal, *, free: Decimal) -> None:
    """Raise SubscriptionRefused for an allocation beyond what is free in the account."""
    if allocated > free:
        message = _(
            "The account has %(free)s USDT that no other subscription may spend. Allocate at most "
            "that, or pay in more at the exchange."
        ) % {"free": f"{free:.2f}"}
        raise SubscriptionRefused(
            "terms_invalid", faults=[Wrong("allocated", "not_enough_funds", message)]
        )


def update(
    *,
    user: User,
    subscription_id: uuid.UUID,
    changes: Mapping[str, Any],
    version: int,
    held: Decimal | None,
    now: datetime,
) -> Changed:
    """Change some of the terms (names as in Terms) for new orders; the same again changes nothing.

    `held` is needed to raise the allocation. A changed allocation takes the stop-loss along; a
    changed `stop_loss_percent` counts from the equity of now. Locks account and subscription.
    Raises SubscriptionRefused, and Subscription.DoesNotExist for another person's.
    """
    with transaction.atomic():
        subscription = _locked(user=user, subscription_id=subscription_id)
        if subscription.version != version:
            raise SubscriptionRefused("changed_meanwhile")
        planned = plan(subscription=subscription, changes=changes, held=held)
        return _store(subscription, planned, user=user, now=now)


def plan(
    *, subscription: Subscription, changes: Mapping[str, Any], held: Decimal | None
) -> Planned:
    """What `update` would do, without doing it; raises SubscriptionRefused as it would."""
    if subscription.state not in _CHANGEABLE:
        raise SubscriptionRefused("not_changeable")
    after = terms_of(subscription, changes=changes)
    if faults := faults_of(after, strategy=subscription.strategy, before=subscription):
        raise SubscriptionRefused("terms_invalid", faults=faults)
    if after.allocated > subscription.allocated:
        most = funds.most_for(subscription, held=held or Decimal(0))
        refuse_overdrawn(after.allocated, free=most)
    stop_equity = _stop_equity(subscription, after, set_anew="stop_loss_percent" in changes)
    wider = widened(subscription, after, stop_equity=stop_equity)
    return Planned(after, stop_equity, wider)


def _locked(*, user: User, subscription_id: uuid.UUID) -> Subscription:
    account = Subscription.objects.values("account").get(pk=subscription_id, follower=user)
    ExchangeAccount.objects.select_for_update(no_key=True).only("pk").get(pk=account["account"])
    rows = Subscription.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("strategy", "account", "follower").get(pk=subscription_id)


def _stop_equity(subscription: Subscription, after: Terms, *, set_anew: bool) -> Decimal | None:
    """The new stop-loss in the quote asset; raises SubscriptionRefused for one that would strike."""
    pnl = subscription_equity(subscription=subscription).total - subscription.allocated
    equity = after.allocated + pnl
    stop: Decimal | None = subscription.stop_equity
    if set_anew:
        stop = stop_equity_of(equity=equity, percent=after.stop_loss_percent)
    elif stop is not None and after.allocated != subscription.allocated:
        stop = (stop * after.allocated / subscription.allocated).quantize(Decimal("0.01"))
    else:
        return stop
    if stop is not None and (stop < 0 or equity <= stop):
        message = _(
            "With this the copy would be worth %(equity)s USDT and its stop-loss, at %(stop)s USDT, "
            "would strike at once. Allocate more or change the stop-loss."
        ) % {"equity": f"{equity:.2f}", "stop": f"{stop:.2f}"}
        field = "stop_loss_percent" if set_anew else "allocated"
        fault = Wrong(field, "stop_loss_would_strike", message)
        raise SubscriptionRefused("terms_invalid", faults=[fault])
    return stop


def _store(subscription: Subscription, planned: Planned, *, user: User, now: datetime) -> Changed:
    wider = planned.widened
    before = terms_told(subscription)
    for name in STORED:
        setattr(subscription, name, getattr(planned.terms, name))
    subscription.symbols = list(planned.terms.symbols)
    subscription.stop_equity = planned.stop_equity
    differing = {
        name: [before[name], value]
        for name, value in terms_told(subscription).items()
        if before[name] != value
    }
    if differing:
        subscription.updated_at = now
        subscription.version += 1
        subscription.save(update_fields=[*STORED, "stop_equity", "updated_at", "version"])
        actor = audit.actor_of(user)
        record(subscription, "changed", actor=actor, now=now, changes=differing, widened=wider)
        tell(subscription, "widened" if wider else "changed", now=now)
    return Changed(subscription, wider)


def pause(*, user: User, subscription_id: uuid.UUID, now: datetime) -> Subscription:
    """Copy closes only until resumed, and have resting orders cancelled; a repeat changes nothing.

    Raises SubscriptionRefused (not_active), Subscription.DoesNotExist for another person's.
    """
    with transaction.atomic():
        subscription = _locked(user=user, subscription_id=subscription_id)
        if subscription.state == SubscriptionState.PAUSED:
            return subscription
        if subscription.state not in (SubscriptionState.ACTIVE, SubscriptionState.REDUCING):
            raise SubscriptionRefused("not_active")
        _move(subscription, SubscriptionState.PAUSED, "paused", user=user, now=now)
        Subscription.objects.filter(pk=subscription.pk).update(next_attempt_at=now)
        work.nudge_after_commit(RECONCILE_TASK, pk=subscription.pk)
    return subscription


def resume(
    *, user: User, subscription_id: uuid.UUID, confirm: bool = False, now: datetime
) -> Subscription:
    """Copy everything again after a pause; after a day's loss limit only when `confirm`ed.

    Raises SubscriptionRefused, and Subscription.DoesNotExist for another person's.
    """
    with transaction.atomic():
        subscription = _locked(user=user, subscription_id=subscription_id)
        if subscription.state == SubscriptionState.ACTIVE:
            return subscription
        if subscription.account.state != AccountState.ACTIVE:
            raise SubscriptionRefused("account_paused")
        if subscription.state == SubscriptionState.REDUCING:
            if not confirm:
                raise SubscriptionRefused("confirm_resume")
            return _rearm(user=user, subscription_id=subscription_id, now=now)
        if subscription.state != SubscriptionState.PAUSED:
            raise SubscriptionRefused("not_paused")
        _move(subscription, SubscriptionState.ACTIVE, "resumed", user=user, now=now)
    return subscription


def _rearm(*, user: User, subscription_id: uuid.UUID, now: datetime) -> Subscription:
    try:
        return risk.rearm(by=user, subscription_id=subscription_id, now=now)
    except risk.RiskRefused as refusal:
        raise SubscriptionRefused(refusal.code, message=refusal.message) from refusal


def stop(
    *, user: User, subscription_id: uuid.UUID, on_stop: str = "", now: datetime
) -> Subscription:
    """End a subscription: its positions are closed or kept, as chosen now or before.

    A repeat changes nothing. Raises SubscriptionRefused (on_stop_invalid), and
    Subscription.DoesNotExist for another person's. Locks strategy and subscription.
    """
    if on_stop and on_stop not in Subscription.OnStop.values:
        raise SubscriptionRefused("on_stop_invalid")
    with transaction.atomic():
        subscription = Subscription.objects.select_related("strategy", "account", "follower").get(
            pk=subscription_id, follower=user
        )
        begun = stopping.begin_stop(
            subscription=subscription,
            reason="stopped_by_follower",
            on_stop=on_stop,
            actor=audit.actor_of(user),
            now=now,
        )
        if begun and subscription.state == SubscriptionState.STOPPING:
            tell(subscription, subscription.on_stop, now=now)
    return subscription


def _move(
    subscription: Subscription,
    state: SubscriptionState,
    what: str,
    *,
    user: User,
    now: datetime,
) -> None:
    SUBSCRIPTION_MOVES.check(subscription.state, state)
    subscription.state, subscription.state_reason = state, ""
    subscription.updated_at = now
    subscription.version += 1
    subscription.save(update_fields=["state", "state_reason", "updated_at", "version"])
    record(subscription, what, actor=audit.actor_of(user), now=now)
    tell(subscription, what, now=now)


def terms_told(subscription: Subscription) -> dict[str, object]:
    """The terms as the audit trail keeps them; the order of pairs says nothing."""
    values = {name: getattr(subscription, name) for name in (*STORED, "stop_equity")}
    told = {
        name: plain(value) if isinstance(value, Decimal) else value
        for name, value in values.items()
    }
    return told | {"symbols": sorted(subscription.symbols)}


def record(
    subscription: Subscription, what: str, *, actor: str, now: datetime, **evidence: object
) -> None:
    audit.record(
        actor=actor,
        action=f"subscription.{what}",
        object_type="subscription",
        object_id=str(subscription.pk),
        evidence={
            "strategy": str(subscription.strategy_id),
            "account": str(subscription.account_id),
            "state": str(subscription.state),
            **evidence,
        },
        now=now,
    )
