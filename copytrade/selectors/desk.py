"""What a master sees at the desk: open orders, positions, recent signals and what became of them."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from accounts.models import User
from copytrade.models import (
    MarkPrice,
    MasterOrder,
    MasterPosition,
    Signal,
    Strategy,
    Subscription,
)
from copytrade.states import LegState, MasterOrderState, StrategyState, SubscriptionState

RECENT_SIGNALS = 10
RECENT_ORDERS = 10
_WAITING = (LegState.PLANNED, LegState.SENDING, LegState.WORKING)
_COPIED = (LegState.FILLED, LegState.CANCELLED, LegState.DONE)


@dataclass(frozen=True)
class Price:
    """The newest price of a pair; `fresh` tells whether it may be traded at."""

    symbol: str
    price: Decimal | None
    at: datetime | None
    fresh: bool


@dataclass(frozen=True)
class Held:
    """A position with its value; amounts in the quote asset, None without a price."""

    symbol: str
    quantity: Decimal
    average_price: Decimal | None
    value: Decimal | None
    gain: Decimal | None


@dataclass(frozen=True)
class Desk:
    """Everything that changes on the page; `tag` is another one when something did."""

    open_orders: list[MasterOrder]
    ended_orders: list[MasterOrder]
    positions: list[Held]
    signals: list[Signal]
    followers: int
    tag: str


def own_strategy(*, user: User, strategy_id: uuid.UUID) -> Strategy:
    """A living strategy of the user's; raises Strategy.DoesNotExist for anybody else's."""
    own = Strategy.objects.select_related("account", "master")
    return own.exclude(state=StrategyState.DELETED).get(pk=strategy_id, master=user)


def orders_of(strategy: Strategy) -> QuerySet[MasterOrder]:
    """All orders of a strategy's account in its pairs, newest first."""
    return MasterOrder.objects.filter(strategy=strategy).order_by("-placed_at", "-id")


def order_of(*, strategy: Strategy, order_id: uuid.UUID) -> MasterOrder:
    """One order of the strategy; raises MasterOrder.DoesNotExist."""
    return MasterOrder.objects.get(pk=order_id, strategy=strategy)


def desk_of(*, strategy: Strategy, now: datetime) -> Desk:
    """The desk as it stands, in six queries whatever it shows."""
    mine = MasterOrder.objects.filter(strategy=strategy)
    is_open = Q(state__in=[MasterOrderState.PENDING, MasterOrderState.WORKING])
    open_orders = list(mine.filter(is_open).order_by("-placed_at"))
    ended = list(mine.exclude(is_open).order_by("-placed_at")[:RECENT_ORDERS])
    signals = list(_signals(strategy))
    followers = followers_of(strategy)
    positions = _positions(strategy)
    changes = [
        *(f"{o.pk}{o.state}{o.filled}{o.cancel_requested_at}{o.attention}" for o in open_orders),
        *(f"{o.pk}{o.state}{o.filled}{o.attention}" for o in ended),
        *(f"{s.pk}{getattr(s, 'copied', 0)}-{getattr(s, 'waiting', 0)}" for s in signals),
        *(f"{p.symbol}{p.quantity}" for p in positions),
        str(followers),
        # Values move with the price: they are drawn anew now and then even if nothing else is.
        str(int(now.timestamp()) // 15),
    ]
    tag = uuid.uuid5(uuid.NAMESPACE_OID, "|".join(changes)).hex
    return Desk(open_orders, ended, positions, signals, followers, tag)


def followers_of(strategy: Strategy) -> int:
    """How many subscriptions would copy an opening order now."""
    return Subscription.objects.filter(strategy=strategy, state=SubscriptionState.ACTIVE).count()


def _signals(strategy: Strategy) -> QuerySet[Signal]:
    """The newest signals, with how many legs copied them, did not, or still wait.

    Those of one follower alone (joining, stopping) are not the master's to see.
    """
    return (
        Signal.objects.filter(strategy=strategy, cause=Signal.Cause.MASTER)
        .annotate(
            copied=Count(
                "legs",
                filter=Q(legs__state__in=_COPIED) & (Q(legs__filled__gt=0) | Q(kind="CANCEL")),
            ),
            waiting=Count("legs", filter=Q(legs__state__in=_WAITING)),
            planned=Count("legs"),
        )
        .order_by("-number")[:RECENT_SIGNALS]
    )


def _positions(strategy: Strategy) -> list[Held]:
    held = MasterPosition.objects.filter(
        strategy=strategy, quantity__gt=0, symbol__in=strategy.symbols
    )
    prices = dict(
        MarkPrice.objects.filter(
            exchange=strategy.exchange, symbol__in=strategy.symbols
        ).values_list("symbol", "price")
    )
    return [_held(position, prices.get(position.symbol)) for position in held.order_by("symbol")]


def _held(position: MasterPosition, price: Decimal | None) -> Held:
    value = None if price is None else position.quantity * price
    return Held(
        symbol=position.symbol,
        quantity=position.quantity,
        average_price=position.average_price,
        value=value,
        gain=None if value is None else value - position.cost,
    )


def prices_of(*, strategy: Strategy, now: datetime) -> list[Price]:
    """The newest price of each pair of the strategy, in its own order of pairs."""
    marks = {
        mark.symbol: mark
        for mark in MarkPrice.objects.filter(
            exchange=strategy.exchange, symbol__in=strategy.symbols
        )
    }
    oldest = now - timedelta(seconds=settings.COPY_PRICE_MAX_AGE_SECONDS)
    return [
        Price(
            symbol=symbol,
            price=marks[symbol].price if symbol in marks else None,
            at=marks[symbol].at if symbol in marks else None,
            fresh=symbol in marks and marks[symbol].at >= oldest,
        )
        for symbol in strategy.symbols
    ]
