"""How a master's order looks: a word, an icon and a colour, each enough by itself."""

from django import template
from django.utils.functional import Promise

from copytrade.models import MasterOrder, Signal
from copytrade.reasons import text_of
from copytrade.states import MasterOrderState

register = template.Library()

_LOOKS = {
    MasterOrderState.PENDING: ("info", "loader-circle"),
    MasterOrderState.WORKING: ("info", "clock"),
    MasterOrderState.FILLED: ("success", "circle-check"),
    MasterOrderState.CANCELLED: ("neutral", "ban"),
    MasterOrderState.REJECTED: ("error", "circle-x"),
}


@register.filter
def order_tone(order: MasterOrder) -> str:
    return _LOOKS[MasterOrderState(order.state)][0]


@register.filter
def order_icon(order: MasterOrder) -> str:
    return _LOOKS[MasterOrderState(order.state)][1]


@register.filter
def reason_text(order: MasterOrder) -> "str | Promise":
    """Why an order ended otherwise than asked for, as a sentence; "" when there is nothing to say."""
    return text_of(order.reason) if order.reason else ""


@register.filter
def not_copied(signal: Signal) -> int:
    """How many followers did not copy a signal, of those that do not wait any more."""
    counts = vars(signal)
    return int(counts["planned"] - counts["copied"] - counts["waiting"])
