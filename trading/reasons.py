"""Why an order ended without shares, in words for its owner."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_REASONS: dict[str, "str | Promise"] = {
    "cancelled_by_user": _("You cancelled the order before it was sent."),
    "buyer_suspended": _("Your account is suspended. Write to us."),
    # Says nothing of why: whom a list may be about must not be warned.
    "buying_paused": _("Buying is paused for your account at the moment. Write to us if it lasts."),
    "wallet_disputed": _("Somebody else has proved that this order's wallet address is theirs."),
    "limit_exceeded_at_open": _("Your daily limit was used up when the market opened."),
    "resolved_by_officers": _("Compliance ended the order after looking into it."),
    "broker_rejected": _("The broker refused the order."),
    "broker_canceled": _("The broker cancelled the order before anything was bought."),
    "broker_expired": _("The market closed before the price came down to your worst price."),
    "broker_40310000": _("The broker account has too little buying power at the moment."),
}


def reason_text(code: str) -> "str | Promise":
    """A sentence for a reason code; unknown codes of the broker get a general one."""
    return _REASONS.get(code, _("The broker refused the order."))
