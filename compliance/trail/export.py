"""Exports of the audit trail that can be verified by anybody, without Agora (docs/audit-trail.md).

An export is a ZIP archive, written while it is read, in memory that does not grow with it: the rows
that match, `links.txt` with the hashes of the rows between them that do not, so that the chain can
be followed from the first to the last, and `manifest.json`. PostgreSQL writes the lines itself
(COPY). Rows that are sealed never change, so no snapshot has to be held for a consistent export.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from compliance import audit
from compliance.models import AuditAnchor, AuditSeal
from compliance.trail.own import Own

FORMAT = "agora-audit-export-1"
FORMS = ("jsonl", "csv")
_CHUNK_ROWS = 500
# The longest download: a reader who stops reading must not hold the database for ever.
_LONGEST = "1h"
_FROM = "FROM compliance_auditseal s JOIN compliance_auditrow r ON r.id = s.row_id"
_COUNT = f"SELECT count(*), min(s.position), max(s.position) {_FROM}"
_AT = """to_char(r.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""


@dataclass(frozen=True)
class Filter:
    """Which rows: written at or after `since`, before `until`, and with exactly these values.

    `without` leaves out what is about the reader.
    """

    since: datetime | None = None
    until: datetime | None = None
    actor: str = ""
    action: str = ""
    object_type: str = ""
    object_id: str = ""
    without: tuple[Own, ...] = ()

    def told(self) -> dict[str, str]:
        """What is set, as text."""
        return {
            name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
            for name, value in self._set()
        } | ({"without": "what is about the reader"} if self.without else {})

    def condition(self) -> tuple[str, list[Any]]:
        """The condition on `r`, and its parameters."""
        parts, values = ["TRUE"], list[Any]()
        for name, value in self._set():
            parts.append(_CONDITIONS.get(name, f"r.{name} = %s"))
            values.append(value)
        for own in self.without:
            condition, theirs = own.condition()
            parts.append(f"NOT ({condition})")
            values += theirs
        return " AND ".join(parts), values

    def _set(self) -> Iterator[tuple[str, Any]]:
        for field in fields(self):
            value = getattr(self, field.name)
            if value and field.name != "without":
                yield field.name, value


_CONDITIONS = {"since": "r.at >= %s", "until": "r.at < %s"}


@dataclass(frozen=True)
class Range:
    """The part of the chain that an export covers: from `first` to `last`, both included.

    `before` and `head` are the chain's hashes just before `first` and at `last`.
    """

    first: int
    last: int
    before: str
    head: str


def export(*, chosen: Filter, form: str, actor: str, now: datetime) -> Iterator[bytes]:
    """The archive, piece by piece; every export leaves a row at its start and one at its end.

    `form` is "jsonl" or "csv". Only sealed rows are exported. Holds no lock.
    """
    audit.record(
        actor=actor,
        action="audit.export_started",
        object_type="audit_trail",
        object_id=form,
        evidence={"filter": chosen.told()},
        now=now,
    )
    return _stream(chosen, form, actor, now)


def _stream(chosen: Filter, form: str, actor: str, now: datetime) -> Iterator[bytes]:
    out = _Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{_LONGEST}'")
            content = _Content(chosen, form)
            for name, sql, values in content.files():
                yield from content.copied(archive, out, name, sql, values)
        manifest = {
            "format": FORMAT,
            "exported_at": now.astimezone(UTC).isoformat(timespec="seconds"),
            "exported_by": actor,
            **content.manifest(),
        }
        archive.writestr("manifest.json", json.dumps(manifest, indent=2) + "\n")
    audit.record(
        actor=actor,
        action="audit.exported",
        object_type="audit_trail",
        object_id=form,
        evidence={
            "filter": chosen.told(),
            "files": content.told,
            "range": manifest["range"],
        },
        now=now,
    )
    yield out.take()


class _Content:
    """What goes into one archive, and what its manifest says of it."""

    def __init__(self, chosen: Filter, form: str) -> None:
        self.chosen, self.form = chosen, form
        self.told: dict[str, dict[str, object]] = {}
        newest = AuditSeal.objects.order_by("-position").first()
        self.newest = newest.position if newest else 0
        self.rows, self.first_row, self.last_row = self._matching()
        self.range = self._range()

    def _matching(self) -> tuple[int, int | None, int | None]:
        condition, values = self.chosen.condition()
        with connection.cursor() as cursor:
            cursor.execute(
                f"{_COUNT} WHERE s.position <= %s AND {condition}", [self.newest, *values]
            )
            count, first, last = cursor.fetchone()
        return count, first, last

    def _range(self) -> Range | None:
        """From the first match to the next anchor, so that the chain can be tied to one; the newest
        rows, which have none yet, to the end."""
        if self.first_row is None or self.last_row is None:
            return None
        anchors = AuditAnchor.objects.filter(
            position__gte=self.last_row, position__lte=self.newest
        ).order_by("position")
        last = anchors.values_list("position", flat=True).first() or self.newest
        first = self.first_row if self.chosen.told() else 1
        hashes = {
            seal.position: bytes(seal.hash).hex()
            for seal in AuditSeal.objects.filter(position__in=[first - 1, last])
        }
        before = hashes.get(first - 1, audit.GENESIS.hex())
        return Range(first=first, last=last, before=before, head=hashes[last])

    def files(self) -> Iterator[tuple[str, str, list[Any]]]:
        """Each file's name, the statement that writes it, and the statement's parameters."""
        condition, values = self.chosen.condition()
        first, last = (self.range.first, self.range.last) if self.range else (1, 0)
        source = f" {_FROM} WHERE s.position BETWEEN %s AND %s AND "
        order = " ORDER BY s.position"
        select, options = _SELECT[self.form]
        yield (
            f"rows.{self.form}",
            f"COPY ({select}{source}({condition}){order}) TO STDOUT WITH {options}",
            [first, last, *values],
        )
        yield (
            "links.txt",
            f"COPY ({_LINK}{source}NOT ({condition}){order}) TO STDOUT",
            [first, last, *values],
        )

    def copied(
        self, archive: zipfile.ZipFile, out: "_Pipe", name: str, sql: str, values: list[Any]
    ) -> Iterator[bytes]:
        """One file of the archive, hashed as it goes."""
        digest, size = hashlib.sha256(), 0
        with archive.open(name, "w", force_zip64=True) as file:
            for chunk in _copied(sql, values):
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
                yield out.take()
        self.told[name] = {"bytes": size, "sha256": digest.hexdigest()}
        yield out.take()

    def manifest(self) -> dict[str, object]:
        found = self.range
        links = found.last - found.first + 1 - self.rows if found else 0
        return {
            "filter": self.chosen.told(),
            "rows": self.rows,
            "first_row": self.first_row,
            "last_row": self.last_row,
            "links": links,
            "range": asdict(found) if found else None,
            "files": self.told,
            "anchors": [
                {
                    "place": anchor.place,
                    "position": anchor.position,
                    "hash": bytes(anchor.hash).hex(),
                    "at": anchor.anchored_at.astimezone(UTC).isoformat(timespec="seconds"),
                }
                for anchor in self._anchors()
            ],
        }

    def _anchors(self) -> Any:
        if self.range is None:
            return AuditAnchor.objects.none()
        return AuditAnchor.objects.filter(
            position__gte=self.range.first, position__lte=self.range.last
        ).order_by("position", "place")


def _copied(sql: str, values: list[Any]) -> Iterator[bytes]:
    """What COPY sends, some hundred lines at a time."""
    connection.ensure_connection()
    with connection.connection.cursor() as cursor, cursor.copy(sql, values) as copy:
        lines: list[bytes] = []
        for line in copy:
            lines.append(bytes(line))
            if len(lines) == _CHUNK_ROWS:
                yield b"".join(lines)
                lines.clear()
        yield b"".join(lines)


class _Pipe:
    """A file that only hands on what was written to it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The pieces stay to be taken."""

    def take(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


def _cell(column: str) -> str:
    """A text that no spreadsheet takes for a formula: one that begins like it gets a quote before."""
    return (
        f"CASE WHEN left(r.{column}, 1) IN ('=', '+', '-', '@', E'\\t', E'\\r', '''')"
        f" THEN '''' || r.{column} ELSE r.{column} END AS {column}"
    )


def _member(column: str) -> str:
    return f"""',"{column}":' || to_json(r.{column})::text"""


_TEXTS = ("actor", "action", "object_type", "object_id")
_LINK = "SELECT s.position || ' ' || encode(r.row_hash, 'hex')"
_LINE = " || ".join(
    [
        """SELECT '{"position":' || s.position""",
        f"""',"uid":"' || r.uid || '","at":"' || {_AT} || '"'""",
        *map(_member, _TEXTS),
        """',"evidence":' || r.evidence::text""",
        """',"row_hash":"' || encode(r.row_hash, 'hex')""",
        """'","hash":"' || encode(s.hash, 'hex') || '"}'""",
    ]
)
_CELLS = ", ".join(
    [
        f"SELECT s.position, r.uid, {_AT} AS at",
        *map(_cell, _TEXTS),
        "r.evidence",
        "encode(r.row_hash, 'hex') AS row_hash",
        "encode(s.hash, 'hex') AS hash",
    ]
)
_SELECT: Mapping[str, tuple[str, str]] = {
    # Quote and delimiter never stand in JSON text, which escapes control characters: the lines come
    # out as they are.
    "jsonl": (_LINE, r"(FORMAT csv, DELIMITER E'\x02', QUOTE E'\x01')"),
    "csv": (_CELLS, "(FORMAT csv, HEADER)"),
}
