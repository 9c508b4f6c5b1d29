"""Exports of uses of tokens and nonces, whole days, to be compared with what the trail says of them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from django.utils.translation import gettext as _

from compliance import audit
from compliance.trail import archive, usage
from compliance.trail.archive import OPTIONS, Archive
from compliance.trail.export import Filter, export
from compliance.trail.usage import Kind, midnight

FORMAT = "agora-usage-export-1"
TRAIL = "trail"
KINDS = (TRAIL, *usage.KINDS)


class Refused(Exception):
    """An export that cannot be made, with what to ask for instead.

    `code` is `empty_range` or `not_whole_days`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def export_of(
    kind: str, *, chosen: Filter, form: str, actor: str, now: datetime
) -> Iterator[bytes]:
    """The archive of the trail or of uses, piece by piece, with a row at its start and its end.

    `kind` is one of KINDS, `form` "jsonl" or "csv". Raises Refused for a range that ends before
    it begins, and for uses that are chosen by anything but whole days, UTC. Holds no lock.
    """
    if chosen.since and chosen.until and chosen.since >= chosen.until:
        raise Refused(
            "empty_range", _("Nothing can lie in this range: let it end after its beginning.")
        )
    if kind == TRAIL:
        return export(chosen=chosen, form=form, actor=actor, now=now)
    since, until = _days(chosen, now)
    uses = usage.KINDS[kind]
    # What an erasure removed since the last run would look like tampering.
    usage.seal_days(now=now, kinds=[uses], since=since, until=until)
    audit.record(
        actor=actor,
        action="audit.export_started",
        object_type=usage.OBJECT,
        object_id=kind,
        evidence={"since": since.isoformat(), "until": until.isoformat(), "form": form},
        now=now,
    )
    return _stream(uses, (since, until), form, actor, now)


def _days(chosen: Filter, now: datetime) -> tuple[date, date]:
    """First day, and the day after the last."""
    bounds = [at.astimezone(UTC) for at in (chosen.since, chosen.until) if at]
    others = set(chosen.told()) - {"since", "until", "without"}
    if others or any(at.time() != time() for at in bounds):
        raise Refused(
            "not_whole_days",
            _("Uses are exported by whole days, UTC. Give nothing but a first and a last day."),
        )
    tomorrow = now.astimezone(UTC).date() + timedelta(days=1)
    since = chosen.since.astimezone(UTC).date() if chosen.since else date(1970, 1, 1)
    return since, chosen.until.astimezone(UTC).date() if chosen.until else tomorrow


def _stream(
    kind: Kind, days: tuple[date, date], form: str, actor: str, now: datetime
) -> Iterator[bytes]:
    # What retention has begun to remove is no whole day any more.
    first, until = max(days[0], usage.kept_days(kind, now=now)[0]), days[1]
    out = Archive()
    with archive.patient():
        sealed = usage.seals(kind, first=first, until=until)
        yield from out.copied(
            f"rows.{form}", _copy(kind, form), [midnight(first), midnight(max(first, until))]
        )
    end = out.finish(
        {
            "format": FORMAT,
            "kind": kind.name,
            "exported_at": now.astimezone(UTC).isoformat(timespec="seconds"),
            "exported_by": actor,
            "since": first.isoformat(),
            "until": until.isoformat(),
            "days": [
                {
                    "day": seal.day.isoformat(),
                    "rows": seal.rows,
                    "sha256": seal.sha256,
                    "uid": str(seal.row.uid),
                }
                for _day, seal in sorted(sealed.items())
            ],
            "files": out.files,
        }
    )
    audit.record(
        actor=actor,
        action="audit.exported",
        object_type=usage.OBJECT,
        object_id=kind.name,
        evidence={
            "since": first.isoformat(),
            "until": until.isoformat(),
            "form": form,
            "files": out.files,
        },
        now=now,
    )
    yield end


def _copy(kind: Kind, form: str) -> str:
    """The statement that writes the rows by day, and within a day as their digest takes them."""
    what = kind.line if form == "jsonl" else kind.cells
    day = f"({kind.at} AT TIME ZONE 'UTC')::date"
    order = f'ORDER BY {day}, ({kind.line}) COLLATE "C"'
    return f"COPY (SELECT {what} {kind.within} {order}) TO STDOUT WITH {OPTIONS[form]}"
