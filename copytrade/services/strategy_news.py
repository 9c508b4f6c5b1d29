"""What followers are told of a strategy that they copy, in the transaction of what happened."""

from collections.abc import Mapping
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext_noop

from accounts import notices
from accounts.models import Notice
from agora.lib.money import plain
from copytrade.models import Strategy
from copytrade.states import StrategyState, SubscriptionState

_MOVED = {
    StrategyState.PAUSED: (
        "strategy_paused",
        Notice.Level.WARNING,
        gettext_noop("The strategy %(strategy)s is paused"),
        gettext_noop(
            "Its master paused it. Until it goes on, only closes are copied; your positions stay."
        ),
    ),
    StrategyState.ACTIVE: (
        "strategy_resumed",
        Notice.Level.INFO,
        gettext_noop("The strategy %(strategy)s goes on"),
        gettext_noop("Its master ended the pause. New orders are copied again."),
    ),
    StrategyState.DELETED: (
        "strategy_deleted",
        Notice.Level.WARNING,
        gettext_noop("The strategy %(strategy)s has ended"),
        gettext_noop(
            "Its master deleted it. Your subscription stops as you chose: copied positions are "
            "closed or kept. The history of your trades stays."
        ),
    ),
}


def tell_moved(strategy: Strategy, *, now: datetime) -> None:
    """Tell followers that it was paused, resumed or deleted."""
    kind, level, subject, body = _MOVED[StrategyState(strategy.state)]
    _tell(strategy, kind=kind, level=level, subject=subject, body=body, params={}, now=now)


def tell_changed(strategy: Strategy, *, now: datetime) -> None:
    """Tell followers the new terms: pairs, how resting orders are copied, smallest allocation."""
    body = gettext_noop(
        "It now trades %(symbols)s, with at least %(min_equity)s USDT allocated. Pairs that are "
        "not on the list of your subscription are not copied. Look at the terms before you go on."
    )
    params = {"symbols": ", ".join(strategy.symbols), "min_equity": plain(strategy.min_equity)}
    _tell(
        strategy,
        kind="strategy_changed",
        level=Notice.Level.INFO,
        subject=gettext_noop("The strategy %(strategy)s has new terms"),
        body=body,
        params=params,
        now=now,
    )


def _tell(
    strategy: Strategy,
    *,
    kind: str,
    level: Notice.Level,
    subject: str,
    body: str,
    params: Mapping[str, str],
    now: datetime,
) -> None:
    following = strategy.subscriptions.exclude(
        state__in=[SubscriptionState.STOPPING, SubscriptionState.STOPPED]
    )
    notices.notify_all(
        user_ids=following.values_list("follower", flat=True),
        kind=kind,
        subject=subject,
        body=body,
        params={"strategy": strategy.name, **params},
        url=reverse("strategy", args=[strategy.pk]),
        level=level,
        now=now,
    )
