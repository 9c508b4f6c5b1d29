"""A person's application, and what its tier allows."""

import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.keys import key_for
from agora.lib import crypto

# USD a day: what KYC-light allows.
MOST_IN_TIER_1 = Decimal(1000)


class Tier(models.Model):
    """What a level of verification allows. Data, so that it changes without a release."""

    number = models.PositiveSmallIntegerField(_("tier"), primary_key=True)
    daily_limit_usd = models.DecimalField(_("daily limit, USD"), max_digits=12, decimal_places=2)

    class Meta:
        verbose_name = _("tier")
        verbose_name_plural = _("tiers")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(daily_limit_usd__gt=0), name="kyc_tier_limit_positive"
            ),
            models.CheckConstraint(
                condition=~models.Q(number=1) | models.Q(daily_limit_usd__lte=MOST_IN_TIER_1),
                name="kyc_tier_1_at_most_1000",
            ),
        ]

    def __str__(self) -> str:
        return str(_("Tier %(number)s") % {"number": self.number})


class Application(models.Model):
    """A person's KYC-light application (RAT-001). One tax id, one person, one account."""

    class Country(models.TextChoices):
        BR = "BR", _("Brazil")
        PY = "PY", _("Paraguay")

    class Status(models.TextChoices):
        PENDING = "PENDING", _("Pending")
        APPROVED = "APPROVED", _("Approved")
        REJECTED = "REJECTED", _("Rejected")
        SUSPENDED = "SUSPENDED", _("Suspended")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="kyc_application"
    )
    country = models.CharField(_("country"), max_length=2, choices=Country)
    full_name_encrypted = models.BinaryField(editable=False)
    tax_id_encrypted = models.BinaryField(editable=False)
    tax_id_index = models.BinaryField(max_length=32, unique=True, editable=False)
    status = models.CharField(
        _("status"), max_length=10, choices=Status, default=Status.PENDING, db_index=True
    )
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, verbose_name=_("tier"))
    consent_version = models.CharField(_("consent version"), max_length=20)
    consent_hash = models.CharField(_("consent text, SHA-256"), max_length=64)
    consented_at = models.DateTimeField(_("consented"))
    submitted_at = models.DateTimeField(_("submitted"))
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decided_by = models.CharField(_("decided by"), max_length=80, blank=True)

    class Meta:
        verbose_name = _("application")
        verbose_name_plural = _("applications")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status="PENDING") | models.Q(decided_at__isnull=False),
                name="kyc_application_decision_has_time",
            ),
            models.CheckConstraint(
                condition=models.Q(country__in=["BR", "PY"]), name="kyc_application_country"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_country_display()}, {self.submitted_at:%Y-%m-%d %H:%M}"

    def seal(self, *, column: str, text: str) -> bytes:
        """Ciphertext of a personal value under the person's key, bound to this row and column."""
        key = key_for(self.user_id)
        return crypto.encrypt(text, table="kyc_application", column=column, row=self.pk, key=key)

    def _unseal(self, column: str, sealed: bytes | memoryview) -> str:
        """Text of a column; raises crypto.Shredded once the person's data was erased."""
        ciphertext = bytes(sealed)
        if not ciphertext:
            raise crypto.Shredded(f"kyc_application.{column} of {self.pk} was erased.")
        # Rows from before there were people's keys stay under a master key until rotate_keys runs.
        key = key_for(self.user_id) if crypto.is_personal(ciphertext) else None
        return crypto.decrypt(
            ciphertext, table="kyc_application", column=column, row=self.pk, key=key
        )

    @property
    def full_name(self) -> str:
        return self._unseal("full_name", self.full_name_encrypted)

    @property
    def tax_id(self) -> str:
        return self._unseal("tax_id", self.tax_id_encrypted)

    @property
    def is_approved(self) -> bool:
        return self.status == self.Status.APPROVED


class DailyLimit(models.Model):
    """A person's counter for one day, in USD (RAT-002).

    `day` is the calendar day in the time zone of the person's country; a newer day starts at zero.
    `used_usd` may pass `limit_usd` only by settling a fill, never by a reservation.
    """

    application = models.OneToOneField(
        Application, on_delete=models.PROTECT, primary_key=True, related_name="daily_limit"
    )
    limit_usd = models.DecimalField(_("limit, USD"), max_digits=12, decimal_places=2)
    # Set for this person below their tier's; otherwise it follows the tier.
    is_personal = models.BooleanField(_("own limit"), default=False)
    day = models.DateField(_("day"))
    used_usd = models.DecimalField(_("used, USD"), max_digits=12, decimal_places=2, default=0)

    class Meta:
        verbose_name = _("daily limit")
        verbose_name_plural = _("daily limits")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(used_usd__gte=0), name="kyc_dailylimit_used_not_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(limit_usd__gt=0), name="kyc_dailylimit_limit_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.used_usd} / {self.limit_usd} USD"


ZONES = {"BR": ZoneInfo("America/Sao_Paulo"), "PY": ZoneInfo("America/Asuncion")}
