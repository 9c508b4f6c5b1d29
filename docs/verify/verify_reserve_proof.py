#!/usr/bin/env python3
"""Check a proof that a balance is inside a published root of liabilities.

Needs Python 3.10 or newer and nothing else:

    python3 verify_reserve_proof.py PROOF.json --root HEX

PROOF.json is the file downloaded from "Proof of reserve". HEX is the root as it was published with
the snapshot: take it from a place other than the file, or the file is compared with itself.

Exit codes:
    0  the balance is inside the published root
    1  it is not: the proof, or the root, was changed
    2  the file cannot be read, or is not such a proof
    3  the proof agrees with the root written in it, which was compared with nothing else (no --root)

Written from the specification (docs/liabilities-tree.md) and sharing no code with Agora.
"""

import argparse
import hashlib
import json
import re
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FORMAT = "agora-liabilities-proof/1"
LIMIT = 1 << 128
LONGEST = 20_000  # 64 levels take half of it
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
Node = tuple[bytes, int]
Root = tuple[bytes, int, int]
Leaf = tuple[int, bytes, int, bytes]


class Unreadable(Exception):
    """The file is not a proof in the format that this program knows."""


class Wrong(Exception):
    """The proof does not hold."""


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def members(value: Any, names: Sequence[str], where: str) -> list[Any]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise Unreadable(f"{where} must have exactly these members: {', '.join(names)}")
    return [value[name] for name in names]


def number(text: Any, limit: int, where: str) -> int:
    if not isinstance(text, str) or not re.fullmatch(r"0|[1-9][0-9]{0,38}", text):
        raise Unreadable(f"{where} must be a whole number, written as text")
    if int(text) >= limit:
        raise Wrong(f"{where} is out of range")
    return int(text)


def digest(text: Any, size: int, where: str) -> bytes:
    if not isinstance(text, str) or not re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text):
        raise Unreadable(f"{where} must be {size} bytes in lower-case hex")
    return bytes.fromhex(text)


def read(text: str) -> tuple[bytes, Root, Leaf, list[Node]]:
    """The proof's parts, each of the right form."""
    if len(text) > LONGEST:
        raise Unreadable(f"longer than {LONGEST} characters")
    try:
        value = json.loads(text, object_pairs_hook=without_repeats)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {error}") from error
    names = ["format", "snapshot", "root", "leaf", "path"]
    form, snapshot, root, leaf, path = members(value, names, "the proof")
    if form != FORMAT:
        raise Unreadable(f"the format is {form!r}; this program knows {FORMAT!r}")
    if not isinstance(snapshot, str) or not re.fullmatch(UUID, snapshot):
        raise Unreadable("snapshot must be a UUID in lower case")
    if not isinstance(path, list) or len(path) > 64:
        raise Unreadable("path must be a list of at most 64 nodes")
    return (
        uuid.UUID(snapshot).bytes,
        read_root(root),
        read_leaf(leaf),
        [read_node(node) for node in path],
    )


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a member is repeated")
    return dict(pairs)


def read_root(root: Any) -> Root:
    hash_, sum_, holders = members(root, ["hash", "sum", "holders"], "root")
    return (
        digest(hash_, 32, "root.hash"),
        number(sum_, LIMIT, "root.sum"),
        number(holders, 1 << 64, "root.holders"),
    )


def read_leaf(leaf: Any) -> Leaf:
    index, account, units, salt = members(leaf, ["index", "account", "units", "salt"], "leaf")
    if not isinstance(account, str) or not account.startswith("0x"):
        raise Unreadable("leaf.account must be an address")
    return (
        number(index, 1 << 64, "leaf.index"),
        digest(account[2:].lower(), 20, "leaf.account"),
        number(units, LIMIT, "leaf.units"),
        digest(salt, 32, "leaf.salt"),
    )


def read_node(node: Any) -> Node:
    hash_, sum_ = members(node, ["hash", "sum"], "a node of the path")
    return digest(hash_, 32, "hash of a node"), number(sum_, LIMIT, "sum of a node")


def packed(node: Node) -> bytes:
    hash_, sum_ = node
    return hash_ + sum_.to_bytes(16, "big")


def check(snapshot: bytes, root: Root, leaf: Leaf, path: list[Node]) -> None:
    """Climb from the leaf to the root; raises Wrong at the first thing that does not fit."""
    root_hash, root_sum, holders = root
    index, account, units, salt = leaf
    if index >= holders:
        raise Wrong("the leaf's index lies beyond the number of holders")
    levels = (holders - 1).bit_length()
    if len(path) != levels:
        raise Wrong(f"{holders} holders make {levels} levels; the path has {len(path)}")
    content = b"\x00" + index.to_bytes(8, "big") + account + salt + units.to_bytes(16, "big")
    node, count = (sha256(content), units), holders
    for level, sibling in enumerate(path):
        beside = index ^ 1
        if beside >= count:
            padding = sha256(b"\x02" + bytes([level]) + beside.to_bytes(8, "big"))
            if sibling != (padding, 0):
                raise Wrong(f"beside the last node of level {level} stands no padding")
        left, right = (sibling, node) if index & 1 else (node, sibling)
        total = node[1] + sibling[1]
        if total >= LIMIT:
            raise Wrong(f"the sum overflows above level {level}")
        node = (sha256(b"\x01" + packed(left) + packed(right)), total)
        index, count = index >> 1, (count + 1) // 2
    if node[1] != root_sum:
        raise Wrong(f"the path sums up to {node[1]}, the root says {root_sum}")
    if sha256(b"\x03" + snapshot + holders.to_bytes(8, "big") + packed(node)) != root_hash:
        raise Wrong("the path does not lead to the root")


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Check a proof that a balance is inside a published root of liabilities."
    )
    parser.add_argument("proof", help="the downloaded file; - reads standard input")
    parser.add_argument("--root", help="the root as published with the snapshot, 64 hex digits")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    given = arguments(argv)
    try:
        text = (
            sys.stdin.read()
            if given.proof == "-"
            else Path(given.proof).read_text(encoding="utf-8")
        )
        snapshot, root, leaf, path = read(text)
        published = digest(given.root.strip().lower(), 32, "--root") if given.root else None
        check(snapshot, root, leaf, path)
        if published is not None and published != root[0]:
            raise Wrong("the proof leads to another root than the published one")
    except (OSError, UnicodeDecodeError, Unreadable) as error:
        print(f"UNREADABLE: {error}", file=sys.stderr)
        return 2
    except Wrong as error:
        print(f"WRONG: {error}", file=sys.stderr)
        return 1
    told = f"{leaf[2]} base units of 0x{leaf[1].hex()} are in snapshot {uuid.UUID(bytes=snapshot)}"
    print(f"{told},\nwhose root {root[0].hex()} sums up to {root[1]} owed to {root[2]} holders.")
    if published is None:
        print("NOT COMPARED with the published root. Give it with --root.", file=sys.stderr)
        return 3
    print("OK: the root is the one you gave.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
