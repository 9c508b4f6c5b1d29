"""The audit trail: rows, and their places in the chain."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _


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
