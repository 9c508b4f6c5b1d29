"""The ERC-20 on the chain: mint transactions, their signed attempts, and nonces."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from agora.lib.money import plain, shares_of


class MintTx(models.Model):
    """The mint for one filled order (RAT-008); `broker_trade_id` makes it unique on the chain too.

    `reference` is the order's id, carried as a plain value: tokens stand below trading.
    """

    class State(models.TextChoices):
        PENDING = "PENDING", _("Pending")
        CONFIRMED = "CONFIRMED", _("Confirmed")
        FAILED = "FAILED", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    reference = models.UUIDField(_("order"), unique=True)
    broker_trade_id = models.CharField(_("broker trade id"), max_length=64, unique=True)
    to_address = models.CharField(_("to"), max_length=42)
    units = models.DecimalField(_("base units"), max_digits=78, decimal_places=0)
    state = models.CharField(
        _("state"), max_length=10, choices=State, default=State.PENDING, db_index=True
    )
    chain_id = models.BigIntegerField(_("chain"))
    contract = models.CharField(_("contract"), max_length=42)
    sender = models.CharField(_("minter"), max_length=42, blank=True)
    nonce = models.BigIntegerField(_("nonce"), null=True, blank=True)
    tx_hash = models.CharField(_("transaction"), max_length=66, null=True, blank=True, unique=True)
    block_number = models.BigIntegerField(_("block"), null=True, blank=True)
    block_hash = models.CharField(_("block hash"), max_length=66, blank=True)
    created_at = models.DateTimeField(_("created"))
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)

    class Meta:
        verbose_name = _("mint transaction")
        verbose_name_plural = _("mint transactions")
        ordering = ["-created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["chain_id", "sender", "nonce"], name="tokens_minttx_one_per_nonce"
            ),
            models.CheckConstraint(
                condition=models.Q(units__gt=0), name="tokens_minttx_units_positive"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="CONFIRMED")
                | models.Q(tx_hash__isnull=False, block_number__isnull=False),
                name="tokens_minttx_confirmed_has_evidence",
            ),
        ]

    def __str__(self) -> str:
        return f"{plain(shares_of(int(self.units)))} AAPL-RAT, {self.get_state_display()}"


class MintAttempt(models.Model):
    """One transaction for a mint: signed and stored before it is broadcast.

    A stuck one is replaced by a next attempt with the same nonce and higher fees; every hash is
    kept, because the mined one may be an older one.
    """

    id = models.BigAutoField(primary_key=True)
    mint = models.ForeignKey(MintTx, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField(_("number"))
    external_tx_id = models.CharField(_("external id"), max_length=40, unique=True)
    signing_tx_id = models.CharField(_("signing transaction"), max_length=64, blank=True)
    unsigned = models.JSONField(_("unsigned transaction"))
    raw_transaction = models.TextField(_("signed transaction"), blank=True)
    tx_hash = models.CharField(_("hash"), max_length=66, unique=True, null=True, blank=True)
    created_at = models.DateTimeField(_("created"))
    # Set before it is handed to a node: from then on it may be mined, whatever became of the call.
    asked_at = models.DateTimeField(_("handed in"), null=True, blank=True)
    broadcast_at = models.DateTimeField(_("broadcast"), null=True, blank=True)

    class Meta:
        verbose_name = _("mint attempt")
        verbose_name_plural = _("mint attempts")
        ordering = ["mint", "number"]
        constraints = [
            models.UniqueConstraint(fields=["mint", "number"], name="tokens_mintattempt_number")
        ]

    def __str__(self) -> str:
        return self.tx_hash or f"#{self.number}"


class FreeNonce(models.Model):
    """A nonce that was taken but will not be used: nothing was sent with it. Taken again first."""

    id = models.BigAutoField(primary_key=True)
    chain_id = models.BigIntegerField()
    sender = models.CharField(max_length=42)
    nonce = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["chain_id", "sender", "nonce"], name="tokens_freenonce_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.sender} on {self.chain_id}: {self.nonce} is free"


class NonceCounter(models.Model):
    """The next nonce of a sender on a chain: taken under a row lock, without gaps, never twice."""

    id = models.BigAutoField(primary_key=True)
    chain_id = models.BigIntegerField()
    sender = models.CharField(max_length=42)
    next_nonce = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["chain_id", "sender"], name="tokens_noncecounter_sender"
            )
        ]

    def __str__(self) -> str:
        return f"{self.sender} on {self.chain_id}: {self.next_nonce}"


class Attestation(models.Model):
    """An external audit's word for one build of the contract, recorded by two people (RAT-010).

    Rows come from approved proposals only (tokens.decisions) and never change: the database sees to
    both (migrations 0002, 0005).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bytecode_sha256 = models.CharField(_("bytecode, SHA-256"), max_length=64, db_index=True)
    auditor = models.CharField(_("auditor"), max_length=120)
    report_url = models.URLField(_("report"), max_length=500)
    report_sha256 = models.CharField(_("report, SHA-256"), max_length=64)
    audited_on = models.DateField(_("date of the report"))
    proposal_id = models.UUIDField(_("decision by two people"), unique=True)
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        verbose_name = _("audit attestation")
        verbose_name_plural = _("audit attestations")
        ordering = ["-recorded_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(bytecode_sha256__regex=r"^[0-9a-f]{64}$")
                & models.Q(report_sha256__regex=r"^[0-9a-f]{64}$"),
                name="tokens_attestation_names_hashes",
            )
        ]

    def __str__(self) -> str:
        return f"{self.auditor} {self.audited_on:%Y-%m-%d}"


class AttestationWithdrawal(models.Model):
    """The end of an attestation, decided by two people: it opens deployment no more (RAT-010).

    A row of its own, as the attestation itself never changes; nor does this, and it needs its
    approved proposal (migrations 0003, 0005).
    """

    attestation = models.OneToOneField(
        Attestation, on_delete=models.PROTECT, primary_key=True, related_name="withdrawal"
    )
    proposal_id = models.UUIDField(_("decision by two people"), unique=True)
    withdrawn_at = models.DateTimeField(_("withdrawn"))

    class Meta:
        verbose_name = _("withdrawal of an attestation")
        verbose_name_plural = _("withdrawals of attestations")

    def __str__(self) -> str:
        return f"{self.attestation_id} {self.withdrawn_at:%Y-%m-%d}"
