"""Proof of reserve."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from agora.lib.work import Job


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
