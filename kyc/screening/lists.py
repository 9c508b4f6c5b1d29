"""Loading a list: streamed into the database, checked, and put in the place of the one before.

All in one transaction, so that a file that turns out to be wrong at its last line changes nothing.
"""

import hashlib
import io
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import structlog
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from psycopg.types.json import Jsonb

from compliance import audit
from compliance.four_eyes import Refused
from kyc.models import ScreeningEntry, ScreeningList, ScreeningRun
from kyc.screening import runs
from kyc.screening.opensanctions import Unreadable, read

LEAST_LEFT = 0.8  # of the persons of the load before; a list that shrinks more was cut off, mostly
LONGEST_SECONDS = 900  # for each statement; a site's pages get seconds (DATABASES in the settings)
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

    One transaction: readers see the load before or the new one whole. The file is streamed, so
    memory does not grow with it. Raises OSError, and ListError for a file that cannot be read, holds no
    person, or has far fewer than the load before (unless `force`, which also loads the active file
    again), and for a database that refuses. Holds an advisory lock: one load at a time.
    """
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            with transaction.atomic():
                _one_at_a_time()
                before = active().filter(name=name).first()
                if before is not None and before.sha256 == sha256 and not force:
                    return Loaded(_same(before), sha256, None)
                stored = _replace(before, name, sha256, file, actor, now)
                counts = _counts(stored)
                _check_size(counts, before, force=force)
                if trial:
                    transaction.set_rollback(True)
                    return Loaded(counts, sha256, None)
                _begin(stored, actor, now)
    except IntegrityError as error:
        raise _unreadable("an id comes twice") from error
    except DatabaseError as error:
        raise ListError(
            "database",
            _("The database refused, and the list was not changed: %(why)s")
            % {"why": _said(error)},
        ) from error
    log.info("screening.list_loaded", list=name, persons=counts.entries_count)
    return Loaded(counts, sha256, stored)


def _said(error: DatabaseError) -> str:
    """The database's own sentence, without the row that it quotes."""
    return str(error).strip().partition("\n")[0]


def _unreadable(why: object) -> ListError:
    return ListError(
        "unreadable",
        _("The file is not a list in the form targets.simple.csv: %(why)s.") % {"why": why},
    )


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{LONGEST_SECONDS}s"])
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _same(before: ScreeningList) -> Counts:
    """What the file that is active already would bring."""
    return Counts(before.entries_count, before.skipped, added=0, changed=0, removed=0)


def _counts(stored: ScreeningList) -> Counts:
    return Counts(**{name: getattr(stored, name) for name in Counts.__dataclass_fields__})


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
    file: BinaryIO,
    actor: str,
    now: datetime,
) -> ScreeningList:
    """The new load with its entries and counts; the entries of the one before are gone."""
    if before is not None:
        before.replaced_at = now
        before.save(update_fields=["replaced_at"])
    stored = ScreeningList(
        id=uuid.uuid4(), name=name, sha256=sha256, loaded_at=now, loaded_by=actor,
        entries_count=0, skipped=0, added=0, changed=0, removed=0,
    )  # fmt: skip
    stored.save(force_insert=True)
    try:
        stored.entries_count, stored.skipped = _write(stored, file)
    except (Unreadable, UnicodeDecodeError) as error:
        raise _unreadable(error) from error
    if not stored.entries_count:
        raise ListError("empty", _("There is no person in this file. The list was not changed."))
    stored.added, stored.changed, stored.removed = _differences(stored, before)
    stored.save(update_fields=["entries_count", "skipped", "added", "changed", "removed"])
    if before is not None:
        ScreeningEntry.objects.filter(load=before)._raw_delete(using=connection.alias)
    _analyze()
    return stored


def _analyze() -> None:
    """Let look-ups use the indexes at once: without statistics each would read the whole list.

    PostgreSQL only warns a role that may not do this; autovacuum does it a minute later then.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {ScreeningEntry._meta.db_table}")


def _write(stored: ScreeningList, file: BinaryIO) -> tuple[int, int]:
    """Store the persons of the file: how many, and how many of its rows are none."""
    columns = "load_id, source_id, content, forms, keys, few_keys, identifiers, digest"
    persons = skipped = 0
    with (
        io.TextIOWrapper(file, "utf-8-sig", newline="") as lines,
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(f"COPY kyc_screeningentry ({columns}) FROM STDIN") as copy,
    ):
        for entry in read(lines):
            if entry is None:
                skipped += 1
                continue
            persons += 1
            copy.write_row(
                (
                    stored.pk,
                    entry.source_id,
                    Jsonb(entry.content),
                    entry.forms,
                    entry.keys,
                    entry.few_keys,
                    entry.identifiers,
                    entry.digest,
                )
            )
    return persons, skipped


_DIFFERENCES = """
SELECT count(*) FILTER (WHERE old.id IS NULL),
    count(*) FILTER (WHERE old.digest <> new.digest),
    count(*) FILTER (WHERE new.id IS NULL)
FROM (SELECT * FROM kyc_screeningentry WHERE load_id = %s) AS old
FULL JOIN (SELECT * FROM kyc_screeningentry WHERE load_id = %s) AS new USING (source_id)
"""


def _differences(stored: ScreeningList, before: ScreeningList | None) -> tuple[int, int, int]:
    """Persons that are new, changed, and gone since the load before."""
    if before is None:
        return stored.entries_count, 0, 0
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENCES, [before.pk, stored.pk])
        added, changed, removed = cursor.fetchone()
    return added, changed, removed


def _begin(stored: ScreeningList, actor: str, now: datetime) -> None:
    """Note the load, and have everybody looked up in it."""
    audit.record(
        actor=actor,
        action="screening.list_loaded",
        object_type="screening_list",
        object_id=str(stored.pk),
        evidence={"list": stored.name, "sha256": stored.sha256, **asdict(_counts(stored))},
        now=now,
    )
    runs.begin(cause=ScreeningRun.Cause.LIST, actor=actor, now=now)
