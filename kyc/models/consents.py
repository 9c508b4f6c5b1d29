"""What people have agreed to, with the very text."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class ConsentText(models.Model):
    """One version of a text that people agreed to; the database keeps it from being changed.

    Its key is the SHA-256 of the text in UTF-8, so whoever holds the hash can find and check it.
    """

    sha256 = models.CharField(_("text, SHA-256"), max_length=64, primary_key=True)
    document = models.CharField(_("document"), max_length=20)
    version = models.CharField(_("version"), max_length=20)
    text = models.TextField(_("text"))

    class Meta:
        verbose_name = _("consent text")
        verbose_name_plural = _("consent texts")
        constraints = [
            models.UniqueConstraint(fields=["document", "version"], name="kyc_consenttext_version"),
            models.CheckConstraint(
                condition=models.Q(sha256__regex=r"^[0-9a-f]{64}$"), name="kyc_consenttext_sha256"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.document} {self.version}"


class Consent(models.Model):
    """That a person agreed to a text, when, and in which language it was offered beside it.

    Never removed, only withdrawn: it proves why their data was kept (LGPD art. 8 § 2).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="consents"
    )
    text = models.ForeignKey(ConsentText, on_delete=models.PROTECT, related_name="+")
    language = models.CharField(_("language"), max_length=10)
    accepted_at = models.DateTimeField(_("agreed"))
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, blank=True)

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        ordering = ["-accepted_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "text"],
                condition=models.Q(withdrawn_at=None),
                name="kyc_consent_once_in_force",
            ),
            models.CheckConstraint(
                condition=models.Q(withdrawn_at=None)
                | models.Q(withdrawn_at__gte=models.F("accepted_at")),
                name="kyc_consent_withdrawn_later",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.text_id[:8]} {self.accepted_at:%Y-%m-%d}"
