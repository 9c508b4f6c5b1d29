"""A person's address book."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.addresses import LARGEST_TAG, LONGEST_ADDRESS, Caution, Chain, Exchange, cautions
from accounts.models.users import User


class AddressEntry(models.Model):
    """An address in a person's address book, in the one form that its chain gives it (WAL-1)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="address_entries")
    exchange = models.CharField(_("exchange"), max_length=16, choices=Exchange, blank=True)
    chain = models.CharField(_("chain"), max_length=8, choices=Chain)
    label = models.CharField(_("label"), max_length=60)
    address = models.CharField(_("address"), max_length=LONGEST_ADDRESS)
    tag = models.BigIntegerField(_("destination tag"), null=True, blank=True)
    created_at = models.DateTimeField(_("added"))
    updated_at = models.DateTimeField(_("changed"))

    class Meta:
        verbose_name = _("address")
        verbose_name_plural = _("address book")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="accounts_address_of_user"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "exchange", "chain", "address", "tag"],
                nulls_distinct=False,
                name="accounts_address_once",
            ),
            models.CheckConstraint(
                condition=models.Q(chain__in=Chain.values), name="accounts_address_chain"
            ),
            models.CheckConstraint(
                condition=models.Q(exchange__in=Exchange.values), name="accounts_address_exchange"
            ),
            models.CheckConstraint(
                condition=models.Q(tag=None)
                | models.Q(chain=Chain.XRP, tag__gte=0, tag__lte=LARGEST_TAG),
                name="accounts_address_tag",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.chain})"

    @property
    def cautions(self) -> list[Caution]:
        """What its owner should look at again."""
        return cautions(
            chain=self.chain, exchange=self.exchange, address=self.address, tag=self.tag
        )
