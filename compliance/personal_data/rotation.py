"""Sealing anew, under the first of FIELD_KEYS, all that is sealed under an older one.

Works on a live installation: a value that somebody changes meanwhile is left as they wrote it, and a
run that is cut off has done what it did; the next one goes on.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from agora.lib import crypto
from agora.lib.crypto import Undecryptable
from agora.lib.failpoints import failpoint
from compliance import audit
from compliance.personal_data.sealed_columns import COLUMNS, HEADER, SealedColumn

BATCH = 500
# Passes over a column: a second one finds what was changed under the first.
_MOST_PASSES = 5

Row = tuple[Any, Any, bytes]


@dataclass
class Progress:
    """What became of one column: how many were sealed anew, and how many cannot be read."""

    column: str
    resealed: int = 0
    unreadable: int = 0
    left: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """Where all ciphertexts stand: by key, and which keys of FIELD_KEYS nothing needs any more."""

    columns: list[Progress]
    keys: dict[str, int]
    unused: list[str]
    missing: list[str]

    @property
    def is_done(self) -> bool:
        """Whether everything stands under the key that it belongs to."""
        return not any(progress.left for progress in self.columns)


def rotate(
    *, now: datetime, batch: int = BATCH, tell: Callable[[Progress], None] = lambda _: None
) -> Report:
    """Seal anew what is not sealed under the first master key; `tell` hears of each batch.

    Every batch is a transaction of its own with its row in the audit trail. Locks the rows of a batch.
    """
    for column in COLUMNS:
        progress = Progress(column=column.title)
        for _pass in range(_MOST_PASSES):
            progress.unreadable = 0
            changed = sum(_batches(column, progress, batch=batch, now=now, tell=tell))
            if not changed:
                break
    return report()


def report() -> Report:
    """Where all ciphertexts stand now; reads only."""
    first = crypto.master_key_ids()[0]
    progress, keys = [], Counter[str]()
    for column in COLUMNS:
        found = _by_key(column)
        keys.update(found)
        belongs = crypto.PERSONAL if column.personal else first
        left = {key: count for key, count in found.items() if key != belongs}
        progress.append(Progress(column=column.title, left=left))
    known = crypto.master_key_ids()
    return Report(
        columns=progress,
        keys=dict(keys),
        unused=[key for key in known[1:] if not keys[key]],
        missing=sorted(set(keys) - {*known, crypto.PERSONAL}),
    )


def _batches(
    column: SealedColumn,
    progress: Progress,
    *,
    batch: int,
    now: datetime,
    tell: Callable[[Progress], None],
) -> Iterator[int]:
    """Numbers of values sealed anew, a batch at a time, from the first row to the last."""
    after: Any = None
    while rows := _waiting(column, after=after, limit=batch):
        after = rows[-1][0]
        yield _reseal(column, rows, progress=progress, now=now)
        tell(progress)
        failpoint("keys.rotate.after_batch", key=column.title)


def _reseal(column: SealedColumn, rows: list[Row], *, progress: Progress, now: datetime) -> int:
    with transaction.atomic():
        done = sum(_replace(column, row, progress) for row in rows)
        if done:
            audit.record(
                actor=audit.system("rotate_keys"),
                action="keys.rotated",
                object_type="field_keys",
                object_id=crypto.PERSONAL if column.personal else crypto.master_key_ids()[0],
                evidence={"column": column.title, "values": done},
                now=now,
            )
        failpoint("keys.rotate.before_commit", key=column.title)
    progress.resealed += done
    return done


def _replace(column: SealedColumn, row: Row, progress: Progress) -> bool:
    """Seal one value anew, unless it was changed since it was read."""
    pk, owner, sealed = row
    try:
        fresh = column.reseal(pk, owner, sealed)
    except Undecryptable:
        progress.unreadable += 1
        return False
    statement = f"""
        UPDATE {column.table} SET {column.write}
        WHERE {column.key} = %s AND {column.read} = %s"""  # noqa: S608  (all names are ours)
    with connection.cursor() as cursor:
        cursor.execute(statement, [fresh, pk, sealed])
        return bool(cursor.rowcount == 1)


def _waiting(column: SealedColumn, *, after: object, limit: int) -> list[Row]:
    belongs = crypto.PERSONAL if column.personal else crypto.master_key_ids()[0]
    statement = f"""
        SELECT {column.key}, {column.owner}, {column.read} FROM {column.table}
        WHERE length({column.read}) > 0 AND {HEADER.format(column.read)} <> %s
            AND (%s::text IS NULL OR {column.key} > (%s::text)::{column.key_type})
        ORDER BY {column.key} LIMIT %s"""  # noqa: S608
    place = None if after is None else str(after)
    with connection.cursor() as cursor:
        cursor.execute(statement, [belongs, place, place, limit])
        return [(pk, owner, bytes(sealed)) for pk, owner, sealed in cursor.fetchall()]


def _by_key(column: SealedColumn) -> dict[str, int]:
    statement = f"""
        SELECT {HEADER.format(column.read)}, count(*) FROM {column.table}
        WHERE length({column.read}) > 0 GROUP BY 1"""  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return dict(cursor.fetchall())
