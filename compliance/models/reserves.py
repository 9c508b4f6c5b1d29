"""Proof of reserve: snapshots, what they rest on, who signed them, and what the chain has told."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from agora.lib.work import Job


class ReserveSnapshot(Job):
    """Proof of reserve at one block: what is minted, held, and still on its way (RAT-003).

    A job until it is READY; from then on the database refuses to change or remove it and what
    belongs to it (migration 0004). Figures are shares; `content_hash` is the SHA-256 of all of it in
    canonical JSON, which the audit trail holds too.
    """

    class State(models.TextChoices):
        REQUESTED = "REQUESTED", _("Requested")
        READY = "READY", _("Ready")

    class Finality(models.TextChoices):
        FINALIZED = "finalized", _("told as final by the chain")
        DEPTH = "depth", _("deep enough: the chain does not tell what is final")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    symbol = models.CharField(_("asset"), max_length=12, default="AAPL")
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.REQUESTED)
    day = models.DateField(_("scheduled for"), null=True, blank=True, unique=True)
    requested_by = models.CharField(_("requested by"), max_length=80)
    requested_at = models.DateTimeField(_("requested"))
    built_at = models.DateTimeField(_("built"), null=True, blank=True)
    chain_id = models.BigIntegerField(_("chain"), null=True, blank=True)
    contract = models.CharField(_("contract"), max_length=42, blank=True)
    block_number = models.BigIntegerField(_("block"), null=True, blank=True)
    block_hash = models.CharField(_("block hash"), max_length=66, blank=True)
    block_time = models.DateTimeField(_("block's time"), null=True, blank=True)
    finality = models.CharField(_("finality"), max_length=10, choices=Finality, blank=True)
    figures = models.JSONField(_("figures"), default=dict)
    difference = models.DecimalField(
        _("difference"), max_digits=78, decimal_places=18, null=True, blank=True
    )
    breaks = models.PositiveIntegerField(_("differences not explained by time"), default=0)
    tree_root = models.CharField(_("root of the tree"), max_length=64, blank=True)
    tree_sum = models.DecimalField(
        _("sum of the tree, base units"), max_digits=78, decimal_places=0, null=True, blank=True
    )
    content_hash = models.CharField(_("hash"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("proof of reserve")
        verbose_name_plural = _("proofs of reserve")
        ordering = ["-requested_at", "-id"]
        permissions = [
            ("sign_reservesnapshot", "Can propose and approve the sign-off of a reserve snapshot")
        ]
        indexes = [
            models.Index(fields=["-requested_at", "-id"], name="compliance_snapshot_newest"),
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="compliance_snapshot_due",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="REQUESTED")
                | Q(
                    state="READY",
                    built_at__isnull=False,
                    block_number__isnull=False,
                    difference__isnull=False,
                )
                & ~Q(content_hash=""),
                name="compliance_snapshot_ready_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.requested_at:%Y-%m-%d %H:%M} UTC"

    @property
    def agrees(self) -> bool:
        """Whether every share and token is accounted for."""
        return self.state == self.State.READY and not self.difference and not self.breaks


class ReserveSource(models.Model):
    """One source as it answered: when it was asked, and its own words."""

    id = models.BigAutoField(primary_key=True)
    snapshot = models.ForeignKey(ReserveSnapshot, on_delete=models.PROTECT, related_name="sources")
    name = models.CharField(_("source"), max_length=24)
    asked_at = models.DateTimeField(_("asked"))
    answered_at = models.DateTimeField(_("answered"))
    evidence = models.JSONField(_("evidence"))

    class Meta:
        verbose_name = _("source of a snapshot")
        verbose_name_plural = _("sources of snapshots")
        constraints = [
            models.UniqueConstraint(fields=["snapshot", "name"], name="compliance_source_once")
        ]

    def __str__(self) -> str:
        return self.name


class ReserveRow(models.Model):
    """One order, record or mint whose legs do not all stand alike at the moment of the snapshot.

    Six figures of the same thing, in shares: what our order, custody record and mint transaction
    say, and what broker, custodian and chain say. Rows of a kind that time explains are in flight;
    the others are breaks. Ids and quantities may be all that the contract takes: 128 bytes, uint256.
    """

    class Kind(models.TextChoices):
        FILL_NOT_READ = "fill_not_read", _("Filled at the broker, not read by us yet")
        BETWEEN_READS = "between_reads", _("Filled while the sources were read")
        TO_CUSTODY = "to_custody", _("Bought, on its way into custody")
        CUSTODY_NOT_READ = "custody_not_read", _("In custody, not read by us yet")
        TO_MINT = "to_mint", _("In custody, on its way to the mint")
        AFTER_BLOCK = "after_block", _("Minted after the block of the snapshot")
        MINT_NOT_READ = "mint_not_read", _("Minted, not confirmed by us yet")
        NOT_MINTED = "not_minted", _("Bought and never to be minted, by a decision")
        KEPT = "kept", _("Kept by Agora: the buyer was paid back")
        OVERDUE = "overdue", _("On its way for too long")
        UNKNOWN_AT_BROKER = "unknown_broker", _("At the broker, unknown to us")
        MISSING_AT_BROKER = "missing_broker", _("Missing at the broker")
        UNKNOWN_IN_CUSTODY = "unknown_custody", _("At the custodian, unknown to us")
        MISSING_IN_CUSTODY = "missing_custody", _("Missing at the custodian")
        UNKNOWN_ON_CHAIN = "unknown_chain", _("Minted, unknown to us")
        MISSING_ON_CHAIN = "missing_chain", _("Missing on the chain")
        UNEQUAL = "unequal", _("The legs tell different quantities")
        WITHOUT_ORDER = "without_order", _("A record without an order")
        HOLDERS = "holders", _("Balances by events are not what the contract tells")
        TOO_MANY_TOKENS = "too_many_tokens", _("More tokens than the tree of holders can sum")
        UNEXPLAINED_BROKER = "rest_broker", _("Rest at the broker that no order explains")
        UNEXPLAINED_CUSTODY = "rest_custody", _("Rest at the custodian that no record explains")
        UNEXPLAINED_CHAIN = "rest_chain", _("Rest of the supply that no mint explains")

    # What people decided: it does not pass, and is no break.
    DECIDED = (Kind.NOT_MINTED, Kind.KEPT)

    id = models.BigAutoField(primary_key=True)
    snapshot = models.ForeignKey(ReserveSnapshot, on_delete=models.PROTECT, related_name="rows")
    number = models.PositiveIntegerField(_("number"))
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    is_break = models.BooleanField(_("a break"))
    order_id = models.UUIDField(_("order"), null=True, blank=True)
    leg = models.CharField(_("state of the order"), max_length=20, blank=True)
    reference = models.CharField(_("outside id"), max_length=128, blank=True)
    ordered = models.DecimalField(_("our order"), max_digits=78, decimal_places=18)
    broker = models.DecimalField(_("broker"), max_digits=78, decimal_places=18)
    recorded = models.DecimalField(_("our custody record"), max_digits=78, decimal_places=18)
    custody = models.DecimalField(_("custodian"), max_digits=78, decimal_places=18)
    minted = models.DecimalField(_("our mint"), max_digits=78, decimal_places=18)
    chain = models.DecimalField(_("chain"), max_digits=78, decimal_places=18)

    class Meta:
        verbose_name = _("difference of a snapshot")
        verbose_name_plural = _("differences of snapshots")
        ordering = ["snapshot", "number"]
        constraints = [
            models.UniqueConstraint(fields=["snapshot", "number"], name="compliance_row_number")
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.kind}"


class ReserveSignature(models.Model):
    """The sign-off of a snapshot by two people (PRE-1): what they signed, word for word.

    Append-only, and stored with its approved proposal only (migration 0020). Only signed snapshots are
    published.
    """

    snapshot = models.OneToOneField(
        ReserveSnapshot, on_delete=models.PROTECT, primary_key=True, related_name="signature"
    )
    proposal_id = models.UUIDField(unique=True)
    content_hash = models.CharField(_("hash"), max_length=64)
    statement = models.TextField(_("statement"))
    # Of each difference: its row, kind, since when it stands, and the words of those who sign.
    explanations = models.JSONField(_("explanations"), default=list)
    maker_id = models.UUIDField(_("proposed by"))
    checker_id = models.UUIDField(_("approved by"))
    signed_at = models.DateTimeField(_("signed"), db_index=True)

    class Meta:
        verbose_name = _("signature of a snapshot")
        verbose_name_plural = _("signatures of snapshots")
        constraints = [
            models.CheckConstraint(
                condition=~Q(maker_id=F("checker_id")), name="compliance_signature_two_people"
            )
        ]

    def __str__(self) -> str:
        return f"{self.snapshot_id} {self.signed_at:%Y-%m-%d}"


class ChainTransfer(models.Model):
    """A Transfer event of the token, as read from final blocks; minting comes from address zero."""

    id = models.BigAutoField(primary_key=True)
    chain_id = models.BigIntegerField()
    contract = models.CharField(max_length=42)
    block_number = models.BigIntegerField()
    log_index = models.PositiveIntegerField()
    tx_hash = models.CharField(max_length=66)
    from_address = models.CharField(max_length=42)
    to_address = models.CharField(max_length=42)
    units = models.DecimalField(max_digits=78, decimal_places=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["chain_id", "contract", "block_number", "log_index"],
                name="compliance_transfer_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.tx_hash} {self.log_index}"


class ChainMint(models.Model):
    """A Minted event of the token, as read from final blocks: joins chain and broker by id."""

    id = models.BigAutoField(primary_key=True)
    chain_id = models.BigIntegerField()
    contract = models.CharField(max_length=42)
    block_number = models.BigIntegerField()
    log_index = models.PositiveIntegerField()
    tx_hash = models.CharField(max_length=66)
    to_address = models.CharField(max_length=42)
    units = models.DecimalField(max_digits=78, decimal_places=0)
    broker_trade_id = models.CharField(max_length=128)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["chain_id", "contract", "block_number", "log_index"],
                name="compliance_mint_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.tx_hash} {self.log_index}"


class ChainCheckpoint(models.Model):
    """Up to where the events of the token are read: the newest is the cursor.

    Older ones stay, so that after a reorganisation reading goes on from the last one that is still
    canonical.
    """

    id = models.BigAutoField(primary_key=True)
    chain_id = models.BigIntegerField()
    contract = models.CharField(max_length=42)
    block_number = models.BigIntegerField()
    block_hash = models.CharField(max_length=66)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["chain_id", "contract", "block_number"],
                name="compliance_checkpoint_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.block_number} {self.block_hash}"
