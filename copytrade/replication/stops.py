"""Whether something forbids a master's order to be sent at this moment."""

from django.db.models import Q

from copytrade.models import KillSwitch, Side, Strategy
from copytrade.states import AccountState, StrategyState


def held_back(*, strategy: Strategy, side: str) -> str:
    """The reason code that forbids an order of a strategy's master now; "" when nothing does.

    Read from the database each time, never kept: a kill switch also stops an order that is being
    tried again. A paused strategy may still be sold out of.
    """
    levels = KillSwitch.Level
    engaged = KillSwitch.objects.filter(released_at=None).filter(
        Q(level=levels.PLATFORM)
        | Q(level=levels.EXCHANGE, exchange=strategy.exchange)
        | Q(level=levels.STRATEGY, strategy=strategy.pk)
    )
    if engaged.exists():
        return "kill_switch"
    now = Strategy.objects.select_related("account").get(pk=strategy.pk)
    reducing = now.state == StrategyState.PAUSED and side == Side.SELL
    if now.state != StrategyState.ACTIVE and not reducing:
        return "strategy_paused"
    return "" if now.account.state == AccountState.ACTIVE else "account_paused"
