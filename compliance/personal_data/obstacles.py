"""What has to be wound up before an account can be closed for good."""

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agora.lib.catalog import Text
from compliance.ownership import addresses_of
from copytrade.models import ExchangeAccount, Strategy, Subscription
from copytrade.states import AccountState, StrategyState, SubscriptionState
from tokens.selectors import balance_of
from trading.models import Order
from trading.states import MOVES

MESSAGES: dict[str, Text] = {
    "staff": _("This account works for Agora. Its roles have to be taken away first."),
    "orders_open": _("An order is still under way. Wait until it has ended, or cancel it."),
    "tokens_held": _(
        "Your wallet, or one that was yours before, still holds AAPL-RAT. Agora could not tell any "
        "more that they are yours: send them elsewhere first, or give them up as you ask for it."
    ),
    "subscriptions_running": _("You still copy a strategy. Stop it, and wait until it has closed."),
    "strategies_published": _("You still publish a strategy. Delete it first."),
    "exchange_accounts": _("Agora still has the key of an exchange account. Remove it first."),
}
# Where the person can see to it.
_PAGES = {
    "orders_open": "orders",
    "tokens_held": "wallet",
    "subscriptions_running": "subscriptions",
    "strategies_published": "strategies-mine",
    "exchange_accounts": "exchange-accounts",
}


@dataclass(frozen=True)
class Obstacle:
    """One thing to be wound up; `href` is where, or empty."""

    code: str

    @property
    def message(self) -> Text:
        return MESSAGES[self.code]

    @property
    def href(self) -> str:
        return reverse(_PAGES[self.code]) if self.code in _PAGES else ""


def in_database(user: User) -> list[Obstacle]:
    """What our own tables tell. Reads only."""
    orders = Order.objects.filter(user=user).exclude(state__in=MOVES.terminal)
    found = {
        "staff": user.is_staff or user.is_superuser,
        "orders_open": orders.exists(),
        "subscriptions_running": Subscription.objects.filter(follower=user)
        .exclude(state=SubscriptionState.STOPPED)
        .exists(),
        "strategies_published": Strategy.objects.filter(master=user)
        .exclude(state=StrategyState.DELETED)
        .exists(),
        "exchange_accounts": ExchangeAccount.objects.filter(user=user)
        .exclude(state=AccountState.REMOVED)
        .exists(),
    }
    return [Obstacle(code) for code, is_there in found.items() if is_there]


def on_chain(user: User) -> list[Obstacle]:
    """Whether an address of the person's, also of before, holds tokens.

    Raises Temporary or Rejected while the chain cannot be read.
    """
    # Whom nothing was ever minted for holds nothing that anybody would miss here.
    if not Order.objects.filter(user=user).exclude(mint=None).exists():
        return []
    held = any(balance_of(each, cached=False).units for each in addresses_of(user.pk))
    return [Obstacle("tokens_held")] if held else []
