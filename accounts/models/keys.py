"""The key under which a person's data is sealed."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models.users import User


class PersonKey(models.Model):
    """A person's data key, sealed under a master key; empty for ever once it was destroyed.

    Destroying it makes all that was sealed under it unreadable (crypto-shredding): see accounts.keys.
    """

    user = models.OneToOneField(
        User, on_delete=models.PROTECT, primary_key=True, related_name="personal_key"
    )
    sealed = models.BinaryField(max_length=200, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    shredded_at = models.DateTimeField(_("destroyed"), null=True, blank=True)

    class Meta:
        verbose_name = _("person's key")
        verbose_name_plural = _("people's keys")
        constraints = [
            models.CheckConstraint(
                condition=Q(sealed=b"", shredded_at__isnull=False)
                | (~Q(sealed=b"") & Q(shredded_at=None)),
                name="accounts_personkey_empty_once_destroyed",
            ),
        ]

    def __str__(self) -> str:
        return str(self.user_id)
