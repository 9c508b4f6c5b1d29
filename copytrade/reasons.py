"""Why a leg was not copied, or not in full: one stable code for programs, one sentence for people."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

REASONS: dict[str, str | Promise] = {
    # --- the follower's own choices
    "subscription_paused": _("The subscription was paused, so that only closes were copied."),
    "subscription_stopping": _("The subscription was being stopped."),
    "symbol_not_allowed": _("The pair is not on the subscription's list of allowed pairs."),
    "max_open_reached": _("The subscription already held as many open pairs as it allows."),
    "below_minimum": _("The copy would have been smaller than the exchange accepts."),
    "accumulated": _("Smaller than the exchange accepts; kept and added to the next order."),
    "nothing_to_add": _("Everything due for this order had been sent already."),
    "no_position": _("There was nothing to close."),
    "nothing_open": _("There was no open order to cancel."),
    # --- risk limits
    "risk_max_order": _("It was over the largest order that your limits allow."),
    "risk_max_symbol": _("It would have passed your limit for this pair."),
    "risk_max_exposure": _("It would have passed your limit for open positions."),
    "risk_reducing": _("A loss limit was reached, so that only closes were copied."),
    "daily_loss": _("The largest loss in a day of this subscription was reached."),
    "user_daily_loss": _("The largest loss in a day over all subscriptions was reached."),
    "stop_loss": _("The stop-loss of the subscription was reached."),
    "risk_stale": _("Price or equity was not known freshly enough to open a position safely."),
    "allocation_used_up": _("The capital given to this subscription was in use."),
    # --- time and market
    "expired": _("The signal was too old by the time it could be sent."),
    "price_moved": _("The price had moved past the slippage limit."),
    "partly_filled": _("Only part was filled within the slippage limit."),
    "market_closed": _("The exchange had closed the market for this pair."),
    "master_cancelled": _("The order was cancelled before it filled."),
    "superseded_by_close": _("The master closed the position before this could be sent."),
    # --- the follower's account
    "account_paused": _("The exchange account was paused. Check its key."),
    "account_failing": _("The exchange account had failed repeatedly and was being rested."),
    "insufficient_funds": _("The exchange account did not hold enough."),
    "key_invalid": _("The exchange no longer accepts the key."),
    "key_no_permission": _("The key may not trade."),
    "key_can_withdraw": _("The key may withdraw money, which is not safe."),
    "ip_not_allowed": _("The key does not allow Agora's network address."),
    # --- the exchange's rules
    "below_min_notional": _("The exchange refused it as too small."),
    "lot_size": _("The exchange refused the quantity."),
    "price_filter": _("The exchange refused the price."),
    "percent_price": _("The exchange refused the price as too far from the market."),
    "too_many_open_orders": _("The account has as many open orders as the exchange allows."),
    "would_match": _("A maker-only order would have filled at once."),
    "unknown_symbol": _("The exchange does not know the pair."),
    "legal": _("The exchange does not serve this account for legal reasons."),
    "rejected": _("The exchange refused the order."),
    # --- the master's own orders
    "replaced_order_gone": _("The order that it was to replace had ended already."),
    # --- the platform
    "kill_switch": _("Copying had been stopped by a kill switch."),
    "strategy_paused": _("The strategy was paused."),
}


def text_of(code: str) -> str | Promise:
    """The sentence for a reason code; the code itself for one that no table row tells of."""
    return REASONS.get(code, code)
