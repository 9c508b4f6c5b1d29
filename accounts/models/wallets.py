"""Where a person's tokens go, how it was proved to be theirs, and what replaces it when."""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models.users import User

ADDRESS = r"^0x[0-9a-fA-F]{40}$"


class Method(models.TextChoices):
    """How an address was proved to be its owner's; empty: it was typed, and nothing was proved."""

    NONE = "", _("Not proved")
    KEY = "key", _("Signed by its key")
    CONTRACT = "contract", _("Confirmed by its contract (EIP-1271)")


class Wallet(models.Model):
    """The address that a person's tokens are minted to; verified once its owner signs for it."""

    class State(models.TextChoices):
        UNVERIFIED = "unverified", _("unverified")
        VERIFIED = "verified", _("verified")
        DISPUTED = "disputed", _("disputed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="wallet")
    address = models.CharField(_("address"), max_length=42, unique=True)
    created_at = models.DateTimeField(_("added"), db_default=Now(), editable=False)
    verified_at = models.DateTimeField(_("verified"), null=True, blank=True)
    method = models.CharField(_("proved"), max_length=8, choices=Method, blank=True, default="")
    # Somebody else has proved the address since, and this owner has not: nothing more goes there.
    disputed_at = models.DateTimeField(_("disputed"), null=True, blank=True)

    class Meta:
        verbose_name = _("wallet")
        verbose_name_plural = _("wallets")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(address__regex=ADDRESS), name="accounts_wallet_is_evm_address"
            ),
            models.CheckConstraint(
                condition=models.Q(verified_at=None, method="")
                | models.Q(verified_at__isnull=False, method__in=[Method.KEY, Method.CONTRACT]),
                name="accounts_wallet_verified_by_something",
            ),
            models.CheckConstraint(
                condition=models.Q(disputed_at=None) | models.Q(verified_at=None),
                name="accounts_wallet_proved_is_not_disputed",
            ),
        ]

    def __str__(self) -> str:
        return self.address

    @property
    def state(self) -> State:
        """What is known of whose it is."""
        if self.verified_at:
            return self.State.VERIFIED
        return self.State.DISPUTED if self.disputed_at else self.State.UNVERIFIED


class WalletProof(models.Model):
    """A message of EIP-4361 that a person was asked to sign, and its nonce, which works once.

    `message` is the text as it was given out, so what is verified is exactly what was shown.
    `used_at` is set by one conditional UPDATE; a wrong signature uses the nonce up as a right one.
    """

    class Purpose(models.TextChoices):
        VERIFY = "verify", _("Prove the wallet")
        CHANGE = "change", _("Change to another wallet")

    class Outcome(models.TextChoices):
        OPEN = "", _("Not answered")
        PROVED = "proved", _("Proved")
        REFUSED = "refused", _("Refused")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="wallet_proofs")
    purpose = models.CharField(_("purpose"), max_length=6, choices=Purpose)
    address = models.CharField(_("address"), max_length=42)
    nonce = models.CharField(_("nonce"), max_length=32, unique=True)
    message = models.TextField(_("message"), max_length=2000)
    created_at = models.DateTimeField(_("given out"))
    expires_at = models.DateTimeField(_("expires"))
    used_at = models.DateTimeField(_("used"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome, blank=True, default="")
    reason = models.CharField(_("reason"), max_length=20, blank=True)

    class Meta:
        verbose_name = _("wallet proof")
        verbose_name_plural = _("wallet proofs")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="accounts_proof_of_user"),
            models.Index(fields=["expires_at"], name="accounts_proof_expires"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(address__regex=ADDRESS), name="accounts_proof_is_evm_address"
            ),
            models.CheckConstraint(
                condition=models.Q(used_at=None, outcome="")
                | models.Q(used_at__isnull=False, outcome__in=["proved", "refused"]),
                name="accounts_proof_used_has_outcome",
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")),
                name="accounts_proof_expires_later",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()}, {self.created_at:%Y-%m-%d %H:%M}"


class WalletChange(models.Model):
    """A proved address that takes the place of a person's wallet once its cool-down is over.

    Until `effective_at` orders mint to the wallet of before, and the person may cancel.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting")
        APPLIED = "applied", _("In effect")
        CANCELLED = "cancelled", _("Cancelled")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="wallet_changes")
    old_address = models.CharField(_("until then"), max_length=42)
    address = models.CharField(_("new address"), max_length=42)
    method = models.CharField(_("proved"), max_length=8, choices=Method.choices[1:])
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.PENDING)
    created_at = models.DateTimeField(_("asked for"))
    effective_at = models.DateTimeField(_("takes effect"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=20, blank=True)

    class Meta:
        verbose_name = _("wallet change")
        verbose_name_plural = _("wallet changes")
        ordering = ["-created_at", "-id"]
        permissions = [("cancel_walletchange", "Can cancel a person's wallet change")]
        indexes = [
            models.Index(
                fields=["effective_at"],
                condition=models.Q(state="pending"),
                name="accounts_change_due",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                condition=models.Q(state="pending"),
                name="accounts_one_change_at_a_time",
            ),
            models.UniqueConstraint(
                fields=["address"],
                condition=models.Q(state="pending"),
                name="accounts_change_of_one_person",
            ),
            models.CheckConstraint(
                condition=models.Q(address__regex=ADDRESS)
                & ~models.Q(address=models.F("old_address")),
                name="accounts_change_to_another",
            ),
            models.CheckConstraint(
                condition=models.Q(effective_at__gt=models.F("created_at")),
                name="accounts_change_cools_down",
            ),
            models.CheckConstraint(
                condition=models.Q(state="pending", ended_at=None)
                | models.Q(state__in=["applied", "cancelled"], ended_at__isnull=False),
                name="accounts_change_end_has_time",
            ),
            models.CheckConstraint(
                condition=models.Q(method__in=[Method.KEY, Method.CONTRACT]),
                name="accounts_change_was_proved",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.old_address} → {self.address}"
