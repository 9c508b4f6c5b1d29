"""What is owed to holders, as a tree of which each of them can check their part (RAT-003, PRE-1).

The form of the tree, and what a proof shows and does not show, is docs/liabilities-tree.md.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np
from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from compliance.models import LiabilityLeaf, LiabilityTree
from compliance.reserves import merkle, tree_store
from compliance.reserves.digests import Hasher
from compliance.reserves.merkle import Node, TreeError

__all__ = [
    "Holder",
    "Proof",
    "Root",
    "TreeError",
    "build",
    "held_by",
    "proof_of",
    "units_of",
    "verify",
]
FORMAT = "agora-liabilities-proof/1"
# An address that holds tokens again after its nonce was erased has another one, which says nothing
# of trees from before. Two builds at once may share a nonce that the later one's clock calls younger.
_OF_TREE = "nonce.created_at < tree.built_at + interval '1 hour'"
_LEAF = f"""
SELECT tree.holders, tree.root_hash, tree.total, tree.depth, tree.built_at, leaf.position,
    nonce.nonce
FROM compliance_liabilitytree tree
JOIN compliance_liabilityleaf leaf
    ON leaf.snapshot_id = tree.snapshot_id AND leaf.account = %s
LEFT JOIN compliance_liabilitynonce nonce ON nonce.account = leaf.account AND {_OF_TREE}
WHERE tree.snapshot_id = %s
"""  # noqa: S608  # joins a constant
_LEAVES = f"""
SELECT leaf.account, leaf.position, nonce.nonce
FROM compliance_liabilityleaf leaf
JOIN compliance_liabilitytree tree ON tree.snapshot_id = leaf.snapshot_id
LEFT JOIN compliance_liabilitynonce nonce ON nonce.account = leaf.account AND {_OF_TREE}
WHERE leaf.snapshot_id = %s
"""  # noqa: S608  # joins a constant
_HELD = f"""
SELECT leaf.snapshot_id, leaf.account
FROM compliance_liabilitynonce nonce
JOIN compliance_liabilityleaf leaf
    ON leaf.snapshot_id = ANY(%s) AND leaf.account = nonce.account
JOIN compliance_liabilitytree tree ON tree.snapshot_id = leaf.snapshot_id AND {_OF_TREE}
WHERE nonce.user_id = %s
ORDER BY leaf.snapshot_id, leaf.account
"""  # noqa: S608  # joins a constant


@dataclass(frozen=True)
class Holder:
    """An address on the chain, whose it is if that is known, and its balance in base units."""

    address: str
    user_id: uuid.UUID | None
    units: int


@dataclass(frozen=True)
class Root:
    """What a snapshot publishes of its tree: the root's digest in hex, and base units owed."""

    hash: str
    sum: int


@dataclass(frozen=True)
class Proof:
    """That one account's balance is inside a published root. `units` are base units of 10^-18."""

    snapshot_id: uuid.UUID
    root: Root
    holders: int
    index: int
    address: str
    units: int
    salt: bytes
    path: list[Node]

    @property
    def climb(self) -> list[Node]:
        """The leaf and every node above it to the top, computed from the proof alone."""
        account = bytes.fromhex(self.address.removeprefix("0x"))
        digest = merkle.leaf_hash(
            index=self.index, account=account, salt=self.salt, units=self.units
        )
        leaf = Node(digest, self.units)
        return [leaf, *merkle.climb(index=self.index, leaf=leaf, path=self.path)]

    @property
    def holds(self) -> bool:
        """Whether the proof leads to its root, sum included."""
        top = self.climb[-1]
        root = merkle.root_hash(snapshot=self.snapshot_id, holders=self.holders, top=top)
        return root.hex() == self.root.hash and top.sum == self.root.sum

    def as_json(self) -> dict[str, object]:
        """The file that a holder downloads; numbers as text, because JSON's lose digits."""
        return {
            "format": FORMAT,
            "snapshot": str(self.snapshot_id),
            "root": {
                "hash": self.root.hash,
                "sum": str(self.root.sum),
                "holders": str(self.holders),
            },
            "leaf": {
                "index": str(self.index),
                "account": self.address,
                "units": str(self.units),
                "salt": self.salt.hex(),
            },
            "path": [{"hash": node.hash.hex(), "sum": str(node.sum)} for node in self.path],
        }


class ProofError(Exception):
    """There is no proof to give; `code` is stable, `message` says why."""

    def __init__(self, code: str, message: object) -> None:
        super().__init__(str(message))
        self.code = code
        self.message = message


def build(*, holders: Sequence[Holder], snapshot_id: uuid.UUID, now: datetime) -> Root:
    """Build and store the tree of a snapshot; call it inside the snapshot's transaction.

    Each account gets a nonce when it is first seen. Raises TreeError, and stores nothing, for an
    address that comes twice or is none, and for units that are negative or exceed 128 bits.
    """
    accounts = [_account(holder.address) for holder in holders]
    with transaction.atomic():
        nonces = tree_store.nonces_of(accounts, [holder.user_id for holder in holders], now)
        tree = merkle.build(
            snapshot=snapshot_id,
            accounts=accounts,
            units=[holder.units for holder in holders],
            nonces=nonces,
        )
        root = Root(tree.root.hex(), tree.top.sum)
        LiabilityTree.objects.create(
            snapshot_id=snapshot_id,
            built_at=now,
            holders=len(holders),
            depth=len(tree.levels) - 1,
            root_hash=tree.root,
            total=Decimal(root.sum),
        )
        tree_store.write_chunks(tree)
        tree_store.write_leaves(tree, merkle.table(accounts, merkle.ACCOUNT_BYTES))
    return root


def _account(address: str) -> bytes:
    try:
        account = bytes.fromhex(address.removeprefix("0x"))
    except ValueError:
        account = b""
    if len(account) != merkle.ACCOUNT_BYTES:
        raise TreeError("address_invalid", "A holder's address is not 20 bytes in hex.")
    return account


def held_by(*, user_id: uuid.UUID, snapshots: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
    """In which of these snapshots the user has accounts, and their addresses: one query."""
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [list(snapshots), user_id])
        held: dict[uuid.UUID, list[str]] = {}
        for snapshot, account in cursor.fetchall():
            held.setdefault(snapshot, []).append(f"0x{bytes(account).hex()}")
    return held


def proof_of(*, snapshot_id: uuid.UUID, address: str) -> Proof:
    """The inclusion proof of one account, read from the stored tree in two queries.

    Raises ProofError `not_a_holder` when the account is not in the snapshot, `salt_erased` when its
    nonce was erased, `tree_damaged` when nodes are missing.
    """
    account = _account(address)
    with connection.cursor() as cursor:
        cursor.execute(_LEAF, [account, snapshot_id])
        row = cursor.fetchone()
    if row is None:
        raise ProofError("not_a_holder", _("This address held nothing in this snapshot."))
    holders, root_hash, total, depth, _built_at, index, nonce = row
    if nonce is None:
        raise ProofError("salt_erased", _("What hid this balance was erased on request."))
    places = [(0, index), *((height, (index >> height) ^ 1) for height in range(depth))]
    nodes = tree_store.nodes_at(snapshot_id, places)
    leaf, path = _own_and_siblings(nodes, own_first=not index & 1)
    return Proof(
        snapshot_id=snapshot_id,
        root=Root(bytes(root_hash).hex(), int(total)),
        holders=holders,
        index=index,
        address=f"0x{account.hex()}",
        units=leaf.sum,
        salt=merkle.salt_of(nonce=bytes(nonce), snapshot=snapshot_id, account=account),
        path=path,
    )


def _own_and_siblings(nodes: list[Node | None], *, own_first: bool) -> tuple[Node, list[Node]]:
    """Nodes come in the tree's order, so a right leaf comes after its sibling."""
    there = [node for node in nodes if node is not None]
    if len(there) != len(nodes):
        raise ProofError("tree_damaged", _("Parts of the stored tree are missing."))
    if own_first or len(there) == 1:
        return there[0], there[1:]
    return there[1], [there[0], *there[2:]]


def units_of(*, snapshot_id: uuid.UUID) -> dict[str, int]:
    """Base units that the stored tree says each account is owed, by address in lower case."""
    level = tree_store.level_of(snapshot_id, 0)
    leaves = LiabilityLeaf.objects.filter(snapshot_id=snapshot_id)
    return {
        f"0x{bytes(account).hex()}": Node.of(level[position].tobytes()).sum
        for account, position in leaves.values_list("account", "position")
        if 0 <= position < len(level)
    }


def verify(*, snapshot_id: uuid.UUID) -> list[str]:
    """Compute the stored tree anew, from leaves to root; returns every fault, in words."""
    tree = LiabilityTree.objects.filter(pk=snapshot_id).first()
    if tree is None:
        return ["there is no tree of liabilities"]
    levels = [tree_store.level_of(snapshot_id, height) for height in range(tree.depth + 1)]
    faults = _faults_of_leaves(tree, levels[0])
    faults += _faults_of_levels(tree, levels)
    return faults + _faults_of_root(tree, levels[-1])


def _faults_of_levels(tree: LiabilityTree, levels: list[merkle.Bytes2D]) -> list[str]:
    faults, count = [], tree.holders
    with Hasher() as hasher:
        for height, level in enumerate(levels):
            if len(level) != merkle.padded(count):
                faults.append(f"level {height} has {len(level)} nodes, not {merkle.padded(count)}")
                return faults
            if len(level) > count:
                pad = merkle.padding(level=height, index=count).packed()
                if level[count].tobytes() != pad:
                    faults.append(f"the padding of level {height} was changed")
            if height + 1 < len(levels):
                expected, above = merkle.parents(hasher, level), levels[height + 1]
                wrong = np.flatnonzero((above[: len(expected)] != expected).any(axis=1))
                faults += [f"node {index} of level {height + 1} is wrong" for index in wrong[:10]]
            count = -(-count // 2)
    return faults


def _faults_of_root(tree: LiabilityTree, level: merkle.Bytes2D) -> list[str]:
    if len(level) != 1:
        return [f"the tree has no single top at level {tree.depth}"]
    top = Node.of(level.tobytes())
    faults = []
    if top.sum != int(tree.total):
        faults.append(f"the sum is {top.sum}, not {int(tree.total)}")
    root = merkle.root_hash(snapshot=tree.snapshot_id, holders=tree.holders, top=top)
    if root != bytes(tree.root_hash):
        faults.append("the root does not follow from the tree")
    return faults


def _faults_of_leaves(tree: LiabilityTree, level: merkle.Bytes2D) -> list[str]:
    """Every leaf must follow from its account, its salt (unless erased) and its units."""
    faults, seen = [], 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LEAVES, [tree.snapshot_id])
        for account, position, nonce in cursor:
            seen += 1
            if nonce is not None and not _leaf_holds(tree, level, account, position, nonce):
                faults.append(f"leaf {position} is wrong")
    if seen != tree.holders:
        faults.append(f"{seen} accounts are listed, not {tree.holders}")
    return faults[:20]


def _leaf_holds(
    tree: LiabilityTree, level: merkle.Bytes2D, account: bytes, position: int, nonce: bytes
) -> bool:
    if not 0 <= position < len(level):
        return False
    node = Node.of(level[position].tobytes())
    salt = merkle.salt_of(nonce=bytes(nonce), snapshot=tree.snapshot_id, account=bytes(account))
    return node.hash == merkle.leaf_hash(
        index=position, account=bytes(account), salt=salt, units=node.sum
    )
