"""Telling a follower that a close was refused: what the master sold, they still hold (EXE-1)."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_noop

from accounts import notices
from accounts.models import Notice
from copytrade.models import Subscription
from copytrade.replication.outcomes import Change

_SUBJECT = gettext_noop("A sale was refused: %(symbol)s")
_BODY = gettext_noop(
    "The master of “%(strategy)s” sold %(symbol)s, and the exchange refused the sale for your "
    "account “%(account)s”. What you hold of it stays open until you sell it at the exchange. "
    "The copied order says why."
)


def tell(changes: Sequence[Change], *, now: datetime) -> None:
    """One notice a day for a pair of a subscription whose close the exchange refused."""
    refused = {
        change.leg.subscription_id: change.leg
        for change in changes
        if change.state == "REJECTED" and change.leg.kind == "CLOSE"
    }
    if not refused:
        return
    found = Subscription.objects.select_related("follower", "strategy", "account")
    with transaction.atomic():
        for subscription in found.filter(pk__in=refused).order_by("pk"):
            leg = refused[subscription.pk]
            notices.notify(
                user=subscription.follower,
                kind="close-refused",
                subject=_SUBJECT,
                body=_BODY,
                params={
                    "symbol": leg.symbol,
                    "strategy": subscription.strategy.name,
                    "account": subscription.account.label,
                },
                url=reverse("copy-leg", args=[leg.id]),
                level=Notice.Level.ALERT,
                dedupe_key=f"close-refused:{subscription.pk}:{leg.symbol}:{now:%Y-%m-%d}",
                now=now,
            )
