"""Reads about single strategies: who may see one, and what its page shows."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Q, QuerySet

from accounts.models import User
from copytrade.models import (
    ExchangeAccount,
    Fill,
    MarkPrice,
    MasterPosition,
    NavPoint,
    Strategy,
    Subscription,
    TrackRecord,
)
from copytrade.states import AccountState, StrategyState, SubscriptionState


def strategy_for(*, user: User, strategy_id: uuid.UUID) -> Strategy:
    """A strategy that this user may look at; raises Strategy.DoesNotExist.

    Public ones until they are deleted; private ones for their master and whoever copies them now;
    deleted ones for their master and whoever ever copied them. An invitation opens a private one by
    `invited`.
    """
    strategy = Strategy.objects.get(pk=strategy_id)
    deleted = strategy.state == StrategyState.DELETED
    if strategy.master_id == user.pk or (strategy.is_public and not deleted):
        return strategy
    copied = subscription_of(user=user, strategy=strategy)
    if copied is None or (copied.state == SubscriptionState.STOPPED and not deleted):
        raise Strategy.DoesNotExist
    return strategy


def invited(*, code: str) -> Strategy:
    """The strategy that an invitation leads to; raises Strategy.DoesNotExist once it is deleted."""
    return Strategy.objects.exclude(state=StrategyState.DELETED).get(invite_code=code)


def own_strategy(*, master: User, strategy_id: uuid.UUID) -> Strategy:
    """A strategy of this master; raises Strategy.DoesNotExist for anybody else."""
    return Strategy.objects.select_related("account").get(pk=strategy_id, master=master)


def strategies_of(master: User) -> QuerySet[Strategy]:
    """The master's strategies, deleted ones too, newest first."""
    return Strategy.objects.filter(master=master).select_related("account")


def free_accounts(master: User) -> QuerySet[ExchangeAccount]:
    """Exchange accounts in use that have no strategy yet."""
    taken = Strategy.objects.exclude(state=StrategyState.DELETED).values("account")
    own = ExchangeAccount.objects.filter(user=master, state=AccountState.ACTIVE)
    return own.exclude(pk__in=taken).order_by("label", "pk")


def subscription_of(*, user: User, strategy: Strategy) -> Subscription | None:
    """The user's running subscription to it, else the newest of the past."""
    mine = Subscription.objects.filter(follower=user, strategy=strategy)
    running = mine.exclude(state=SubscriptionState.STOPPED).first()
    return running or mine.order_by("-created_at").first()


def records_of(strategy: Strategy) -> dict[int, TrackRecord]:
    """Track records by period in days."""
    return {record.period: record for record in strategy.records.order_by("period")}


def curve_of(strategy: Strategy, *, days: int, today: date) -> Sequence[NavPoint]:
    """Unit values of the last days, and of the evening before them, oldest first."""
    since = today - timedelta(days=days)
    return list(NavPoint.objects.filter(strategy=strategy, day__gte=since).order_by("day"))


def trades_of(strategy: Strategy) -> QuerySet[Fill]:
    """The strategy's own trades, newest first."""
    return Fill.objects.filter(strategy=strategy).order_by("-at", "-id")


@dataclass(frozen=True)
class Held:
    """A position of the master; `value` and `gain` in the quote asset, None without a price."""

    symbol: str
    quantity: Decimal
    average_price: Decimal | None
    value: Decimal | None
    gain: Decimal | None


def positions_of(strategy: Strategy) -> list[Held]:
    """What the master's account holds now, by its ledger."""
    rows = MasterPosition.objects.filter(~Q(quantity=0), strategy=strategy).order_by("symbol")
    marks = dict(
        MarkPrice.objects.filter(
            exchange=strategy.exchange, symbol__in=[row.symbol for row in rows]
        ).values_list("symbol", "price")
    )
    held = []
    for row in rows:
        mark = marks.get(row.symbol)
        value = None if mark is None else row.quantity * mark
        gain = None if value is None else value - row.cost
        held.append(Held(row.symbol, row.quantity, row.average_price, value, gain))
    return held
