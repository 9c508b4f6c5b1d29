"""The audit trail (bottom of all apps) and reserve reports (top).

Rows of the trail hold plain ids and no foreign key: they outlive what they describe. The database
itself refuses UPDATE, DELETE and TRUNCATE on the trail and its seals (migration 0002).
"""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from agora.lib.work import Job


class AuditRow(models.Model):
    """One thing that happened: who, what, to which object, with what evidence."""

    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(_("at"), db_index=True)
    actor = models.CharField(_("actor"), max_length=80)
    action = models.CharField(_("action"), max_length=60)
    object_type = models.CharField(_("object type"), max_length=40)
    object_id = models.CharField(_("object"), max_length=80)
    evidence = models.JSONField(_("evidence"), default=dict)
    row_hash = models.BinaryField(_("row hash"), max_length=32)

    class Meta:
        verbose_name = _("audit row")
        verbose_name_plural = _("audit trail")
        indexes = [
            models.Index(fields=["object_type", "object_id"], name="compliance_audit_object")
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}"


class AuditSeal(models.Model):
    """A row's place in the hash chain, given by the sealer a few seconds after the row.

    `hash` = SHA-256(previous hash ‖ row hash). Positions have no gap.
    """

    position = models.BigIntegerField(primary_key=True)
    row = models.OneToOneField(AuditRow, on_delete=models.PROTECT, related_name="seal")
    hash = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField()

    class Meta:
        verbose_name = _("audit seal")
        verbose_name_plural = _("audit seals")

    def __str__(self) -> str:
        return f"#{self.position}"


class ReserveReport(Job):
    """Proof of reserve at one block: what is minted, held, and still on its way (RAT-003)."""

    class State(models.TextChoices):
        REQUESTED = "REQUESTED", _("Requested")
        READY = "READY", _("Ready")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    symbol = models.CharField(_("asset"), max_length=12, default="AAPL")
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.REQUESTED)
    requested_by = models.CharField(_("requested by"), max_length=80)
    requested_at = models.DateTimeField(_("requested"))
    built_at = models.DateTimeField(_("built"), null=True, blank=True)
    block_number = models.BigIntegerField(_("block"), null=True, blank=True)
    block_hash = models.CharField(_("block hash"), max_length=66, blank=True)
    figures = models.JSONField(_("figures"), default=dict)
    difference = models.DecimalField(
        _("difference"), max_digits=38, decimal_places=18, null=True, blank=True
    )

    class Meta:
        verbose_name = _("reserve report")
        verbose_name_plural = _("proof of reserve")
        ordering = ["-requested_at"]

    def __str__(self) -> str:
        return f"{self.symbol} {self.requested_at:%Y-%m-%d %H:%M} UTC"
