"""Reads about a follower's subscriptions."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet

from accounts.models import User
from copytrade.models import CopyOrder, CopyPosition, MarkPrice, Subscription
from copytrade.selectors.equity import Equity, equities
from copytrade.selectors.explain import reason_told
from copytrade.states import SubscriptionState


def subscriptions_of(user: User) -> QuerySet[Subscription]:
    """The user's subscriptions, newest first."""
    own = Subscription.objects.filter(follower=user).select_related("strategy", "account")
    return own.order_by("-created_at", "-id")


def subscription_for(*, user: User, subscription_id: uuid.UUID) -> Subscription:
    """A subscription of this user; raises Subscription.DoesNotExist for strangers."""
    return subscriptions_of(user).select_related("follower").get(pk=subscription_id)


def running_copy(*, user: User, strategy_id: uuid.UUID) -> Subscription | None:
    """The user's subscription to a strategy that has not stopped."""
    own = subscriptions_of(user).filter(strategy=strategy_id)
    return own.exclude(state=SubscriptionState.STOPPED).first()


@dataclass(frozen=True)
class Standing:
    """A subscription with what it is worth; `pnl` is profit and loss since it began."""

    subscription: Subscription
    equity: Equity

    @property
    def pnl(self) -> Decimal:
        return self.equity.realized + self.equity.unrealized

    @property
    def pnl_percent(self) -> Decimal:
        allocated: Decimal = self.subscription.allocated
        return 100 * self.pnl / allocated


def standing_of(subscription: Subscription) -> Standing:
    """What a subscription is worth now."""
    return standings_of([subscription])[0]


def standings_of(subscriptions: Sequence[Subscription]) -> list[Standing]:
    """What each subscription is worth now, in two queries for all."""
    worth = equities(subscriptions)
    return [Standing(one, worth[one.pk]) for one in subscriptions]


@dataclass(frozen=True)
class Holding:
    """A position; `value` and `gain` in the quote asset, None without a price."""

    symbol: str
    quantity: Decimal
    average_price: Decimal | None
    price: Decimal | None

    @property
    def value(self) -> Decimal | None:
        return None if self.price is None else self.quantity * self.price

    @property
    def gain(self) -> Decimal | None:
        if self.value is None or self.average_price is None:
            return None
        return self.value - self.quantity * self.average_price


def holdings_of(subscription: Subscription) -> Sequence[Holding]:
    """What a subscription holds, by pair."""
    rows = list(CopyPosition.objects.filter(subscription=subscription, quantity__gt=0))
    marks = dict(
        MarkPrice.objects.filter(
            exchange=subscription.strategy.exchange, symbol__in=[row.symbol for row in rows]
        ).values_list("symbol", "price")
    )
    return [
        Holding(row.symbol, row.quantity, row.average_price, marks.get(row.symbol)) for row in rows
    ]


@dataclass(frozen=True)
class Copied:
    """A leg as its follower reads it; `delay` in seconds from the master to the exchange's word."""

    leg: CopyOrder
    why: str
    delay: float | None


def latest_of(subscription: Subscription, *, limit: int) -> list[Copied]:
    """The newest legs of a subscription: what became of the master's last signals."""
    legs = CopyOrder.objects.filter(subscription=subscription).select_related("signal")
    return [
        Copied(
            leg=leg,
            why=reason_told(state=leg.state, reason=leg.reason),
            delay=(leg.accepted_at - leg.signal.at).total_seconds() if leg.accepted_at else None,
        )
        for leg in legs.order_by("-created_at", "-id")[:limit]
    ]
