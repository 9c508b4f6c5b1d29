"""What keeps a mint back: an unsettled match on a list, or a wallet that is somebody else's by now."""

import uuid
from collections.abc import Sequence

from accounts import wallets
from kyc import holds
from kyc.selectors import application_of
from trading.models import Order
from trading.settlement.moves import NeedsAttention
from trading.states import State

# The buyer may be an officer, who reads what an order waits for: it tells of nothing but what they know.
_HELD = "Minting waits: see the buyer's account."
_LOST = "Somebody else has proved the wallet: settle whose it is first."
_MOST = 100


def why_held(order: Order) -> str:
    """Why nothing may be sent for the order now: what it is parked with; empty when it may."""
    application = application_of(order.user)
    if application is not None and holds.is_held(application.pk):
        return _HELD
    return _LOST if wallets.is_lost(user_id=order.user_id, address=order.wallet_address) else ""


def check(order: Order) -> None:
    """Raises NeedsAttention while something keeps the order's mint back."""
    if reason := why_held(order):
        raise NeedsAttention(reason)


def ended() -> Sequence[uuid.UUID]:
    """Some of the orders that were parked for what no longer keeps them back."""
    parked = Order.objects.filter(
        attention=True,
        last_error__in=[_HELD, _LOST],
        state__in=[State.CUSTODY_CONFIRMED, State.MINTING],
    )
    # Any of them, so that those which wait for long do not stand before the others.
    some = parked.select_related("user").order_by("?")[:_MOST]
    return [order.pk for order in some if not why_held(order)]
