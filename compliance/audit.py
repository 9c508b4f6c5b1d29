"""The audit trail: written in the transaction of the change, chained a few seconds later.

A chain inside the transaction halves the insert rate, so `record` only hashes the row itself; the
sealer (`seal`) links the rows in the order it sees them, under one advisory lock (AUD-1).
"""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from django.db import connection, transaction
from django.db.models import Max

from agora.lib.prepared import Insert
from compliance.models import AuditRow, AuditSeal

GENESIS = hashlib.sha256(b"agora audit trail").digest()
_SEALER_LOCK = 0x41474F5241  # any constant: one sealer at a time
# A row that commits late has a lower id than the newest sealed one. No transaction stays open long
# enough (statement and idle limits) for so many others to be written; clocks play no part in it.
_LATE_ROWS = 50_000


def actor_of(user: object) -> str:
    """The name under which a user stands in the trail: the id, never the e-mail address."""
    return f"user:{getattr(user, 'pk', None) or 'anonymous'}"


def system(part: str) -> str:
    """The name under which a part of Agora itself stands in the trail."""
    return f"system:{part}"


def row_digest(row: AuditRow) -> bytes:
    """SHA-256 of the row's content in canonical JSON: what an outside verifier recomputes."""
    content = {
        "uid": str(row.uid),
        "at": row.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": row.actor,
        "action": row.action,
        "object_type": row.object_type,
        "object_id": row.object_id,
        "evidence": row.evidence,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()


def record(
    *,
    actor: str,
    action: str,
    object_type: str,
    object_id: str,
    evidence: Mapping[str, object],
    now: datetime,
) -> AuditRow:
    """Write one row; call it inside the transaction of the change it tells of.

    `evidence` holds JSON values only (amounts as strings) and never personal data or secrets.
    """
    row = AuditRow(
        uid=uuid.uuid4(),
        at=now,
        actor=actor,
        action=action,
        object_type=object_type,
        object_id=object_id,
        evidence=dict(evidence),
    )
    row.row_hash = row_digest(row)
    _insert()(row)
    return row


@cache
def _insert() -> Insert[AuditRow]:
    return Insert(AuditRow)


def seal(*, now: datetime, limit: int = 5000) -> int:
    """Chain the rows that have no seal yet; returns how many. One sealer at a time."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_SEALER_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        last = AuditSeal.objects.order_by("-position").first()
        rows = AuditRow.objects.filter(seal__isnull=True).order_by("id").only("id", "row_hash")
        if last is not None:
            rows = rows.filter(id__gt=last.row_id - _LATE_ROWS)
        position, previous = (last.position, bytes(last.hash)) if last else (0, GENESIS)
        seals = []
        for row in rows[:limit]:
            position += 1
            previous = hashlib.sha256(previous + bytes(row.row_hash)).digest()
            seals.append(AuditSeal(position=position, row=row, hash=previous, sealed_at=now))
        AuditSeal.objects.bulk_create(seals)
        return len(seals)


@dataclass(frozen=True)
class Verdict:
    """Outcome of a verification: what was read, and every fault found, in words."""

    rows: int
    sealed: int
    head: str
    faults: list[str]


def verify() -> Verdict:
    """Recompute every row hash and the whole chain; names each changed, missing or moved row."""
    faults: list[str] = []
    position, previous = 0, GENESIS
    # Asked without the rows: a seal whose row is gone does not come with the join below.
    newest = AuditSeal.objects.aggregate(newest=Max("position"))["newest"] or 0
    seals = AuditSeal.objects.select_related("row").order_by("position")
    for seal_ in seals.iterator(chunk_size=5000):
        faults.extend(_missing(position + 1, seal_.position))
        position = seal_.position
        if row_digest(seal_.row) != bytes(seal_.row.row_hash):
            faults.append(f"row {seal_.row.uid} was changed")
        previous = hashlib.sha256(previous + bytes(seal_.row.row_hash)).digest()
        if previous != bytes(seal_.hash):
            faults.append(f"the chain breaks at position {position} (row {seal_.row.uid})")
            previous = bytes(seal_.hash)
    faults.extend(_missing(position + 1, newest + 1))
    faults.extend(_faults_of_unsealed())
    return Verdict(
        rows=AuditRow.objects.count(), sealed=position, head=previous.hex(), faults=faults
    )


def _missing(first: int, end: int) -> list[str]:
    return [f"position {position} is missing" for position in range(first, end)]


def _faults_of_unsealed() -> Iterator[str]:
    """Rows that the sealer has still to reach must be whole, and not older than it will look."""
    last = AuditSeal.objects.order_by("-position").first()
    for row in AuditRow.objects.filter(seal__isnull=True).iterator(chunk_size=5000):
        if row_digest(row) != bytes(row.row_hash):
            yield f"row {row.uid} was changed"
        elif last is not None and row.pk <= last.row_id - _LATE_ROWS:
            yield f"row {row.uid} stands outside the chain"


def history(*, object_type: str, object_id: str) -> list[AuditRow]:
    """All rows of one object, oldest first."""
    return list(
        AuditRow.objects.filter(object_type=object_type, object_id=object_id).order_by("id")
    )
