"""The tree of liabilities of a snapshot, as it is stored (docs/liabilities-tree.md)."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class LiabilityTree(models.Model):
    """A Merkle-sum tree over all holders of a snapshot; `total` is in base units of 10^-18.

    Chunks and leaves name the snapshot without a foreign key: a check for each of a million rows
    would cost more than writing them. The database refuses to change any, and to remove any that is
    younger than thirty days (migration 0009); older ones go by a retention rule.
    """

    snapshot_id = models.UUIDField(_("snapshot"), primary_key=True, editable=False)
    built_at = models.DateTimeField(_("built"))
    holders = models.BigIntegerField(_("holders"))
    depth = models.PositiveSmallIntegerField(_("levels above the leaves"))
    root_hash = models.BinaryField(_("root"), max_length=32)
    total = models.DecimalField(_("owed, base units"), max_digits=39, decimal_places=0)

    class Meta:
        verbose_name = _("liabilities tree")
        verbose_name_plural = _("liabilities trees")
        ordering = ["-built_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(total__gte=0, holders__gte=0),
                name="compliance_liabilitytree_not_negative",
            )
        ]

    def __str__(self) -> str:
        return f"{self.root_hex[:16]}…"

    @property
    def root_hex(self) -> str:
        return bytes(self.root_hash).hex()


class LiabilityChunk(models.Model):
    """Neighbouring nodes of one level: 48 bytes each, a digest and its sum."""

    pk = models.CompositePrimaryKey("snapshot_id", "level", "number")
    snapshot_id = models.UUIDField()
    level = models.PositiveSmallIntegerField()
    number = models.IntegerField()
    nodes = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.snapshot_id} {self.level}/{self.number}"


class LiabilityLeaf(models.Model):
    """Which leaf of a snapshot's tree belongs to which account (20 bytes of its address)."""

    pk = models.CompositePrimaryKey("snapshot_id", "account")
    snapshot_id = models.UUIDField()
    account = models.BinaryField(max_length=20)
    position = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.snapshot_id} #{self.position}"


class LiabilityNonce(models.Model):
    """The secret from which an account's salt in each snapshot follows.

    The only part that can go: without it nobody can tell any more from a published hash what the
    account held, and the tree stays as it was. An account that comes back after that gets another
    one, which speaks only of trees built since `created_at`.
    """

    account = models.BinaryField(max_length=20, primary_key=True)
    user_id = models.UUIDField(null=True, blank=True, db_index=True)
    nonce = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return f"0x{bytes(self.account).hex()}"
