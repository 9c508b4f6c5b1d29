"""How much of an exchange account is free for a subscription."""

import uuid
from decimal import Decimal

from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from agora.lib.catalog import Text
from agora.lib.crypto import Undecryptable
from agora.lib.outcome import OutsideError
from copytrade.exchange import runner
from copytrade.exchange.credentials import credentials_of
from copytrade.models import QUOTE, CopyPosition, ExchangeAccount, Subscription
from copytrade.states import SubscriptionState

_SECONDS = 5.0
_ZERO = Decimal(0)


class FundsUnknown(Exception):
    """The exchange did not tell what the account holds."""

    message: Text = _(
        "The exchange did not tell what your account holds, so nothing was changed. Try again in a "
        "minute; if it stays, check the account's key."
    )


def held_now(account: ExchangeAccount) -> Decimal:
    """Units of the quote asset in the account, as the exchange says now; raises FundsUnknown.

    Outside of transactions only.
    """
    try:
        balances = runner.run(runner.venue().balances(credentials_of(account)), timeout=_SECONDS)
    except (OutsideError, Undecryptable) as error:
        raise FundsUnknown from error
    held = balances.get(QUOTE)
    return held.total if held else _ZERO


def free_of(*, account_id: uuid.UUID, held: Decimal, but: Subscription | None = None) -> Decimal:
    """What is left of `held` after the cash that the account's other subscriptions may still spend.

    Cash of a subscription: what it was allocated and realized, less what its positions cost. `but`
    is a subscription whose own cash is not taken off.
    """
    others = Subscription.objects.filter(account_id=account_id).exclude(
        state=SubscriptionState.STOPPED
    )
    if but is not None:
        others = others.exclude(pk=but.pk)
    return max(held - sum((cash_of(other) for other in others), _ZERO), _ZERO)


def cash_of(subscription: Subscription) -> Decimal:
    """What a subscription may still spend; never negative."""
    allocated: Decimal = subscription.allocated
    return max(allocated + _net(subscription), _ZERO)


def most_for(subscription: Subscription, *, held: Decimal) -> Decimal:
    """The largest allocation that the account can bear for a running subscription."""
    free = free_of(account_id=subscription.account_id, held=held, but=subscription)
    return max(free - _net(subscription), _ZERO)


def _net(subscription: Subscription) -> Decimal:
    sums = CopyPosition.objects.filter(subscription=subscription).aggregate(
        realized=Sum("realized"), cost=Sum("cost")
    )
    realized: Decimal = sums["realized"] or _ZERO
    cost: Decimal = sums["cost"] or _ZERO
    return realized - cost
