"""The audit trail: rows, their places in the chain, anchors of it, and how long records are kept."""

import uuid
from typing import ClassVar

from django.db import models
from django.utils.functional import Promise
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
        permissions = [("export_auditrow", "Can export the audit trail")]
        indexes = [
            models.Index(fields=["object_type", "object_id"], name="compliance_audit_object"),
            # By whom and about whom: a person's own copy of their data asks for both.
            models.Index(fields=["actor"], name="compliance_audit_actor"),
            models.Index(fields=["action"], name="compliance_audit_action"),
            models.Index(
                models.F("evidence__user"),
                condition=models.Q(evidence__has_key="user"),
                name="compliance_audit_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action}, {self.at:%Y-%m-%d %H:%M:%S}"


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


class AuditAnchor(models.Model):
    """One head of the chain that was told to a place outside the database.

    Only a note of what was told: what counts in a verification is read from the place itself.
    """

    place = models.CharField(_("place"), max_length=20)
    position = models.BigIntegerField(_("position in the chain"))
    hash = models.BinaryField(_("head"), max_length=32)
    anchored_at = models.DateTimeField(_("anchored"))
    reference = models.CharField(_("found at"), max_length=300)

    class Meta:
        verbose_name = _("anchor of the audit trail")
        verbose_name_plural = _("anchors of the audit trail")
        ordering = ["-position", "place"]
        constraints = [
            models.UniqueConstraint(
                fields=["place", "position"], name="compliance_anchor_once_a_place"
            ),
            models.CheckConstraint(
                condition=models.Q(position__gt=0), name="compliance_anchor_of_a_row"
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.position} {self.place}"


class RetentionRule(models.Model):
    """How long one kind of record is kept; changed only by two people (`compliance.retention`).

    A kind without a rule is never removed.
    """

    # What the kinds are called (compliance.retention).
    TITLES: ClassVar[dict[str, str | Promise]] = {}

    kind = models.SlugField(_("kind of record"), max_length=40, primary_key=True)
    days = models.PositiveIntegerField(_("days kept"))
    legal_basis = models.CharField(_("legal basis"), max_length=300)
    changed_at = models.DateTimeField(_("changed"), null=True, blank=True)

    class Meta:
        verbose_name = _("retention rule")
        verbose_name_plural = _("retention")
        ordering = ["kind"]
        permissions = [
            ("propose_retention", "Can propose how long a kind of record is kept"),
        ]

    def __str__(self) -> str:
        return f"{self.TITLES.get(self.kind, self.kind)}: {self.days} d"
