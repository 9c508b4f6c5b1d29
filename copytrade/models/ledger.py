"""Executed trades, and the double-entry ledger they are booked in (LED-1). Both are append-only."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from agora.lib.money import plain
from copytrade.models.accounts import ExchangeAccount
from copytrade.models.fields import amount
from copytrade.models.signals import CopyOrder, MasterOrder, Side
from copytrade.models.strategies import Strategy
from copytrade.models.subscriptions import Subscription


class Fill(models.Model):
    """A trade as the exchange reported it, once for each of its trade ids.

    Belongs to a copied order, to a master's order, or to neither: then the person traded by hand,
    and no close of ours ever sells it. `fee_value` is the fee in the quote asset at that time.
    """

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="fills", db_index=False
    )
    symbol = models.CharField(_("pair"), max_length=20)
    trade_id = models.CharField(_("trade id"), max_length=64)
    exchange_order_id = models.CharField(_("exchange order id"), max_length=64)
    copy_order = models.ForeignKey(
        CopyOrder, on_delete=models.PROTECT, null=True, blank=True, related_name="fills"
    )
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="fills",
        db_index=False,
    )
    master_order = models.ForeignKey(
        MasterOrder, on_delete=models.PROTECT, null=True, blank=True, related_name="fills"
    )
    strategy = models.ForeignKey(
        Strategy,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="fills",
        db_index=False,
    )
    side = models.CharField(_("side"), max_length=4, choices=Side)
    price = amount(_("price"))
    quantity = amount(_("quantity"))
    quote_quantity = amount(_("value"))
    fee = amount(_("fee"), default=0)
    fee_asset = models.CharField(_("fee in"), max_length=20, blank=True)
    fee_value = amount(_("fee, value"), default=0)
    realized = amount(_("realized"), null=True, blank=True)
    at = models.DateTimeField(_("traded"))
    booked_at = models.DateTimeField(_("booked"))

    class Meta:
        verbose_name = _("trade")
        verbose_name_plural = _("trades")
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["account", "-at", "-id"], name="copytrade_fill_of_account"),
            models.Index(fields=["subscription", "-at", "-id"], name="copytrade_fill_of_sub"),
            models.Index(fields=["strategy", "-at", "-id"], name="copytrade_fill_of_strategy"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "symbol", "trade_id"], name="copytrade_fill_once"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gt=0, price__gt=0, fee__gte=0), name="copytrade_fill_amounts"
            ),
        ]

    def __str__(self) -> str:
        return (
            f"{self.get_side_display()} {plain(self.quantity)} {self.symbol}, {plain(self.price)}"
        )


class LedgerEntry(models.Model):
    """A movement of one asset from one book to another: balanced by construction.

    `amount` is always positive; `debit` is the book that receives, `credit` the one that gives. The
    exchange balance of an asset is what WALLET received less what it gave. A correction is a new
    row that `reverses` the wrong one with the books exchanged. `source` is unique in an account:
    the exchange's trade id and kind, or the id of the movement.
    """

    class Book(models.TextChoices):
        WALLET = "wallet", _("Exchange balance")
        TRADE = "trade", _("Trades")
        FEES = "fees", _("Fees")
        EXTERNAL = "external", _("Deposits and withdrawals")

    class Kind(models.TextChoices):
        BASE = "base", _("Trade, base asset")
        QUOTE = "quote", _("Trade, quote asset")
        FEE = "fee", _("Fee")
        OPENING = "opening", _("Opening balance")
        EXTERNAL = "external", _("Deposit or withdrawal")
        REVERSAL = "reversal", _("Correction")

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="entries", db_index=False
    )
    fill = models.ForeignKey(
        Fill, on_delete=models.PROTECT, null=True, blank=True, related_name="entries"
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    source = models.CharField(_("source"), max_length=120)
    debit = models.CharField(_("to"), max_length=8, choices=Book)
    credit = models.CharField(_("from"), max_length=8, choices=Book)
    asset = models.CharField(_("asset"), max_length=20)
    amount = amount(_("amount"))
    reverses = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversed_by"
    )
    note = models.CharField(_("note"), max_length=200, blank=True)
    at = models.DateTimeField(_("happened"))
    booked_at = models.DateTimeField(_("booked"))

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["account", "asset", "at"], name="copytrade_entry_of_asset"),
            models.Index(fields=["account", "-at", "-id"], name="copytrade_entry_of_account"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["account", "source"], name="copytrade_entry_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="copytrade_entry_positive"),
            models.CheckConstraint(
                condition=~Q(debit=F("credit")), name="copytrade_entry_two_books"
            ),
            models.CheckConstraint(
                condition=Q(kind="reversal", reverses__isnull=False)
                | (~Q(kind="reversal") & Q(reverses__isnull=True)),
                name="copytrade_entry_reversal",
            ),
        ]

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.asset}, {self.get_credit_display()} → {self.get_debit_display()}"
