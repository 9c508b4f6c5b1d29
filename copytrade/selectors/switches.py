"""Which kill switches are engaged, for showing them. Whether to send is asked by the engine itself."""

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts.models import User
from copytrade.models import CopyOrder, KillSwitch, MasterOrder, Strategy, Subscription
from copytrade.states import LegState, MasterOrderState

Level = KillSwitch.Level


def engaged() -> QuerySet[KillSwitch]:
    """All engaged switches, newest first."""
    return (
        KillSwitch.objects.filter(released_at__isnull=True)
        .select_related("strategy", "subscription__strategy")
        .order_by("-engaged_at")
    )


def engaged_for(
    *, strategy: Strategy | None = None, subscription: Subscription | None = None
) -> list[KillSwitch]:
    """Switches that stop this strategy, or this subscription; widest first."""
    of = subscription.strategy if subscription else strategy
    stops = Q(level=Level.PLATFORM)
    if of is not None:
        stops |= Q(level=Level.EXCHANGE, exchange=of.exchange) | Q(strategy=of)
    if subscription is not None:
        stops |= Q(subscription=subscription)
    order = list(Level)
    return sorted(engaged().filter(stops), key=lambda s: order.index(Level(s.level)))


def engaged_for_person(user: User) -> list[KillSwitch]:
    """Switches that stop anything of this person's: their subscriptions, and what they publish."""
    subscriptions = Subscription.objects.filter(follower=user).exclude(state="STOPPED")
    strategies = Strategy.objects.filter(
        Q(master=user) | Q(pk__in=subscriptions.values("strategy"))
    ).exclude(state="DELETED")
    exchanges = strategies.values("exchange")
    return list(
        engaged().filter(
            Q(level=Level.PLATFORM)
            | Q(level=Level.EXCHANGE, exchange__in=exchanges)
            | Q(strategy__in=strategies.values("pk"))
            | Q(subscription__in=subscriptions.values("pk"))
        )
    )


def legs_under(switch: KillSwitch) -> QuerySet[CopyOrder]:
    """Legs that the switch stops."""
    return CopyOrder.objects.filter(
        {
            Level.PLATFORM: Q(),
            Level.EXCHANGE: Q(account__exchange=switch.exchange),
            Level.STRATEGY: Q(signal__strategy=switch.strategy_id),
            Level.SUBSCRIPTION: Q(subscription=switch.subscription_id),
        }[Level(switch.level)]
    )


def orders_under(switch: KillSwitch) -> QuerySet[MasterOrder]:
    """Masters' own orders that the switch stops."""
    return MasterOrder.objects.filter(
        {
            Level.PLATFORM: Q(),
            Level.EXCHANGE: Q(account__exchange=switch.exchange),
            Level.STRATEGY: Q(strategy=switch.strategy_id),
            Level.SUBSCRIPTION: Q(pk__in=[]),
        }[Level(switch.level)]
    )


def on_the_wire_under(switch: KillSwitch) -> int:
    """How many orders, copied and masters' own, a worker is sending at this moment."""
    legs = legs_under(switch).filter(state=LegState.SENDING, lease_until__gt=Now())
    # The condition on the next attempt is that of the index.
    own = orders_under(switch).filter(
        state=MasterOrderState.PENDING,
        asked_at__isnull=False,
        lease_until__gt=Now(),
        next_attempt_at__isnull=False,
    )
    return legs.count() + own.count()


def open_legs_under(switch: KillSwitch) -> dict[str, int]:
    """How many legs under the switch are on the wire, and how many rest at the exchange."""
    legs = legs_under(switch)
    return {
        "sending": legs.filter(state=LegState.SENDING).count(),
        "working": legs.filter(state=LegState.WORKING).count(),
    }
