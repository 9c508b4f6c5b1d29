"""A person's part in published snapshots: which ones, and the proof of each account."""

import uuid
from dataclasses import dataclass

from accounts.models import User
from compliance.models import LiabilityTree, ReserveSignature
from compliance.reserves import liabilities, selectors
from compliance.reserves.liabilities import Proof

NEWEST = 30  # snapshots looked at, one a day


@dataclass(frozen=True)
class Holding:
    """A published snapshot in which the person held tokens, and at which addresses."""

    signature: ReserveSignature
    addresses: list[str]


def holdings_of(user: User) -> list[Holding]:
    """The newest published snapshots in which the person held tokens; two queries."""
    signatures = list(selectors.published().exclude(snapshot__tree_root="")[:NEWEST])
    held = liabilities.held_by(
        user_id=user.pk, snapshots=[signature.snapshot_id for signature in signatures]
    )
    return [
        Holding(signature, held[signature.snapshot_id])
        for signature in signatures
        if signature.snapshot_id in held
    ]


def holding_of(user: User, *, snapshot_id: uuid.UUID | None) -> Holding | None:
    """The person's part in one published snapshot, or in the newest one with them in it."""
    if snapshot_id is None:
        return next(iter(holdings_of(user)), None)
    signature = selectors.published().filter(snapshot=snapshot_id).first()
    held = liabilities.held_by(user_id=user.pk, snapshots=[snapshot_id])
    return Holding(signature, held[snapshot_id]) if signature and held else None


def without_tree(*, snapshot_id: uuid.UUID) -> ReserveSignature | None:
    """A published snapshot whose tree is not kept any more, so that it has no proofs to give."""
    signature = selectors.published().filter(snapshot=snapshot_id).first()
    if signature is None or not signature.snapshot.tree_root:
        return None
    return None if LiabilityTree.objects.filter(pk=snapshot_id).exists() else signature


def proofs_of(holding: Holding) -> list[Proof]:
    """A proof for each address. Raises ProofError when the stored tree is damaged."""
    snapshot_id = holding.signature.snapshot_id
    return [
        liabilities.proof_of(snapshot_id=snapshot_id, address=address)
        for address in holding.addresses
    ]
