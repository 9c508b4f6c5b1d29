"""Loading a list: read whole and checked first, then put in the place of the one before, at once."""

import hashlib
import io
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import structlog
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from psycopg.types.json import Jsonb

from compliance import audit
from compliance.four_eyes import Refused
from kyc.models import ScreeningEntry, ScreeningList, ScreeningRun
from kyc.screening import runs
from kyc.screening.opensanctions import Entry, Unreadable, read

LEAST_LEFT = 0.8  # of the persons of the load before; a list that shrinks more was cut off, mostly
_LOCK = 0x5343524545  # any constant: one load at a time
log = structlog.get_logger(__name__)


class ListError(Refused):
    """The file was not loaded and the list is as it was; `message` says what to do."""


@dataclass(frozen=True)
class Counts:
    """What a load brings: persons, rows that are none, and how it differs from the one before."""

    entries_count: int
    skipped: int
    added: int
    changed: int
    removed: int


@dataclass(frozen=True)
class Loaded:
    """The outcome of an import. `load` is None for a trial, and for a file that is active already."""

    counts: Counts
    sha256: str
    load: ScreeningList | None


def active() -> QuerySet[ScreeningList]:
    """The loads that people are looked up in."""
    return ScreeningList.objects.filter(replaced_at=None)


def load(
    *, path: Path, name: str, actor: str, now: datetime, trial: bool = False, force: bool = False
) -> Loaded:
    """Put a file in the place of the active load of this name, and have everybody looked up again.

    One transaction: readers see the load before or the new one whole. Raises ListError for a file
    that cannot be read, holds no person, or has far fewer than the load before (unless `force`).
    """
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    entries, skipped = _read(data)
    with transaction.atomic():
        _one_at_a_time()
        before = active().filter(name=name).first()
        counts = _counts(entries, skipped, before)
        if before is not None and before.sha256 == sha256:
            return Loaded(counts, sha256, None)
        _check_size(counts, before, force=force)
        if trial:
            return Loaded(counts, sha256, None)
        stored = _replace(before, name, sha256, entries, counts, actor, now)
    log.info("screening.list_loaded", list=name, persons=counts.entries_count)
    return Loaded(counts, sha256, stored)


def _read(data: bytes) -> tuple[list[Entry], int]:
    try:
        lines: Iterator[str] = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
        rows = list(read(lines))
    except (Unreadable, UnicodeDecodeError) as error:
        raise ListError(
            "unreadable",
            _("The file is not a list in the form targets.simple.csv: %(why)s.") % {"why": error},
        ) from error
    entries = [row for row in rows if row is not None]
    if not entries:
        raise ListError("empty", _("There is no person in this file. The list was not changed."))
    return entries, len(rows) - len(entries)


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _counts(entries: list[Entry], skipped: int, before: ScreeningList | None) -> Counts:
    known = dict(
        ScreeningEntry.objects.filter(load=before).values_list("source_id", "digest")
        if before
        else ()
    )
    kept = {entry.source_id: entry.digest for entry in entries}
    return Counts(
        entries_count=len(entries),
        skipped=skipped,
        added=sum(1 for one in kept if one not in known),
        changed=sum(1 for one, digest in kept.items() if known.get(one, digest) != digest),
        removed=sum(1 for one in known if one not in kept),
    )


def _check_size(counts: Counts, before: ScreeningList | None, *, force: bool) -> None:
    if before is None or force or counts.entries_count >= LEAST_LEFT * before.entries_count:
        return
    raise ListError(
        "shrunk",
        _("The file has %(new)d persons where the list has %(old)d. If that is right, use --force.")
        % {"new": counts.entries_count, "old": before.entries_count},
    )


def _replace(
    before: ScreeningList | None,
    name: str,
    sha256: str,
    entries: list[Entry],
    counts: Counts,
    actor: str,
    now: datetime,
) -> ScreeningList:
    if before is not None:
        ScreeningEntry.objects.filter(load=before)._raw_delete(using=connection.alias)
        before.replaced_at = now
        before.save(update_fields=["replaced_at"])
    stored = ScreeningList.objects.create(
        id=uuid.uuid4(), name=name, sha256=sha256, loaded_at=now, loaded_by=actor, **asdict(counts)
    )
    _write(stored, entries)
    audit.record(
        actor=actor,
        action="screening.list_loaded",
        object_type="screening_list",
        object_id=str(stored.pk),
        evidence={"list": name, "sha256": sha256, **asdict(counts)},
        now=now,
    )
    runs.begin(cause=ScreeningRun.Cause.LIST, now=now)
    return stored


def _write(stored: ScreeningList, entries: list[Entry]) -> None:
    columns = "load_id, source_id, content, forms, keys, identifiers, digest"
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY kyc_screeningentry ({columns}) FROM STDIN") as copy,
    ):
        for entry in entries:
            copy.write_row(
                (
                    stored.pk,
                    entry.source_id,
                    Jsonb(entry.content),
                    entry.forms,
                    entry.keys,
                    entry.identifiers,
                    entry.digest,
                )
            )
