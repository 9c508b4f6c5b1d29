"""Engaged kill switches for templates, so that every page concerned shows them alike."""

from django import template

from accounts.models import User
from copytrade.models import KillSwitch, Strategy, Subscription
from copytrade.selectors.switches import engaged_for, engaged_for_person

register = template.Library()


@register.simple_tag
def switches_of(
    *,
    strategy: Strategy | str | None = None,
    subscription: Subscription | str | None = None,
    person: User | str | None = None,
) -> list[KillSwitch]:
    """Switches that stop this subscription, or strategy, or anything of this person's."""
    if isinstance(subscription, Subscription):
        return engaged_for(subscription=subscription)
    if isinstance(strategy, Strategy):
        return engaged_for(strategy=strategy)
    return engaged_for_person(person) if isinstance(person, User) else []


@register.filter
def may_release(switch: KillSwitch, user: User) -> bool:
    """Whether the person themself engaged it; what Agora engaged, Agora releases."""
    return switch.engaged_by == f"user:{user.pk}"


@register.filter
def stopped_name(switch: KillSwitch) -> str:
    """The strategy that the switch is about; "" for a wider one."""
    if switch.subscription is not None:
        return switch.subscription.strategy.name
    return switch.strategy.name if switch.strategy else ""
