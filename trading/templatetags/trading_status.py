"""How an order's state looks: a word, an icon and a colour, each enough by itself."""

from datetime import datetime
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from agora.lib.money import to_cents, up_to_cents
from trading.models import Order
from trading.states import State

register = template.Library()

LOOKS: dict[str, tuple[str, str, StrOrPromise]] = {
    State.PENDING: ("info", "clock", _("Processing")),
    State.SUBMITTED: ("info", "clock", _("At the broker")),
    State.FILLED: ("info", "landmark", _("Share bought")),
    State.CUSTODY_CONFIRMED: ("info", "shield-check", _("In custody")),
    State.MINTING: ("info", "loader-circle", _("Minting")),
    State.MINT_CONFIRMED: ("success", "circle-check", _("Minted")),
    State.REJECTED: ("error", "circle-x", _("Rejected")),
    State.CANCELLED: ("neutral", "ban", _("Cancelled")),
    State.FAILED: ("error", "triangle-alert", _("Failed")),
}
UNKNOWN = ("neutral", "circle-question-mark", _("Unknown"))


@register.filter
def tone(state: str) -> str:
    return LOOKS.get(state, UNKNOWN)[0]


@register.filter
def state_icon(state: str) -> str:
    return LOOKS.get(state, UNKNOWN)[1]


@register.filter
def state_label(state: str) -> StrOrPromise:
    return LOOKS.get(state, UNKNOWN)[2]


@register.filter
def cost_of(order: Order) -> Decimal | None:
    """What the filled part cost, in USD; None before a fill."""
    if order.filled_avg_price is None:
        return None
    return to_cents(order.filled_quantity * order.filled_avg_price)


@register.filter
def worst_of(order: Order) -> Decimal:
    """The most that the order could cost, in USD."""
    return up_to_cents(order.quantity * order.limit_price)


@register.filter
def age_seconds(moment: datetime) -> int:
    """Whole seconds since a moment: how old a price is."""
    return max(0, int((timezone.now() - moment).total_seconds()))
