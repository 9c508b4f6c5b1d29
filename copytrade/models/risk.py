"""Limits that stand between a signal and an order, and the switches that stop all of it (RISK-1)."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from copytrade.models.accounts import Exchange
from copytrade.models.fields import amount
from copytrade.models.strategies import Strategy
from copytrade.models.subscriptions import Subscription


class RiskLimits(models.Model):
    """Limits of one person, of one subscription, or (with neither) of the platform.

    Amounts are in the quote asset; empty means no limit. `timezone` decides when a person's day
    begins. Reducing orders are never held back by any of them.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="risk_limits",
    )
    subscription = models.OneToOneField(
        Subscription, on_delete=models.PROTECT, null=True, blank=True, related_name="risk_limits"
    )
    max_order = amount(_("largest order"), null=True, blank=True)
    max_symbol = amount(_("most in one pair"), null=True, blank=True)
    max_exposure = amount(_("most in open positions"), null=True, blank=True)
    daily_loss = amount(_("largest loss in a day"), null=True, blank=True)
    timezone = models.CharField(_("time zone of the day"), max_length=40, default="UTC")
    updated_at = models.DateTimeField(_("changed"))

    class Meta:
        verbose_name = _("risk limits")
        verbose_name_plural = _("risk limits")
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=True) | Q(subscription__isnull=True),
                name="copytrade_risk_one_subject",
            ),
            models.UniqueConstraint(
                models.Value(1),
                condition=Q(user__isnull=True, subscription__isnull=True),
                name="copytrade_risk_one_platform",
            ),
            *(
                models.CheckConstraint(
                    condition=Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gt": 0}),
                    name=f"copytrade_risk_{name}",
                )
                for name in ("max_order", "max_symbol", "max_exposure", "daily_loss")
            ),
        ]

    def __str__(self) -> str:
        return str(_("risk limits"))


class RiskDay(models.Model):
    """A subscription's profit and loss as its person's day began, and whether the day was stopped.

    `pnl_start` is realized + unrealized, fees included, in the quote asset: the day's loss is what
    it has fallen by since, so that deposits and changed allocations play no part in it.
    """

    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="risk_days"
    )
    day = models.DateField(_("day"))
    begins_at = models.DateTimeField(_("begins"))
    pnl_start = amount(_("profit and loss at the start"))
    rebuilt = models.BooleanField(_("rebuilt from the ledger"), default=False)
    breached_at = models.DateTimeField(_("limit reached"), null=True, blank=True)

    class Meta:
        verbose_name = _("day of a subscription")
        verbose_name_plural = _("days of subscriptions")
        ordering = ["-day"]
        constraints = [
            models.UniqueConstraint(fields=["subscription", "day"], name="copytrade_risk_day_once"),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.pnl_start}"


class KillSwitch(models.Model):
    """While engaged, nothing at its level is sent to an exchange, reducing orders included.

    Read from the database in the transaction that commits the intent to send, never cached.
    """

    class Level(models.TextChoices):
        PLATFORM = "platform", _("Everything")
        EXCHANGE = "exchange", _("One exchange")
        STRATEGY = "strategy", _("One strategy")
        SUBSCRIPTION = "subscription", _("One subscription")

    level = models.CharField(_("level"), max_length=12, choices=Level)
    exchange = models.CharField(_("exchange"), max_length=16, choices=Exchange, blank=True)
    strategy = models.ForeignKey(
        Strategy, on_delete=models.PROTECT, null=True, blank=True, related_name="kill_switches"
    )
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, null=True, blank=True, related_name="kill_switches"
    )
    reason = models.CharField(_("reason"), max_length=200)
    engaged_by = models.CharField(_("engaged by"), max_length=80)
    engaged_at = models.DateTimeField(_("engaged"))
    released_by = models.CharField(_("released by"), max_length=80, blank=True)
    released_at = models.DateTimeField(_("released"), null=True, blank=True)

    class Meta:
        verbose_name = _("kill switch")
        verbose_name_plural = _("kill switches")
        ordering = ["-engaged_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(level="platform", exchange="", strategy=None, subscription=None)
                | (Q(level="exchange", strategy=None, subscription=None) & ~Q(exchange=""))
                | Q(level="strategy", exchange="", strategy__isnull=False, subscription=None)
                | Q(level="subscription", exchange="", strategy=None, subscription__isnull=False),
                name="copytrade_kill_target",
            ),
            models.UniqueConstraint(
                fields=["level", "exchange", "strategy", "subscription"],
                condition=Q(released_at__isnull=True),
                nulls_distinct=False,
                name="copytrade_kill_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_level_display()}, {self.engaged_at:%Y-%m-%d %H:%M}"
