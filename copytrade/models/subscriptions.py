"""A follower's subscription to a strategy, and the positions it holds."""

import uuid
from decimal import Decimal

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agora.lib.work import Job
from copytrade.models.accounts import ExchangeAccount
from copytrade.models.fields import amount
from copytrade.models.strategies import Strategy
from copytrade.states import SubscriptionState


class Subscription(Job):
    """How one follower copies one strategy with one exchange account (SUB-1).

    `allocated` is the capital given to this subscription, in the quote asset; its own equity is
    allocated + realized + unrealized - fees. `stop_equity` is the absolute equity at which the copy
    stop-loss strikes. The job is reconciling: late fills, orphans, and the end of a stop.
    """

    class Sizing(models.TextChoices):
        FIXED = "fixed", _("A fixed amount for each order")
        MULTIPLIER = "multiplier", _("A multiple of the master's quantity")
        PROPORTIONAL = "proportional", _("In proportion to my capital and the master's")

    class Minimum(models.TextChoices):
        """What happens to an order below the exchange's minimum."""

        SKIP = "skip", _("Skip it")
        BUMP = "bump", _("Raise it to the minimum")
        ACCUMULATE = "accumulate", _("Keep it until it is large enough")

    class Start(models.TextChoices):
        NEW = "new", _("Copy new orders only")
        JOIN = "join", _("Join the positions the master holds now")

    class OnStop(models.TextChoices):
        CLOSE = "close", _("Close the copied positions")
        KEEP = "keep", _("Keep the copied positions")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    follower = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="subscriptions"
    )
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="subscriptions")
    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="subscriptions"
    )
    state = models.CharField(
        _("state"), max_length=10, choices=SubscriptionState, default=SubscriptionState.ACTIVE
    )
    state_reason = models.CharField(_("reason"), max_length=40, blank=True)
    sizing = models.CharField(_("order size"), max_length=14, choices=Sizing)
    factor = amount(_("amount or factor"))
    allocated = amount(_("allocated capital"))
    symbols = ArrayField(
        models.CharField(max_length=20), verbose_name=_("allowed pairs"), default=list, blank=True
    )
    slippage_bps = models.PositiveSmallIntegerField(_("slippage limit, 1/100 %"), default=50)
    max_open = models.PositiveSmallIntegerField(_("most open pairs"), default=20)
    minimum = models.CharField(
        _("below the minimum"), max_length=10, choices=Minimum, default=Minimum.SKIP
    )
    start = models.CharField(_("on start"), max_length=4, choices=Start, default=Start.NEW)
    on_stop = models.CharField(_("on stop"), max_length=5, choices=OnStop, default=OnStop.CLOSE)
    stop_equity = amount(_("stop-loss equity"), null=True, blank=True)
    created_at = models.DateTimeField(_("subscribed"))
    updated_at = models.DateTimeField(_("changed"))
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True)
    reconciled_at = models.DateTimeField(_("compared with the exchange"), null=True, blank=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="copytrade_subscription_due",
            ),
            models.Index(fields=["strategy", "state"], name="copytrade_sub_of_strategy"),
            models.Index(fields=["follower", "-created_at"], name="copytrade_sub_of_follower"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["follower", "strategy"],
                condition=~Q(state="STOPPED"),
                name="copytrade_subscription_once",
            ),
            models.CheckConstraint(condition=Q(factor__gt=0), name="copytrade_sub_factor"),
            models.CheckConstraint(condition=Q(allocated__gt=0), name="copytrade_sub_allocated"),
            models.CheckConstraint(
                condition=Q(slippage_bps__lte=1000), name="copytrade_sub_slippage"
            ),
            models.CheckConstraint(
                condition=Q(stop_equity__isnull=True) | Q(stop_equity__gte=0),
                name="copytrade_sub_stop_equity",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.strategy} · {self.follower}"


class Position(models.Model):
    """What is held of one pair: quantity of the base asset, and its cost in the quote asset.

    Bookings in the quote asset: `realized` is profit less cost of what was sold, fees included;
    `fees` tells how much of it went to fees. Changed only together with new fills.
    """

    symbol = models.CharField(_("pair"), max_length=20)
    quantity = amount(_("quantity"), default=0)
    cost = amount(_("cost"), default=0)
    realized = amount(_("realized"), default=0)
    fees = amount(_("fees"), default=0)
    updated_at = models.DateTimeField(_("changed"))

    class Meta:
        abstract = True

    @property
    def average_price(self) -> Decimal | None:
        return self.cost / self.quantity if self.quantity else None


class CopyPosition(Position):
    """A subscription's own position; one exchange account may serve several subscriptions.

    `carried` is base quantity that was too small to send and is added to the next open.
    """

    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="positions"
    )
    carried = amount(_("carried over"), default=0)

    class Meta:
        verbose_name = _("copied position")
        verbose_name_plural = _("copied positions")
        ordering = ["symbol"]
        constraints = [
            models.UniqueConstraint(
                fields=["subscription", "symbol"], name="copytrade_position_once"
            ),
            models.CheckConstraint(condition=Q(carried__gte=0), name="copytrade_position_carried"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} {self.symbol}"


class MasterPosition(Position):
    """What a strategy's account holds of one pair, by its ledger."""

    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="positions")

    class Meta:
        verbose_name = _("master's position")
        verbose_name_plural = _("masters' positions")
        ordering = ["symbol"]
        constraints = [
            models.UniqueConstraint(
                fields=["strategy", "symbol"], name="copytrade_master_position_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} {self.symbol}"
