"""Requests for a copy of one's data, and for its erasure."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agora.lib.work import Job


class DataExport(Job):
    """A copy of everything held about a person; the job builds it, and removes it when it expires.

    Its bytes lie in parts, each sealed under the person's key. `user_id` is a plain id: the table
    stands below the people's own. `sha256` and `size` are of the whole ZIP file.
    """

    class State(models.TextChoices):
        REQUESTED = "REQUESTED", _("Being put together")
        READY = "READY", _("Ready")
        EXPIRED = "EXPIRED", _("Expired")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user_id = models.UUIDField(_("person"))
    requested_by = models.CharField(_("requested by"), max_length=80)
    requested_at = models.DateTimeField(_("requested"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.REQUESTED)
    built_at = models.DateTimeField(_("ready"), null=True, blank=True)
    expires_at = models.DateTimeField(_("removed"), null=True, blank=True)
    size = models.PositiveBigIntegerField(_("size, bytes"), null=True, blank=True)
    sha256 = models.CharField(_("SHA-256 of the file"), max_length=64, blank=True)
    downloaded_at = models.DateTimeField(_("last downloaded"), null=True, blank=True)

    class Meta:
        verbose_name = _("copy of a person's data")
        verbose_name_plural = _("copies of people's data")
        ordering = ["-requested_at", "-id"]
        permissions = [("request_dataexport", "Can have a copy of a person's data made")]
        indexes = [
            models.Index(fields=["user_id", "-requested_at"], name="compliance_export_of_person"),
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="compliance_export_due",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user_id"],
                condition=Q(state="REQUESTED"),
                name="compliance_export_one_at_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="READY")
                | Q(built_at__isnull=False, expires_at__isnull=False, size__isnull=False),
                name="compliance_export_ready_has_file",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_state_display()}, {self.requested_at:%Y-%m-%d %H:%M}"


class DataExportPart(models.Model):
    """One piece of an export's file, sealed under the person's key and bound to its place."""

    export = models.ForeignKey(DataExport, on_delete=models.PROTECT, related_name="parts")
    number = models.PositiveIntegerField()
    sealed = models.BinaryField(editable=False)

    class Meta:
        verbose_name = _("part of a copy of data")
        verbose_name_plural = _("parts of copies of data")
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["export", "number"], name="compliance_exportpart_number_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.export_id}/{self.number}"


class ErasureRequest(Job):
    """A person's wish to have their data erased, and what became of it (LGPD art. 18 VI).

    REQUESTED: may be withdrawn until `execute_after`, then the job carries it out once nothing stands
    against it (`obstacles`: codes); tokens do not where the person gives them up. CLOSED: the account
    is closed and all is erased that no law keeps; the rest is unreadable from `keep_until` on. ERASED:
    that has been done too.
    """

    class State(models.TextChoices):
        REQUESTED = "REQUESTED", _("Requested")
        WITHDRAWN = "WITHDRAWN", _("Withdrawn")
        CLOSED = "CLOSED", _("Account closed, legal records kept")
        ERASED = "ERASED", _("Erased")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user_id = models.UUIDField(_("person"))
    requested_by = models.CharField(_("requested by"), max_length=80)
    requested_at = models.DateTimeField(_("requested"))
    execute_after = models.DateTimeField(_("can be undone until"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.REQUESTED)
    obstacles = models.JSONField(_("stands against it"), default=list, blank=True)
    gives_up_tokens = models.BooleanField(_("gives up tokens"), default=False, db_default=False)
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, blank=True)
    closed_at = models.DateTimeField(_("account closed"), null=True, blank=True)
    keep_until = models.DateTimeField(_("legal records kept until"), null=True, blank=True)
    erased_at = models.DateTimeField(_("erased"), null=True, blank=True)

    class Meta:
        verbose_name = _("request for erasure")
        verbose_name_plural = _("requests for erasure")
        ordering = ["-requested_at", "-id"]
        permissions = [("request_erasure", "Can request and withdraw a person's erasure for them")]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="compliance_erasure_due",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user_id"],
                condition=~Q(state="WITHDRAWN"),
                name="compliance_erasure_one_a_person",
            ),
            models.CheckConstraint(
                condition=Q(state="REQUESTED", withdrawn_at=None, closed_at=None, erased_at=None)
                | Q(state="WITHDRAWN", withdrawn_at__isnull=False, closed_at=None, erased_at=None)
                | Q(
                    state="CLOSED",
                    closed_at__isnull=False,
                    keep_until__isnull=False,
                    erased_at=None,
                )
                | Q(state="ERASED", closed_at__isnull=False, erased_at__isnull=False),
                name="compliance_erasure_times",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_state_display()}, {self.requested_at:%Y-%m-%d %H:%M}"
