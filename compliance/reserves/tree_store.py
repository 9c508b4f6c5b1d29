"""The tree of liabilities in PostgreSQL: written by binary COPY, read a path at a time.

Every row has a fixed width, so a whole table's input is laid out as one array. Locks: `nonces_of`
holds all nonces to the end of the transaction, so that two builds make no account two of them.
"""

import os
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from compliance import ownership
from compliance.models import ErasureRequest
from compliance.reserves.merkle import ACCOUNT_BYTES, HASH_BYTES, NODE_BYTES, Bytes2D, Node, Tree

CHUNK = 32  # nodes in a row: 1.5 KiB, which PostgreSQL keeps in the row itself
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # of PostgreSQL's timestamps, in microseconds
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_SIBLINGS = """
SELECT substring(chunk.nodes FROM wanted.start FOR %s)
FROM unnest(%s::int[], %s::int[], %s::int[]) AS wanted(level, number, start)
LEFT JOIN compliance_liabilitychunk chunk ON chunk.snapshot_id = %s
    AND chunk.level = wanted.level AND chunk.number = wanted.number
ORDER BY wanted.level, wanted.number, wanted.start
"""


def write_chunks(tree: Tree) -> None:
    """All nodes of all levels, `CHUNK` neighbours a row."""
    for height, level in enumerate(tree.levels):
        whole = len(level) // CHUNK * CHUNK
        _write_level(
            tree.snapshot, height, 0, level[:whole].reshape(whole // CHUNK, CHUNK * NODE_BYTES)
        )
        if len(level) > whole:
            _write_level(tree.snapshot, height, whole // CHUNK, level[whole:].reshape(1, -1))


def _write_level(snapshot: uuid.UUID, height: int, first: int, chunks: Bytes2D) -> None:
    numbers = np.arange(first, first + len(chunks), dtype=np.int64)
    _copy_in(
        "compliance_liabilitychunk (snapshot_id, level, number, nodes)",
        [_same(snapshot.bytes, len(chunks)), _same(height.to_bytes(2, "big"), len(chunks)),
         _integers(numbers, ">i4"), chunks],
    )  # fmt: skip


def write_leaves(tree: Tree, accounts: Bytes2D) -> None:
    """Which leaf belongs to which account; in the accounts' order, which the index likes."""
    positions = np.empty(len(accounts), dtype=np.int64)
    positions[tree.order] = np.arange(len(accounts))
    by_account = np.argsort(accounts[:, :8].copy().view(">u8").ravel())
    _copy_in(
        "compliance_liabilityleaf (snapshot_id, account, position)",
        [_same(tree.snapshot.bytes, len(accounts)), accounts[by_account],
         _integers(positions[by_account], ">i8")],
    )  # fmt: skip


def nonces_of(
    accounts: Sequence[bytes], users: Sequence[uuid.UUID | None], now: datetime
) -> list[bytes]:
    """Each account's nonce; a new one for an account seen for the first time.

    Who was erased since the holders were read owns none of them any more.
    """
    ownership.hold_nonces()
    known, erased = _known_nonces(), _erased()
    owners = dict(zip(accounts, users, strict=True))
    gained = {a: u for a, u in owners.items() if u and a in known and known[a][1] != u}
    _hand_over({account: user for account, user in gained.items() if user not in erased})
    missing = [account for account in owners if account not in known]
    fresh = os.urandom(HASH_BYTES * len(missing))
    for at, account in enumerate(missing):
        nonce = fresh[HASH_BYTES * at : HASH_BYTES * (at + 1)]
        known[account] = (nonce, None if owners[account] in erased else owners[account])
    _write_nonces([(a, *known[a]) for a in missing], now)
    return [known[account][0] for account in accounts]


def _known_nonces() -> dict[bytes, tuple[bytes, uuid.UUID | None]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT account, nonce, user_id FROM compliance_liabilitynonce")
        rows: list[Any] = cursor.fetchall()
    return {bytes(account): (bytes(nonce), user) for account, nonce, user in rows}


def _erased() -> set[uuid.UUID]:
    requests = ErasureRequest.objects.filter(state=ErasureRequest.State.ERASED)
    return set(requests.values_list("user_id", flat=True))


def _hand_over(owners: dict[bytes, uuid.UUID]) -> None:
    """An address that another person owns by now is theirs to prove from here on.

    One that nobody is known to own any more stays whose it was: their proofs are of the past.
    """
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE compliance_liabilitynonce SET user_id = %s WHERE account = %s",
            [(user, account) for account, user in owners.items()],
        )


def _write_nonces(rows: list[tuple[bytes, bytes, uuid.UUID | None]], now: datetime) -> None:
    owned = [row for row in rows if row[2] is not None]
    made = ((now - _EPOCH) // timedelta(microseconds=1)).to_bytes(8, "big", signed=True)
    usual = "account, nonce, created_at"
    for some, columns in ((owned, f"{usual}, user_id"), (rows, usual)):
        chosen = some if some is owned else [row for row in rows if row[2] is None]
        fields = [_fixed([row[0] for row in chosen], ACCOUNT_BYTES),
                  _fixed([row[1] for row in chosen], HASH_BYTES),
                  _same(made, len(chosen))]  # fmt: skip
        if some is owned:
            fields.append(_fixed([row[2].bytes for row in owned if row[2]], 16))
        _copy_in(f"compliance_liabilitynonce ({columns})", fields)


def nodes_at(snapshot: uuid.UUID, places: Sequence[tuple[int, int]]) -> list[Node | None]:
    """Nodes by (level, index), in order of these; None for one that is not stored."""
    wanted = sorted(places)
    with connection.cursor() as cursor:
        cursor.execute(
            _SIBLINGS,
            [
                NODE_BYTES,
                [level for level, _ in wanted],
                [index // CHUNK for _, index in wanted],
                [index % CHUNK * NODE_BYTES + 1 for _, index in wanted],
                snapshot,
            ],
        )
        found = [row[0] for row in cursor.fetchall()]
    return [Node.of(bytes(node)) if node else None for node in found]


def level_of(snapshot: uuid.UUID, height: int) -> Bytes2D:
    """A whole level as it is stored, without what may be missing at its end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nodes FROM compliance_liabilitychunk WHERE snapshot_id = %s AND level = %s"
            " ORDER BY number",
            [snapshot, height],
        )
        joined = b"".join(bytes(row[0]) for row in cursor.fetchall())
    whole = len(joined) // NODE_BYTES * NODE_BYTES
    return np.frombuffer(joined[:whole], dtype=np.uint8).reshape(-1, NODE_BYTES)


def _same(value: bytes, count: int) -> Bytes2D:
    return np.broadcast_to(np.frombuffer(value, dtype=np.uint8), (count, len(value)))


def _fixed(values: Sequence[bytes], width: int) -> Bytes2D:
    return np.frombuffer(b"".join(values), dtype=np.uint8).reshape(len(values), width)


def _integers(values: NDArray[np.int64], kind: str) -> Bytes2D:
    wide = values.astype(kind)
    return wide.view(np.uint8).reshape(len(values), wide.itemsize)


def _copy_in(target: str, fields: Sequence[Bytes2D]) -> None:
    """Rows of fields side by side, in PostgreSQL's binary COPY format (COPY, "Binary Format")."""
    if not len(fields[0]):
        return
    parts = [_same(len(fields).to_bytes(2, "big"), len(fields[0]))]
    for field in fields:
        parts += [_same(field.shape[1].to_bytes(4, "big"), len(field)), field]
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {target} FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(_HEADER)
        copy.write(np.hstack(parts).tobytes())
        copy.write(_TRAILER)
