"""Merkle-sum tree over what is owed to holders (docs/liabilities-tree.md is its specification).

Pure: no Django, no database. A level of the tree is an array of 48-byte nodes, each a SHA-256
digest followed by its sum as an unsigned 128-bit big-endian integer, so that two neighbours lie in
memory just as their parent hashes them.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from compliance.reserves.digests import Hasher

HASH_BYTES, SUM_BYTES, ACCOUNT_BYTES = 32, 16, 20
NODE_BYTES = HASH_BYTES + SUM_BYTES
LARGEST_SUM = 2 ** (8 * SUM_BYTES) - 1
LEAF, NODE, PADDING, ROOT = b"\x00", b"\x01", b"\x02", b"\x03"

Bytes2D = NDArray[np.uint8]
_to_bytes: Callable[[int, int, str], bytes] = int.to_bytes  # type: ignore[assignment]


class TreeError(ValueError):
    """These holders cannot be summed; `code` says why and is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Node:
    """A node as its parent sees it: digest, and the base units below it."""

    hash: bytes
    sum: int

    @classmethod
    def of(cls, packed: bytes) -> "Node":
        return cls(packed[:HASH_BYTES], int.from_bytes(packed[HASH_BYTES:], "big"))

    def packed(self) -> bytes:
        return self.hash + self.sum.to_bytes(SUM_BYTES, "big")


@dataclass(frozen=True)
class Tree:
    """A built tree: its levels from the leaves up, and which given holder became which leaf.

    `order[index]` is the position of leaf `index` in what was given. Each level but the top is
    padded to an even count.
    """

    snapshot: uuid.UUID
    holders: int
    levels: list[Bytes2D]
    order: NDArray[np.intp]

    @property
    def top(self) -> Node:
        return Node.of(self.levels[-1].tobytes())

    @property
    def root(self) -> bytes:
        return root_hash(snapshot=self.snapshot, holders=self.holders, top=self.top)

    def path(self, index: int) -> list[Node]:
        """The siblings from the leaf's up to just below the top."""
        return [
            Node.of(level[(index >> height) ^ 1].tobytes())
            for height, level in enumerate(self.levels[:-1])
        ]


def salt_of(*, nonce: bytes, snapshot: uuid.UUID, account: bytes) -> bytes:
    """What hides a holder's balance in one snapshot: SHA-256(nonce ‖ snapshot ‖ account)."""
    return hashlib.sha256(nonce + snapshot.bytes + account).digest()


def leaf_hash(*, index: int, account: bytes, salt: bytes, units: int) -> bytes:
    """Digest of a leaf. The index is inside: one leaf cannot serve two holders."""
    content = index.to_bytes(8, "big") + account + salt + units.to_bytes(SUM_BYTES, "big")
    return hashlib.sha256(LEAF + content).digest()


def parent_of(left: Node, right: Node) -> Node:
    """Both children's digests and both their sums are hashed: neither sum can be told smaller."""
    digest = hashlib.sha256(NODE + left.packed() + right.packed()).digest()
    return Node(digest, left.sum + right.sum)


def climb(*, index: int, leaf: Node, path: Sequence[Node]) -> Iterator[Node]:
    """Every node from a leaf's parent to the top, as the siblings in `path` make them."""
    node = leaf
    for height, sibling in enumerate(path):
        is_right = index >> height & 1
        node = parent_of(sibling, node) if is_right else parent_of(node, sibling)
        yield node


def padding(*, level: int, index: int) -> Node:
    """What stands beside a node without a neighbour: owes nothing, and is no leaf and no node."""
    content = level.to_bytes(1, "big") + index.to_bytes(8, "big")
    return Node(hashlib.sha256(PADDING + content).digest(), 0)


def root_hash(*, snapshot: uuid.UUID, holders: int, top: Node) -> bytes:
    """What is published: binds the top and its sum to the snapshot and the number of holders."""
    content = snapshot.bytes + holders.to_bytes(8, "big") + top.packed()
    return hashlib.sha256(ROOT + content).digest()


def padded(count: int) -> int:
    """How many nodes a level of so many has with its padding: an even number, but for the top."""
    return max(count, 1) if count < 2 else count + count % 2


def build(
    *,
    snapshot: uuid.UUID,
    accounts: Sequence[bytes],
    units: Sequence[int],
    nonces: Sequence[bytes],
    hasher: Hasher | None = None,
) -> Tree:
    """The tree over holders given side by side: account (20 bytes), base units, nonce (32 bytes).

    Leaves stand in the order of their salts, which nobody can foretell. Raises TreeError for an
    account that comes twice, and for units that are negative or sum up to more than 128 bits.
    """
    with hasher or Hasher() as working:
        salts, holders, owed = _salted(working, snapshot, accounts, units, nonces)
        _refuse_twice(holders)
        if sum(units) > LARGEST_SUM:
            raise TreeError("sum_overflow", "The units of all holders exceed 128 bits.")
        order = np.argsort(salts[:, :8].copy().view(np.uint64).ravel())
        leaves = _leaves(working, order, holders, salts, owed)
        return Tree(snapshot, len(accounts), _levels(working, leaves), order)


def _packed_units(units: Sequence[int]) -> Bytes2D:
    try:
        packed = b"".join(map(_to_bytes, units, repeat(SUM_BYTES), repeat("big")))
    except OverflowError as error:
        raise TreeError("units_out_of_range", "Units must lie between 0 and 2^128 - 1.") from error
    return np.frombuffer(packed, dtype=np.uint8).reshape(len(units), SUM_BYTES)


def table(items: Sequence[bytes], width: int) -> Bytes2D:
    """Items of one width, one a row."""
    joined = b"".join(items)
    if len(joined) != width * len(items):
        raise TreeError("width", f"Each item must have {width} bytes.")
    return np.frombuffer(joined, dtype=np.uint8).reshape(len(items), width)


def _refuse_twice(accounts: Bytes2D) -> None:
    """Compares the last eight bytes first: sorting those is several times as fast as a set."""
    ends = np.sort(accounts[:, -8:].copy().view(np.uint64).ravel())
    if (ends[1:] == ends[:-1]).any() and len(np.unique(accounts, axis=0)) != len(accounts):
        raise TreeError("account_twice", "An account stands twice among the holders.")


def _salted(
    hasher: Hasher,
    snapshot: uuid.UUID,
    accounts: Sequence[bytes],
    units: Sequence[int],
    nonces: Sequence[bytes],
) -> tuple[Bytes2D, Bytes2D, Bytes2D]:
    """The holders' salts, accounts and units; packed part by part while helpers hash."""
    count, width = len(accounts), HASH_BYTES + 16 + ACCOUNT_BYTES
    holders = np.empty((count, ACCOUNT_BYTES), dtype=np.uint8)
    owed = np.empty((count, SUM_BYTES), dtype=np.uint8)

    def lay_out(start: int, stop: int) -> memoryview:
        holders[start:stop] = table(accounts[start:stop], ACCOUNT_BYTES)
        owed[start:stop] = _packed_units(units[start:stop])
        messages = np.empty((stop - start, width), dtype=np.uint8)
        messages[:, :32] = table(nonces[start:stop], HASH_BYTES)
        messages[:, 32:48] = np.frombuffer(snapshot.bytes, dtype=np.uint8)
        messages[:, 48:] = holders[start:stop]
        return messages.reshape(-1).data

    return _hashed(hasher, lay_out, count=count, width=width), holders, owed


def _leaves(
    hasher: Hasher, order: NDArray[np.intp], accounts: Bytes2D, salts: Bytes2D, units: Bytes2D
) -> Bytes2D:
    width = 1 + 8 + ACCOUNT_BYTES + HASH_BYTES + SUM_BYTES
    leaves = np.empty((len(order), NODE_BYTES), dtype=np.uint8)

    def lay_out(start: int, stop: int) -> memoryview:
        chosen = order[start:stop]
        leaves[start:stop, HASH_BYTES:] = units.take(chosen, axis=0)
        messages = np.empty((stop - start, width), dtype=np.uint8)
        messages[:, 0] = LEAF[0]
        messages[:, 1:9] = np.arange(start, stop, dtype=">u8").view(np.uint8).reshape(-1, 8)
        messages[:, 9:29] = accounts.take(chosen, axis=0)
        messages[:, 29:61] = salts.take(chosen, axis=0)
        messages[:, 61:] = leaves[start:stop, HASH_BYTES:]
        return messages.reshape(-1).data

    leaves[:, :HASH_BYTES] = _hashed(hasher, lay_out, count=len(order), width=width)
    return leaves


def _levels(hasher: Hasher, leaves: Bytes2D) -> list[Bytes2D]:
    level = leaves if len(leaves) else _one(padding(level=0, index=0))
    levels: list[Bytes2D] = []
    while len(level) > 1:
        if len(level) % 2:
            level = np.vstack([level, _one(padding(level=len(levels), index=len(level)))])
        levels.append(level)
        level = parents(hasher, level)
    return [*levels, level]


def _one(node: Node) -> Bytes2D:
    return np.frombuffer(node.packed(), dtype=np.uint8).reshape(1, NODE_BYTES)


def parents(hasher: Hasher, level: Bytes2D) -> Bytes2D:
    """The level above a padded one, before its own padding."""
    pairs = level.reshape(len(level) // 2, 2 * NODE_BYTES)

    def lay_out(start: int, stop: int) -> memoryview:
        messages = np.empty((stop - start, 1 + 2 * NODE_BYTES), dtype=np.uint8)
        messages[:, 0] = NODE[0]
        messages[:, 1:] = pairs[start:stop]
        return messages.reshape(-1).data

    above = np.empty((len(pairs), NODE_BYTES), dtype=np.uint8)
    above[:, HASH_BYTES:] = _pair_sums(level)
    above[:, :HASH_BYTES] = _hashed(hasher, lay_out, count=len(pairs), width=1 + 2 * NODE_BYTES)
    return above


def _pair_sums(level: Bytes2D) -> Bytes2D:
    """128-bit sums of neighbours. They cannot overflow: the sum of all was checked before."""
    halves = level[:, HASH_BYTES:].copy().view(">u8").astype(np.uint64).reshape(-1, 4)
    low = halves[:, 1] + halves[:, 3]
    carry = (low < halves[:, 1]).astype(np.uint64)
    high = halves[:, 0] + halves[:, 2] + carry
    return np.stack([high, low], axis=1).astype(">u8").view(np.uint8)


def _hashed(
    hasher: Hasher, lay_out: Callable[[int, int], memoryview], *, count: int, width: int
) -> Bytes2D:
    digests = hasher.digests(lay_out, count=count, width=width)
    return np.frombuffer(digests, dtype=np.uint8).reshape(count, HASH_BYTES)
