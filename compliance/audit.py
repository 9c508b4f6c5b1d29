"""The audit trail: written in the transaction of the change, chained a few seconds later.

A chain inside the transaction halves the insert rate, so `record` only hashes the row itself; the
sealer (`seal`) links the rows in the order it sees them, under one advisory lock (AUD-1).
"""

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from json.encoder import encode_basestring
from typing import Any

from django.db import connection, transaction

from agora.lib.prepared import Insert
from compliance.models import AuditRow, AuditSeal

RESTORED = "audit.restored"
GENESIS = hashlib.sha256(b"agora audit trail").digest()
BATCH = 5000
LAG_LIMIT = timedelta(seconds=5)
_SEALER_LOCK = 0x41474F5241  # any constant: one sealer at a time
# A row that commits late has a lower id than the newest sealed one. No transaction stays open long
# enough (statement and idle limits) for so many others to be written; clocks play no part in it.
_LATE_ROWS = 50_000
_canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False
).encode
_decode = json.JSONDecoder().raw_decode


def actor_of(user: object) -> str:
    """The name under which a user stands in the trail: the id, never the e-mail address."""
    return f"user:{getattr(user, 'pk', None) or 'anonymous'}"


def system(part: str) -> str:
    """The name under which a part of Agora itself stands in the trail."""
    return f"system:{part}"


def row_digest(row: AuditRow) -> bytes:
    """SHA-256 of the row's content in canonical JSON: what an outside verifier recomputes."""
    at = row.at.astimezone(UTC).isoformat(timespec="microseconds")
    return _digest(
        str(row.uid), at, row.actor, row.action, row.object_type, row.object_id, row.evidence
    )


def _digest(
    uid: str, at: str, actor: str, action: str, object_type: str, object_id: str, evidence: object
) -> bytes:
    """The same bytes as json.dumps of all seven as one object with sorted keys, in half the time."""
    text = (
        f'{{"action":{encode_basestring(action)},"actor":{encode_basestring(actor)},"at":"{at}",'
        f'"evidence":{_canonical(evidence)},"object_id":{encode_basestring(object_id)},'
        f'"object_type":{encode_basestring(object_type)},"uid":"{uid}"}}'
    )
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


def viewed(
    *, viewer: object, object_type: str, object_id: str, fields: Sequence[str], now: datetime
) -> AuditRow:
    """Tell that an officer was shown personal data: which fields of what, never their values."""
    return record(
        actor=actor_of(viewer),
        action="personal_data.viewed",
        object_type=object_type,
        object_id=object_id,
        evidence={"fields": sorted(fields)},
        now=now,
    )


@cache
def _insert() -> Insert[AuditRow]:
    return Insert(AuditRow)


def lag(*, now: datetime) -> timedelta:
    """Age of the oldest row that waits for its seal; zero while none waits."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT min(r.at) {_UNSEALED}", [_LATE_ROWS])
        (oldest,) = cursor.fetchone()
    return max(timedelta(0), now - oldest) if oldest else timedelta(0)


# Only the newest rows are looked through, however long the trail has become.
_UNSEALED = """
FROM compliance_auditrow r
WHERE r.id > coalesce(
        (SELECT row_id FROM compliance_auditseal ORDER BY position DESC LIMIT 1), 0
    )::bigint - %s
    AND NOT EXISTS (SELECT FROM compliance_auditseal s WHERE s.row_id = r.id)
"""


def seal(*, now: datetime, limit: int = BATCH) -> int:
    """Chain the rows that have no seal yet; returns how many. One sealer at a time."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_SEALER_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        last = AuditSeal.objects.order_by("-position").first()
        position, previous = (last.position, bytes(last.hash)) if last else (0, GENESIS)
        cursor.execute(
            f"SELECT r.id, r.row_hash {_UNSEALED} ORDER BY r.id LIMIT %s", [_LATE_ROWS, limit]
        )
        rows = cursor.fetchall()
        with cursor.copy(
            "COPY compliance_auditseal (position, row_id, hash, sealed_at) FROM STDIN"
        ) as copy:
            for row_id, row_hash in rows:
                position += 1
                previous = hashlib.sha256(previous + bytes(row_hash)).digest()
                copy.write_row((position, row_id, previous, now))
        return len(rows)


def seal_all(*, now: datetime) -> int:
    """Chain all rows that wait, a portion a transaction; returns how many."""
    total = done = seal(now=now, limit=BATCH)
    while done == BATCH:
        done = seal(now=now, limit=BATCH)
        total += done
    return total


@dataclass(frozen=True)
class Anchor:
    """The head of the chain as it was told to somebody outside the database.

    `place` names where it was found, in the words of a report; `hash` is hexadecimal. An anchor told
    after a restore (compliance.trail.restored) says why, and names the anchors of the same place that
    count no more.
    """

    position: int
    hash: str
    place: str
    reason: str = ""
    void: frozenset[tuple[int, str]] = frozenset()
    at: str = ""  # when it was told, UTC, as the place says

    @property
    def place_name(self) -> str:
        return self.place.partition(" ")[0]


_Told = tuple[str, int, str]  # place, position, hash


@dataclass(frozen=True)
class Verdict:
    """Outcome of a verification: what was read, and every fault found, in words.

    `accepted` are breaks of which a place outside says that a restore made them.
    """

    rows: int
    sealed: int
    head: str
    faults: list[str]
    anchors: int = 0
    accepted: list[str] = field(default_factory=list)


def verify(*, anchors: Iterable[Anchor] = ()) -> Verdict:
    """Recompute every row hash and the whole chain; names each changed, missing or moved row.

    `anchors` are heads kept outside: a chain that was written anew as a whole agrees with itself,
    but not with them. What a restore made void is not compared, but named. Reads through a cursor on
    the server: memory does not grow with the trail.
    """
    found = list(anchors)
    counting, breaks, unfounded = judged(found)
    told = sorted(counting, key=lambda anchor: anchor.position)
    chain = _Chain(told)
    with transaction.atomic():
        for row in _chained_rows():
            chain.add(*row)
        faults = [*chain.faults, *chain.beyond_the_end(), *_faults_of_unsealed()]
        faults += [*unfounded, *chain.unexplained(one for one in breaks if one in told)]
        rows = AuditRow.objects.count()
    return Verdict(
        rows=rows,
        sealed=chain.position,
        head=chain.head.hex(),
        faults=faults,
        anchors=len(told),
        accepted=[_told_of_cut(anchor, found) for anchor in breaks],
    )


def judged(anchors: Iterable[Anchor]) -> tuple[list[Anchor], list[Anchor], list[str]]:
    """The anchors that count, those that make others void, and what is wrong with those that may not.

    `anchors` come as each place was told them. A restore cuts off the end: what it makes void was told
    before and lies behind everything else that counted then, of which something is left. An anchor
    that claims more makes nothing void.
    """
    found = list(anchors)
    told, void, breaks, faults = set[_Told](), set[_Told](), list[Anchor](), list[str]()
    for one in found:
        own = (one.place_name, one.position, one.hash)
        cut = {(one.place_name, *each) for each in one.void}
        if not cut <= void:
            left = [at for place, at, _hash in told - void - cut if place == one.place_name]
            behind = 0 < max(left, default=0) <= min(one.void)[0]
            if behind and cut <= told and own not in cut | void:
                void |= cut
                breaks.append(one)
            else:
                faults.append(f"no restore makes void what {one.place} does at {one.position}")
        told.add(own)
    counting = [one for one in found if (one.place_name, one.position, one.hash) not in void]
    return counting, breaks, faults


def _told_of_cut(anchor: Anchor, found: Iterable[Anchor]) -> str:
    cut = [one for one in found if one.place_name == anchor.place_name]
    oldest = min(one.at for one in cut if (one.position, one.hash) in anchor.void)
    positions = ", ".join(str(position) for position, _hash in sorted(anchor.void))
    return (
        f"a backup was restored: anchors of position {positions} count no more, "
        f"the oldest of {oldest[:10]}, says position {anchor.position} in {anchor.place}: {anchor.reason}"
    )


class _Chain:
    """The chain as it is recomputed, position by position."""

    def __init__(self, anchors: Sequence[Anchor]) -> None:
        self.position, self.head, self.faults = 0, GENESIS, list[str]()
        self._restored = list[tuple[int, dict[str, object]]]()
        self._anchors = iter(anchors)
        self._anchor = next(self._anchors, None)

    def add(self, position: int, sealed: bytes, stored: bytes | None, *content: Any) -> None:
        """The seal at a position, and its row: None where the row is gone."""
        if position != self.position + 1:
            gap = range(self.position + 1, position)
            self.faults.extend(f"position {missing} is missing" for missing in gap)
        self.position = position
        if stored is None:
            self.faults.append(f"position {position} is missing")
            self.head = sealed
            return
        if _digest(*content) != stored:
            self.faults.append(f"row {content[0]} was changed")
        self.head = hashlib.sha256(self.head + stored).digest()
        if self.head != sealed:
            self.faults.append(f"the chain breaks at position {position} (row {content[0]})")
            self.head = sealed
        while self._anchor is not None and self._anchor.position <= position:
            self._compare(self._anchor)
        if content[3] == RESTORED and isinstance(content[6], dict):
            named = content[6].get("void")
            self._restored += [(position, named)] if isinstance(named, dict) else []

    def _compare(self, anchor: Anchor) -> None:
        if anchor.position < self.position or anchor.hash != self.head.hex():
            self.faults.append(
                f"the chain at position {anchor.position} is not the one anchored in {anchor.place}"
            )
        self._anchor = next(self._anchors, None)

    def beyond_the_end(self) -> Iterator[str]:
        """Anchors of positions that the chain does not reach any more."""
        while self._anchor is not None:
            yield (
                f"the chain ends at position {self.position}, before position "
                f"{self._anchor.position} anchored in {self._anchor.place}"
            )
            self._anchor = next(self._anchors, None)

    def unexplained(self, anchors: Iterable[Anchor]) -> Iterator[str]:
        """Anchors that make others void without a row in the chain that names the same ones."""
        for one in anchors:
            void = [list(each) for each in sorted(one.void)]
            if not any(
                position <= one.position and named.get(one.place_name) == void
                for position, named in self._restored
            ):
                yield f"no row {RESTORED} names what {one.place} makes void at {one.position}"


_CHAINED = """
COPY (
    SELECT s.position, encode(s.hash, 'hex'), encode(r.row_hash, 'hex'), r.uid,
        to_char(r.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
        r.actor, r.action, r.object_type, r.object_id, r.evidence
    FROM compliance_auditseal s LEFT JOIN compliance_auditrow r ON r.id = s.row_id
    ORDER BY s.position
) TO STDOUT
"""
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _chained_rows() -> Iterator[tuple[Any, ...]]:
    """Every seal with its row, in the order of the chain; inside a transaction.

    Read as text that PostgreSQL goes on writing meanwhile: rows made by the ORM take ten times as
    long, and a cursor on the server makes each side wait for the other.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        with cursor.copy(_CHAINED) as copy:
            for line in copy:
                text = str(line, "utf-8")[:-1]
                fields = text.split("\t")
                if fields[2] == "\\N":
                    yield int(fields[0]), bytes.fromhex(fields[1]), None
                    continue
                if "\\" in text:
                    fields = [_ESCAPED.sub(_unescaped, field) for field in fields]
                position, sealed, stored, *content, evidence = fields
                yield (
                    int(position),
                    bytes.fromhex(sealed),
                    bytes.fromhex(stored),
                    *content,
                    _decode(evidence)[0],
                )


def _unescaped(match: "re.Match[str]") -> str:
    """One escape of COPY's text form."""
    return _ESCAPES.get(match[1], match[1])


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
