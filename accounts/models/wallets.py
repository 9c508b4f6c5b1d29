"""Where a person's tokens go."""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models.users import User


class Wallet(models.Model):
    """The address that a person's tokens are minted to; verified once its owner signs for it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="wallet")
    address = models.CharField(_("address"), max_length=42, unique=True)
    created_at = models.DateTimeField(_("added"), db_default=Now(), editable=False)
    verified_at = models.DateTimeField(_("verified"), null=True, blank=True)

    class Meta:
        verbose_name = _("wallet")
        verbose_name_plural = _("wallets")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(address__regex=r"^0x[0-9a-fA-F]{40}$"),
                name="accounts_wallet_is_evm_address",
            ),
        ]

    def __str__(self) -> str:
        return self.address
