"""Exports of the audit trail that can be verified by anybody, without Agora (docs/audit-trail.md).

An export is a ZIP archive, written while it is read, in memory that does not grow with it: the rows
that match, `links.txt` with the hashes of the rows between them that do not, so that the chain can
be followed from the first to the last, and `manifest.json`. PostgreSQL writes the lines itself
(COPY). Rows that are sealed never change, so no snapshot has to be held for a consistent export.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from compliance import audit
from compliance.models import AuditAnchor, AuditSeal
from compliance.trail import archive
from compliance.trail.archive import Archive
from compliance.trail.own import Unread

FORMAT = "agora-audit-export-1"
TEXTS = ("actor", "action", "object_type", "object_id")  # what a filter takes by exact value
_FROM = "FROM compliance_auditseal s JOIN compliance_auditrow r ON r.id = s.row_id"
_COUNT = f"SELECT count(*), min(s.position), max(s.position) {_FROM}"
_AT = archive.moment("r.at")
# Python takes any character before the time, and so a zone behind a date for one.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].+)?", re.ASCII)


def moment_of(text: str) -> datetime:
    """A date or a time in ISO 8601, as UTC, which it is in without a zone; raises ValueError."""
    if not _MOMENT.fullmatch(text):
        raise ValueError(text)
    parsed = datetime.fromisoformat(text)
    try:
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(text) from error


@dataclass(frozen=True)
class Filter:
    """Which rows: written at or after `since`, before `until`, and with exactly these values.

    `without` leaves out what the reader does not read.
    """

    since: datetime | None = None
    until: datetime | None = None
    actor: str = ""
    action: str = ""
    object_type: str = ""
    object_id: str = ""
    without: tuple[Unread, ...] = ()

    def told(self) -> dict[str, str]:
        """What is set, as text."""
        told = {
            name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
            for name, value in self._set()
        }
        without = "; ".join(dict.fromkeys(unread.why for unread in self.without))
        return told | ({"without": without} if without else {})

    def condition(self) -> tuple[str, list[Any]]:
        """The condition on `r`, and its parameters."""
        parts, values = ["TRUE"], list[Any]()
        for name, value in self._set():
            parts.append(_CONDITIONS.get(name, f"r.{name} = %s"))
            values.append(value)
        for unread in self.without:
            condition, theirs = unread.condition()
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
    out = Archive()
    with archive.patient():
        content = _Content(chosen, form)
        for name, sql, values in content.files():
            yield from out.copied(name, sql, values)
    manifest = {
        "format": FORMAT,
        "exported_at": now.astimezone(UTC).isoformat(timespec="seconds"),
        "exported_by": actor,
        **content.manifest(),
        "files": out.files,
    }
    end = out.finish(manifest)
    audit.record(
        actor=actor,
        action="audit.exported",
        object_type="audit_trail",
        object_id=form,
        evidence={
            "filter": chosen.told(),
            "files": out.files,
            "range": manifest["range"],
        },
        now=now,
    )
    yield end


class _Content:
    """What goes into one archive, and what its manifest says of it."""

    def __init__(self, chosen: Filter, form: str) -> None:
        self.chosen, self.form = chosen, form
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


def _member(column: str) -> str:
    return f"""',"{column}":' || to_json(r.{column})::text"""


_LINK = "SELECT s.position || ' ' || encode(r.row_hash, 'hex')"
_LINE = " || ".join(
    [
        """SELECT '{"position":' || s.position""",
        f"""',"uid":"' || r.uid || '","at":"' || {_AT} || '"'""",
        *map(_member, TEXTS),
        """',"evidence":' || r.evidence::text""",
        """',"row_hash":"' || encode(r.row_hash, 'hex')""",
        """'","hash":"' || encode(s.hash, 'hex') || '"}'""",
    ]
)
_CELLS = ", ".join(
    [
        f"SELECT s.position, r.uid, {_AT} AS at",
        *(f"{archive.cell(f'r.{name}')} AS {name}" for name in TEXTS),
        "r.evidence",
        "encode(r.row_hash, 'hex') AS row_hash",
        "encode(s.hash, 'hex') AS hash",
    ]
)
_SELECT: Mapping[str, tuple[str, str]] = {
    "jsonl": (_LINE, archive.OPTIONS["jsonl"]),
    "csv": (_CELLS, archive.OPTIONS["csv"]),
}
