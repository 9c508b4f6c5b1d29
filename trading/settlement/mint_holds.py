"""What keeps a mint back: an unsettled match on a list, or a wallet that is somebody else's by now."""

from accounts import wallets
from kyc import holds
from kyc.selectors import application_of
from trading.models import Order
from trading.settlement.moves import NeedsAttention

# The buyer may be an officer, who reads what an order waits for: it tells of nothing but what they know.
WAITS = "Minting waits: see the buyer's account."


def is_held(order: Order) -> bool:
    """Whether the buyer's match on a list is not settled."""
    application = application_of(order.user)
    return application is not None and holds.is_held(application.pk)


def check_hold(order: Order) -> None:
    """Raises NeedsAttention while the buyer's match on a list is not settled."""
    if is_held(order):
        raise NeedsAttention(WAITS)


def check_wallet(order: Order) -> None:
    """Raises NeedsAttention for an address that is somebody else's by now."""
    if wallets.is_lost(user_id=order.user_id, address=order.wallet_address):
        raise NeedsAttention("Somebody else has proved the wallet: settle whose it is first.")
