"""States of a buy order and the moves between them (RAT-005)."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from agora.lib.states import Moves


class State(TextChoices):
    PENDING = "PENDING", _("Pending")
    SUBMITTED = "SUBMITTED", _("Submitted")
    FILLED = "FILLED", _("Filled")
    CUSTODY_CONFIRMED = "CUSTODY_CONFIRMED", _("Custody confirmed")
    MINTING = "MINTING", _("Minting")
    MINT_CONFIRMED = "MINT_CONFIRMED", _("Mint confirmed")
    REJECTED = "REJECTED", _("Rejected")
    CANCELLED = "CANCELLED", _("Cancelled")
    FAILED = "FAILED", _("Failed")


# Nothing is known to be bought, and more may be: the broker may still have the order open.
NOT_BOUGHT = frozenset({State.PENDING, State.SUBMITTED})
# Bought, and neither minted nor ended.
BOUGHT = frozenset({State.FILLED, State.CUSTODY_CONFIRMED, State.MINTING})
MOVES = Moves(
    {
        State.PENDING: {State.SUBMITTED, State.REJECTED, State.CANCELLED},
        State.SUBMITTED: {State.FILLED, State.REJECTED, State.CANCELLED},
        # Once shares are bought an order is failed by a person's decision only.
        State.FILLED: {State.CUSTODY_CONFIRMED, State.FAILED},
        State.CUSTODY_CONFIRMED: {State.MINTING, State.FAILED},
        State.MINTING: {State.MINT_CONFIRMED, State.FAILED},
        State.MINT_CONFIRMED: set(),
        State.REJECTED: set(),
        State.CANCELLED: set(),
        State.FAILED: set(),
    }
)
