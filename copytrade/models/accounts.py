"""A person's account at an exchange, with the key that Agora may trade it by."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agora.lib import crypto
from agora.lib.money import plain
from agora.lib.work import Job
from copytrade.states import AccountState

TABLE = "copytrade_exchangeaccount"


class Exchange(models.TextChoices):
    """Exchanges that the adapter speaks to."""

    BINANCE = "binance", "Binance"


class ExchangeAccount(Job):
    """An exchange account and its key; the job is the daily check of the key and of the ledger.

    Key and secret are sealed per field, bound to this row, and never shown again. `key_index` is a
    blind index, so that one key is entered once; `owner_index` one of the exchange's number of the
    account (empty where it tells none), so that two keys of one account do not book it twice.
    `failures` counts in a row; from `blocked_until` on the account is tried again (circuit breaker).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="exchange_accounts"
    )
    exchange = models.CharField(_("exchange"), max_length=16, choices=Exchange)
    label = models.CharField(_("name"), max_length=60)
    api_key_encrypted = models.BinaryField(editable=False)
    secret_encrypted = models.BinaryField(editable=False)
    key_index = models.CharField(max_length=64, editable=False)
    owner_index = models.CharField(max_length=64, editable=False, blank=True, default="")
    key_hint = models.CharField(_("key ends in"), max_length=4)
    state = models.CharField(
        _("state"), max_length=8, choices=AccountState, default=AccountState.ACTIVE
    )
    state_reason = models.CharField(_("reason"), max_length=40, blank=True)
    can_trade = models.BooleanField(_("may trade"), default=True)
    can_withdraw = models.BooleanField(_("may withdraw"), null=True)
    ip_restricted = models.BooleanField(_("bound to network addresses"), null=True)
    checked_at = models.DateTimeField(_("key checked"), null=True, blank=True)
    opened_at = models.DateTimeField(_("ledger opened"), null=True, blank=True)
    proved_at = models.DateTimeField(_("ledger compared"), null=True, blank=True)
    failures = models.PositiveSmallIntegerField(_("failures in a row"), default=0)
    blocked_until = models.DateTimeField(_("rested until"), null=True, blank=True)
    created_at = models.DateTimeField(_("added"))

    class Meta:
        verbose_name = _("exchange account")
        verbose_name_plural = _("exchange accounts")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="copytrade_account_due",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["exchange", "key_index"],
                condition=~Q(state="REMOVED"),
                name="copytrade_account_key_once",
            ),
            models.UniqueConstraint(
                fields=["exchange", "owner_index"],
                condition=~Q(state="REMOVED") & ~Q(owner_index=""),
                name="copytrade_account_owner_once",
            ),
            # A key that may withdraw is never kept in use (SUB-1).
            models.CheckConstraint(
                condition=~Q(state="ACTIVE")
                | Q(can_trade=True, can_withdraw=False)
                | Q(can_trade=True, can_withdraw__isnull=True),
                name="copytrade_account_rights",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_exchange_display()} …{self.key_hint}"

    def seal(self, *, column: str, text: str) -> bytes:
        """Ciphertext of `api_key` or `secret`, bound to this row and column."""
        return crypto.encrypt(text, table=TABLE, column=column, row=self.pk)


class LedgerProof(models.Model):
    """One asset of one comparison: what the ledger says against what the exchange says (LED-1)."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="proofs")
    run = models.UUIDField(editable=False)
    at = models.DateTimeField(_("compared"))
    asset = models.CharField(_("asset"), max_length=20)
    ledger = models.DecimalField(_("ledger"), max_digits=36, decimal_places=18)
    exchange = models.DecimalField(_("exchange"), max_digits=36, decimal_places=18)
    difference = models.DecimalField(_("difference"), max_digits=36, decimal_places=18)

    class Meta:
        verbose_name = _("ledger comparison")
        verbose_name_plural = _("ledger comparisons")
        ordering = ["-at", "asset"]
        indexes = [models.Index(fields=["account", "-at"], name="copytrade_proof_of_account")]
        constraints = [
            models.UniqueConstraint(fields=["run", "asset"], name="copytrade_proof_once"),
            models.CheckConstraint(
                condition=Q(difference=models.F("exchange") - models.F("ledger")),
                name="copytrade_proof_difference",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asset} {plain(self.difference)}, {self.at:%Y-%m-%d %H:%M}"
