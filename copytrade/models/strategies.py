"""What a master publishes, and its track record."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Lower
from django.utils.translation import gettext_lazy as _

from agora.lib.work import Job
from copytrade.models.accounts import Exchange, ExchangeAccount
from copytrade.models.fields import amount
from copytrade.states import StrategyState

QUOTE = "USDT"


class Strategy(Job):
    """A master's published way of trading one exchange account (MKT-1, MKT-2).

    The job is the poll of the master's account for what was done directly at the exchange.
    `signal_count` numbers the signals; `copiers` counts subscriptions that are not stopped, so that
    the cap holds by one conditional UPDATE. Amounts are in the quote asset.
    """

    class Style(models.TextChoices):
        SCALPING = "scalping", _("Scalping")
        DAY = "day", _("Day trading")
        SWING = "swing", _("Swing trading")
        POSITION = "position", _("Position trading")

    class CopyOn(models.TextChoices):
        """Which event of a resting order is copied. Orders that fill at once are copied filled."""

        FILL = "fill", _("Copy my orders as they fill")
        ACCEPT = "accept", _("Copy my limit orders while they rest")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    master = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="strategies"
    )
    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="strategies"
    )
    exchange = models.CharField(_("exchange"), max_length=16, choices=Exchange)
    name = models.CharField(_("name"), max_length=60)
    description = models.TextField(_("description"), max_length=2000, blank=True)
    symbols = ArrayField(models.CharField(max_length=20), verbose_name=_("pairs"))
    style = models.CharField(_("style"), max_length=10, choices=Style)
    copy_on = models.CharField(
        _("resting orders"), max_length=8, choices=CopyOn, default=CopyOn.FILL
    )
    min_equity = amount(_("smallest allocation"), default=0)
    max_followers = models.PositiveIntegerField(_("most followers"), default=100)
    is_public = models.BooleanField(_("listed in the marketplace"), default=True)
    invite_code = models.CharField(max_length=24, unique=True, editable=False)
    state = models.CharField(
        _("state"), max_length=8, choices=StrategyState, default=StrategyState.ACTIVE
    )
    signal_count = models.PositiveBigIntegerField(default=0, editable=False)
    copiers = models.PositiveIntegerField(_("copiers"), default=0, editable=False)
    aum = amount(_("copied capital"), default=0, editable=False)
    polled_at = models.DateTimeField(_("account read"), null=True, blank=True)
    is_demo = models.BooleanField(_("demo data"), default=False)
    created_at = models.DateTimeField(_("published"))
    updated_at = models.DateTimeField(_("changed"))

    class Meta:
        verbose_name = _("strategy")
        verbose_name_plural = _("strategies")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="copytrade_strategy_due",
            ),
            models.Index(
                fields=["-created_at", "-id"],
                condition=Q(is_public=True, state="ACTIVE"),
                name="copytrade_strategy_listed",
            ),
            models.Index(
                fields=["-copiers", "-id"],
                condition=Q(is_public=True, state="ACTIVE"),
                name="copytrade_strategy_copiers",
            ),
            models.Index(
                fields=["-aum", "-id"],
                condition=Q(is_public=True, state="ACTIVE"),
                name="copytrade_strategy_aum",
            ),
            GinIndex(fields=["symbols"], name="copytrade_strategy_symbols"),
            GinIndex(
                SearchVector("name", "description", config="simple"),
                name="copytrade_strategy_search",
            ),
        ]
        constraints = [
            # One strategy an account, so that the account's ledger is the strategy's track record.
            models.UniqueConstraint(
                fields=["account"],
                condition=~Q(state="DELETED"),
                name="copytrade_strategy_of_account",
            ),
            models.UniqueConstraint(
                F("master"),
                Lower("name"),
                condition=~Q(state="DELETED"),
                name="copytrade_strategy_name",
            ),
            models.CheckConstraint(
                condition=Q(copiers__lte=F("max_followers")), name="copytrade_strategy_slots"
            ),
            models.CheckConstraint(
                condition=Q(min_equity__gte=0), name="copytrade_strategy_min_equity"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TrackRecord(models.Model):
    """Figures of a strategy over one period, computed from the ledger and neutral to deposits.

    Fractions, not percent: `roi` 0.05 is 5 %. `sharpe` is of daily returns, a year of 365 days.
    `sharpe_order` puts those without one last when sorted, and lets an index serve that order.
    """

    class Period(models.IntegerChoices):
        WEEK = 7, _("7 days")
        MONTH = 30, _("30 days")
        QUARTER = 90, _("90 days")
        YEAR = 365, _("365 days")

    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="records")
    period = models.PositiveSmallIntegerField(_("period, days"), choices=Period)
    roi = models.DecimalField(_("return"), max_digits=18, decimal_places=8)
    pnl = amount(_("profit and loss"))
    max_drawdown = models.DecimalField(_("largest drawdown"), max_digits=18, decimal_places=8)
    sharpe = models.DecimalField(max_digits=18, decimal_places=6, null=True)
    sharpe_order = models.GeneratedField(
        expression=Coalesce("sharpe", Value(-(10**9)), output_field=models.DecimalField()),
        output_field=models.DecimalField(max_digits=18, decimal_places=6),
        db_persist=True,
    )
    win_rate = models.DecimalField(_("winning trades"), max_digits=9, decimal_places=8, null=True)
    trades = models.PositiveIntegerField(_("closed trades"), default=0)
    computed_at = models.DateTimeField()

    class Meta:
        verbose_name = _("track record")
        verbose_name_plural = _("track records")
        constraints = [
            models.UniqueConstraint(fields=["strategy", "period"], name="copytrade_record_once"),
        ]
        indexes = [
            models.Index(fields=["period", "-roi", "-strategy"], name="copytrade_record_roi"),
            models.Index(fields=["period", "-pnl", "-strategy"], name="copytrade_record_pnl"),
            models.Index(
                fields=["period", "max_drawdown", "strategy"], name="copytrade_record_mdd"
            ),
            models.Index(
                fields=["period", "-sharpe_order", "-strategy"],
                name="copytrade_record_sharpe_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.period} days: {self.roi:.2%}"


class NavPoint(models.Model):
    """Unit value of a strategy at the end of a UTC day, 1 before its first: the equity curve.

    `flows` are the day's deposits less its withdrawals, and `equity` what `holdings` (asset:
    amount, as text) were worth, both in the quote asset.
    """

    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="curve")
    day = models.DateField()
    nav = models.DecimalField(max_digits=24, decimal_places=12)
    equity = amount()
    flows = amount(default=0)
    holdings = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("unit value")
        verbose_name_plural = _("unit values")
        constraints = [
            models.UniqueConstraint(fields=["strategy", "day"], name="copytrade_nav_once"),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.nav}"


class MarkPrice(models.Model):
    """Newest price of a pair at an exchange, in the quote asset."""

    exchange = models.CharField(max_length=16, choices=Exchange)
    symbol = models.CharField(max_length=20)
    price = amount()
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        constraints = [
            models.UniqueConstraint(fields=["exchange", "symbol"], name="copytrade_mark_once"),
            models.CheckConstraint(condition=Q(price__gt=0), name="copytrade_mark_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.price}"


class DailyPrice(models.Model):
    """Closing price of a pair on a UTC day, as the exchange's candle says."""

    exchange = models.CharField(max_length=16, choices=Exchange)
    symbol = models.CharField(max_length=20)
    day = models.DateField()
    close = amount()

    class Meta:
        verbose_name = _("daily price")
        verbose_name_plural = _("daily prices")
        constraints = [
            models.UniqueConstraint(
                fields=["exchange", "symbol", "day"], name="copytrade_daily_price_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.day} {self.close}"
