"""Reads about a person's exchange accounts."""

import uuid

from django.db.models import Count, Q, QuerySet

from accounts.models import User
from copytrade.models import ExchangeAccount
from copytrade.states import AccountState, StrategyState, SubscriptionState


def accounts_of(user: User) -> QuerySet[ExchangeAccount]:
    """The user's accounts but the removed ones, newest first, with how often each is in use."""
    return (
        ExchangeAccount.objects.filter(user=user)
        .exclude(state=AccountState.REMOVED)
        .annotate(
            copying=Count(
                "subscriptions",
                filter=~Q(subscriptions__state=SubscriptionState.STOPPED),
                distinct=True,
            ),
            publishing=Count(
                "strategies", filter=~Q(strategies__state=StrategyState.DELETED), distinct=True
            ),
        )
        .order_by("-created_at", "-id")
    )


def account_for(*, user: User, account_id: uuid.UUID) -> ExchangeAccount:
    """An account of this user that is not removed; raises ExchangeAccount.DoesNotExist."""
    return accounts_of(user).get(pk=account_id)


def accounts_to_copy_with(*, user: User, exchange: str) -> QuerySet[ExchangeAccount]:
    """The user's accounts at an exchange that are in use and publish nothing themselves."""
    own = ExchangeAccount.objects.filter(user=user, exchange=exchange, state=AccountState.ACTIVE)
    return own.exclude(strategies__state__in=[StrategyState.ACTIVE, StrategyState.PAUSED]).order_by(
        "label", "pk"
    )
