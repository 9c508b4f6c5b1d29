"""The buy order: one row that is led from the broker through custody to the mint."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from agora.lib.money import plain
from agora.lib.work import Job
from custody.models import CustodyRecord
from tokens.models import MintTx
from trading.states import State


class Order(Job):
    """A person's order to buy a share and have its token minted (RAT-005).

    Prices are USD per share, quantities are shares. `limit_price` is the worst price the order may
    pay, so `reserved_usd` is a true upper bound. All keys of the outside legs are fixed here before
    anything is sent (docs/settlement.md).
    """

    class Source(models.TextChoices):
        PAGE = "page", _("Website")
        API = "api", _("API")
        COMMAND = "command", _("Command")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="orders"
    )
    placement_key = models.CharField(max_length=80, null=True, blank=True, editable=False)
    source = models.CharField(_("source"), max_length=8, choices=Source)
    symbol = models.CharField(_("asset"), max_length=12)
    quantity = models.DecimalField(_("quantity"), max_digits=18, decimal_places=9)
    wallet_address = models.CharField(_("wallet"), max_length=42)
    state = models.CharField(_("state"), max_length=20, choices=State, default=State.PENDING)
    reason = models.CharField(_("reason"), max_length=60, blank=True)

    quote_price = models.DecimalField(_("quoted price"), max_digits=18, decimal_places=4)
    quoted_at = models.DateTimeField(_("quoted"))
    limit_price = models.DecimalField(_("worst price"), max_digits=18, decimal_places=2)
    reserved_usd = models.DecimalField(_("reserved, USD"), max_digits=12, decimal_places=2)
    limit_day = models.DateField(_("counts for day"))

    client_order_id = models.CharField(_("client order id"), max_length=48, unique=True)
    sent_at = models.DateTimeField(_("first sent"), null=True, blank=True)
    queued_until = models.DateTimeField(_("queued until"), null=True, blank=True)
    broker_order_id = models.CharField(
        _("broker order id"), max_length=64, unique=True, null=True, blank=True
    )
    broker_status = models.CharField(_("broker's status"), max_length=32, blank=True)
    broker_raw = models.JSONField(_("broker's last answer"), null=True, blank=True)
    filled_quantity = models.DecimalField(
        _("filled quantity"), max_digits=18, decimal_places=9, default=0
    )
    filled_avg_price = models.DecimalField(
        _("average price"), max_digits=18, decimal_places=9, null=True, blank=True
    )
    custody = models.OneToOneField(
        CustodyRecord, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    mint = models.OneToOneField(
        MintTx, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(_("placed"))
    updated_at = models.DateTimeField(_("changed"))
    version = models.PositiveIntegerField(default=1)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ["-created_at", "-id"]
        permissions = [("resolve_order", "Can propose how an order that needs a person ends")]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="trading_order_of_user"),
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="trading_order_due",
            ),
            models.Index(fields=["state"], name="trading_order_state"),
            models.Index(
                fields=["created_at"], condition=Q(attention=True), name="trading_order_attention"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "placement_key"], name="trading_order_placement"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte="0.01"), name="trading_order_quantity"
            ),
            models.CheckConstraint(
                condition=Q(filled_quantity__gte=0, filled_quantity__lte=F("quantity")),
                name="trading_order_filled_within_quantity",
            ),
            models.CheckConstraint(condition=Q(reserved_usd__gte=0), name="trading_order_reserved"),
            models.CheckConstraint(
                condition=~Q(state__in=["FILLED", "CUSTODY_CONFIRMED", "MINTING", "MINT_CONFIRMED"])
                | Q(
                    broker_order_id__isnull=False,
                    filled_quantity__gt=0,
                    filled_avg_price__isnull=False,
                ),
                name="trading_order_fill_has_evidence",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["CUSTODY_CONFIRMED", "MINTING", "MINT_CONFIRMED"])
                | Q(custody__isnull=False),
                name="trading_order_custody_has_record",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["MINTING", "MINT_CONFIRMED"]) | Q(mint__isnull=False),
                name="trading_order_mint_has_transaction",
            ),
        ]

    def __str__(self) -> str:
        return f"{plain(self.quantity)} {self.symbol}, {self.get_state_display()}"


class Repayment(models.Model):
    """What the buyer of a failed order was paid back, outside Agora; its shares are Agora's from then on.

    Rows come from approved proposals only (trading.repayments) and never change: the database sees to
    it (migrations 0003, 0004).
    """

    order = models.OneToOneField(
        Order, on_delete=models.PROTECT, primary_key=True, related_name="repayment"
    )
    proposal_id = models.UUIDField(_("decision by two people"), unique=True)
    amount_usd = models.DecimalField(_("paid back, USD"), max_digits=12, decimal_places=2)
    paid_on = models.DateField(_("day of the payment"))
    payment_reference = models.CharField(_("number of the payment"), max_length=64)
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        verbose_name = _("repayment")
        verbose_name_plural = _("repayments")
        constraints = [
            models.CheckConstraint(condition=Q(amount_usd__gt=0), name="trading_repayment_amount"),
        ]

    def __str__(self) -> str:
        return f"{self.amount_usd} USD, {self.paid_on:%Y-%m-%d}"


class Sale(models.Model):
    """Shares sold of those that Agora kept after paying their buyer back; some for each order.

    `custody_tx_id` is the transfer that took their receipts out of custody, where there were any.
    Rows come from approved proposals only (trading.sales) and never change. One that was wrong is
    withdrawn; of the others each has a sale and a transfer of its own: the database sees to it
    (migrations 0003, 0004).
    """

    proposal_id = models.UUIDField(_("decision by two people"), primary_key=True)
    repayment = models.ForeignKey(Repayment, on_delete=models.PROTECT, related_name="sales")
    quantity = models.DecimalField(_("shares sold"), max_digits=18, decimal_places=9)
    sale_order_id = models.CharField(_("broker's id of the sale"), max_length=64, db_index=True)
    custody_tx_id = models.CharField(
        _("custodian's id of the transfer"), max_length=64, null=True, blank=True, db_index=True
    )
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        verbose_name = _("sale of kept shares")
        verbose_name_plural = _("sales of kept shares")
        ordering = ["recorded_at", "proposal_id"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="trading_sale_quantity"),
        ]

    def __str__(self) -> str:
        return " · ".join(
            filter(None, (plain(self.quantity), self.sale_order_id, self.custody_tx_id))
        )


class SaleWithdrawal(models.Model):
    """The end of a record of a sale that was wrong, decided by two people; it never changes either."""

    sale = models.OneToOneField(
        Sale, on_delete=models.PROTECT, primary_key=True, related_name="withdrawal"
    )
    proposal_id = models.UUIDField(_("decision by two people"), unique=True)
    withdrawn_at = models.DateTimeField(_("withdrawn"))

    class Meta:
        verbose_name = _("withdrawal of a sale")
        verbose_name_plural = _("withdrawals of sales")

    def __str__(self) -> str:
        return f"{self.sale_id} {self.withdrawn_at:%Y-%m-%d}"
