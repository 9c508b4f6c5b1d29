"""The one table that belongs to no app: answers kept for repeated requests."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class IdempotencyKey(models.Model):
    """The stored answer to a request that its sender may repeat (see `agora.lib.idempotency`)."""

    client = models.UUIDField(_("client"), help_text=_("The user whose key it is."))
    key = models.CharField(_("key"), max_length=255)
    request_hash = models.CharField(_("request hash"), max_length=64)
    status = models.PositiveSmallIntegerField(_("status"))
    location = models.CharField(_("location"), max_length=200, blank=True)
    # Text, not JSON: a replay is the same bytes in the same order.
    body = models.TextField(_("body"))
    created_at = models.DateTimeField(_("created"), db_index=True)

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        constraints = [
            models.UniqueConstraint(fields=["client", "key"], name="lib_idempotency_client_key"),
            models.CheckConstraint(
                condition=models.Q(status__gte=200, status__lt=300),
                name="lib_idempotency_only_success",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.client}/{self.key}"
