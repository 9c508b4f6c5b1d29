"""What keeps a mint back: an unsettled match on a list, or a wallet that is somebody else's by now."""

import uuid
from collections.abc import Sequence

from django.db import connection

from accounts import wallets
from accounts.models import Wallet
from kyc import holds
from kyc.models import Application
from kyc.selectors import application_of
from trading.models import Order
from trading.settlement.moves import NeedsAttention
from trading.states import State

# The buyer may be an officer, who reads what an order waits for: it tells of nothing but what they know.
_HELD = "Minting waits: see the buyer's account."
_LOST = "Somebody else has proved the wallet: settle whose it is first."
_APPLICATION = f"(SELECT id FROM {Application._meta.db_table} WHERE user_id = o.user_id)"  # noqa: S608
# Parked orders without the match, or whose wallet its owner has proved since.
_ENDED = f"""
    SELECT o.id FROM {Order._meta.db_table} AS o
    WHERE o.attention AND o.state IN ('{State.CUSTODY_CONFIRMED}', '{State.MINTING}') AND (
        (o.last_error = %(held)s AND NOT EXISTS ({holds.HOLDING % {"application": _APPLICATION}}))
        OR (o.last_error = %(lost)s AND EXISTS (
            SELECT 1 FROM {Wallet._meta.db_table} AS w
            WHERE w.user_id = o.user_id AND w.address = o.wallet_address AND w.disputed_at IS NULL)))
    LIMIT 100"""  # noqa: S608  (the tables' names are ours)


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
    """Some of the orders that were parked for what no longer keeps them back; one query.

    Another reason may, by now: tried again, such an order is parked for that one.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ENDED, {"held": _HELD, "lost": _LOST})
        return [order_id for (order_id,) in cursor.fetchall()]
