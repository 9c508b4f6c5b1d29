"""What people say is wrong in their application."""

import uuid
from typing import cast

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.keys import key_for
from agora.lib import crypto
from kyc import taxid
from kyc.models.applications import Application


class Correction(models.Model):
    """A person's wish to have their name or tax id put right (LGPD art. 18 III), and its end.

    The new values, why, and an officer's answer are sealed under the person's key; an empty value is
    left as it is. MADE: two people decided for it. DECLINED: an officer answered why not. Times are
    UTC.
    """

    class State(models.TextChoices):
        OPEN = "OPEN", _("Waits for us")
        MADE = "MADE", _("Corrected")
        DECLINED = "DECLINED", _("Not corrected")
        WITHDRAWN = "WITHDRAWN", _("Withdrawn")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    application = models.ForeignKey(
        Application,
        on_delete=models.PROTECT,
        related_name="corrections",
        verbose_name=_("application"),
    )
    full_name_encrypted = models.BinaryField(editable=False, default=b"")
    tax_id_encrypted = models.BinaryField(editable=False, default=b"")
    reason_encrypted = models.BinaryField(editable=False, default=b"")
    answer_encrypted = models.BinaryField(editable=False, default=b"")
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    asked_at = models.DateTimeField(_("asked"))
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)

    class Meta:
        verbose_name = _("correction")
        verbose_name_plural = _("corrections")
        ordering = ["-asked_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["application"],
                condition=models.Q(state="OPEN"),
                name="kyc_correction_one_open_for_a_person",
            ),
            models.CheckConstraint(
                condition=models.Q(state="OPEN", decided_at=None)
                | (~models.Q(state="OPEN") & models.Q(decided_at__isnull=False)),
                name="kyc_correction_end_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asked_at:%Y-%m-%d %H:%M}"

    def seal(self, *, column: str, text: str) -> None:
        """Set a column to the text, sealed under the person's key; an empty text stays empty."""
        key = key_for(self.application.user_id)
        sealed = crypto.encrypt(text, **self._place(column), key=key) if text else b""
        setattr(self, f"{column}_encrypted", sealed)

    def _place(self, column: str) -> crypto.Place:
        return {"table": "kyc_correction", "column": column, "row": self.pk}

    def _unseal(self, column: str) -> str:
        sealed = bytes(cast("bytes | memoryview", getattr(self, f"{column}_encrypted")))
        if not sealed:
            return ""
        key = key_for(self.application.user_id)
        return crypto.decrypt(sealed, **self._place(column), key=key)

    @property
    def full_name(self) -> str:
        """The name wanted, empty to leave it; raises crypto.Shredded after the person's erasure."""
        return self._unseal("full_name")

    @property
    def tax_id(self) -> str:
        """The tax id wanted, empty to leave it; raises crypto.Shredded after the person's erasure."""
        return self._unseal("tax_id")

    @property
    def tax_id_index(self) -> bytes:
        """By which the tax id wanted is found; raises crypto.Shredded after the person's erasure."""
        return taxid.index_of(country=self.application.country, number=self.tax_id)

    @property
    def reason(self) -> str:
        """Why, in the person's words; raises crypto.Shredded after the person's erasure."""
        return self._unseal("reason")

    @property
    def answer(self) -> str:
        """An officer's words to the person; raises crypto.Shredded after the person's erasure."""
        return self._unseal("answer")

    @property
    def fields(self) -> list[str]:
        """The names of what is to be changed."""
        wanted = {"full_name": self.full_name_encrypted, "tax_id": self.tax_id_encrypted}
        return [name for name, sealed in wanted.items() if sealed]
