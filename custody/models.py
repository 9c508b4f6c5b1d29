"""Custody records: the proof, held by the custodian, that a share backs a token."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from agora.lib.money import plain


class CustodyRecord(models.Model):
    """A receipt transfer into the custody vault, one per filled order (RAT-007, ADR 0005).

    `reference` is the order's id, carried as a plain value: custody stands below trading.
    `external_tx_id` is stored before the transfer is asked for; the custodian refuses a second one.
    A transfer that failed for good is asked for again under the next `number`.
    """

    class State(models.TextChoices):
        PENDING = "PENDING", _("Pending")
        COMPLETED = "COMPLETED", _("Completed")
        FAILED = "FAILED", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    reference = models.UUIDField(_("order"), unique=True)
    symbol = models.CharField(_("asset"), max_length=12)
    quantity = models.DecimalField(_("quantity"), max_digits=18, decimal_places=9)
    state = models.CharField(
        _("state"), max_length=10, choices=State, default=State.PENDING, db_index=True
    )
    number = models.PositiveSmallIntegerField(_("number"), default=1)
    external_tx_id = models.CharField(_("external id"), max_length=40, unique=True)
    custody_tx_id = models.CharField(
        _("custody transaction"), max_length=64, unique=True, null=True, blank=True
    )
    vendor_status = models.CharField(_("custodian's status"), max_length=40, blank=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"))
    completed_at = models.DateTimeField(_("completed"), null=True, blank=True)

    class Meta:
        verbose_name = _("custody record")
        verbose_name_plural = _("custody records")
        ordering = ["-created_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(quantity__gt=0), name="custody_record_quantity_positive"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="COMPLETED")
                | models.Q(custody_tx_id__isnull=False, completed_at__isnull=False),
                name="custody_record_completed_has_evidence",
            ),
        ]

    def __str__(self) -> str:
        return f"{plain(self.quantity)} {self.symbol}, {self.get_state_display()}"
