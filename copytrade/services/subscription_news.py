"""What a follower is told of a subscription, in the transaction of what happened."""

from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext_noop

from accounts import notices
from accounts.models import Notice
from agora.lib.money import plain
from copytrade.models import Subscription

_TEXTS = {
    "started": (
        gettext_noop("You now copy %(strategy)s"),
        gettext_noop(
            "%(allocated)s USDT of your account “%(account)s” are allocated to it. New orders of the "
            "master are copied from now on, within the limits that you chose."
        ),
    ),
    "changed": (
        gettext_noop("Your settings for %(strategy)s have changed"),
        gettext_noop("The new settings apply to new orders only; open positions stay as they are."),
    ),
    "widened": (
        gettext_noop("You allowed more risk for %(strategy)s"),
        gettext_noop(
            "You widened a limit: more can be lost than before. The new settings apply to new orders "
            "only. If this was not you, stop the subscription and change your password."
        ),
    ),
    "paused": (
        gettext_noop("Copying %(strategy)s is paused"),
        gettext_noop("Only closes are copied until you resume. Open positions stay."),
    ),
    "resumed": (
        gettext_noop("Copying %(strategy)s goes on"),
        gettext_noop("New orders of the master are copied again."),
    ),
    "close": (
        gettext_noop("Copying %(strategy)s is being stopped"),
        gettext_noop(
            "Nothing new is copied. Open orders are cancelled and the copied positions are sold at the "
            "market; you are told when that is done."
        ),
    ),
    "keep": (
        gettext_noop("Copying %(strategy)s is being stopped"),
        gettext_noop(
            "Nothing new is copied. Open orders are cancelled, and the copied positions stay in your "
            "exchange account."
        ),
    ),
}


def tell(subscription: Subscription, what: str, *, now: datetime) -> None:
    """Tell the follower, in the app and by e-mail."""
    subject, body = _TEXTS[what]
    notices.notify(
        user=subscription.follower,
        kind=f"subscription-{what}",
        subject=subject,
        body=body,
        params={
            "strategy": subscription.strategy.name,
            "account": subscription.account.label,
            "allocated": plain(subscription.allocated),
        },
        url=reverse("subscription", args=[subscription.pk]),
        level=Notice.Level.WARNING if what == "widened" else Notice.Level.INFO,
        now=now,
    )
