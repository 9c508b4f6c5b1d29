"""How copying stands at this moment, for the operator."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from copytrade.models import CopyOrder, ExchangeAccount, MasterOrder, Subscription
from copytrade.selectors.switches import engaged
from copytrade.states import AccountState, LegState

OPEN = (LegState.PLANNED, LegState.SENDING, LegState.WORKING)


@dataclass(frozen=True)
class Overview:
    """Counts of now. `oldest_waiting_seconds` is of legs that are due; None when none is."""

    open_legs: dict[str, int]
    oldest_waiting_seconds: float | None
    oldest_waiting_leg: str | None
    legs_in_attention: int
    master_orders_in_attention: int
    accounts_resting: int
    accounts_paused: int
    subscriptions: dict[str, int]
    switches: list[str]

    @property
    def needs_a_person(self) -> bool:
        return bool(self.legs_in_attention or self.master_orders_in_attention)


def overview(*, now: datetime) -> Overview:
    """All of it, in six short queries."""
    legs = CopyOrder.objects.filter(state__in=OPEN).order_by()
    waiting = legs.filter(next_attempt_at__lte=now).order_by("created_at").first()
    accounts = ExchangeAccount.objects.aggregate(
        resting=Count("pk", filter=Q(state=AccountState.ACTIVE, blocked_until__gt=now)),
        paused=Count("pk", filter=Q(state=AccountState.PAUSED)),
    )
    states = Subscription.objects.order_by().values_list("state").annotate(count=Count("pk"))
    return Overview(
        open_legs=dict(legs.values_list("state").annotate(count=Count("pk"))),
        oldest_waiting_seconds=(now - waiting.created_at).total_seconds() if waiting else None,
        oldest_waiting_leg=str(waiting.pk) if waiting else None,
        legs_in_attention=CopyOrder.objects.filter(attention=True).count(),
        master_orders_in_attention=MasterOrder.objects.filter(attention=True).count(),
        accounts_resting=accounts["resting"],
        accounts_paused=accounts["paused"],
        subscriptions=dict(states),
        switches=[
            f"{s.pk}: {s.level} {s.strategy_id or s.subscription_id or s.exchange}".strip()
            + f", since {s.engaged_at:%Y-%m-%d %H:%M} UTC by {s.engaged_by}: {s.reason}"
            for s in engaged()
        ],
    )
