"""Uses of API tokens and of wallet nonces: sealed day by day, exported whole days (AUD-1).

Their rows are counted on within a minute, hold network addresses, and go when their time or their
person is gone, so they cannot stand in the trail themselves. What stands there is a digest of every
closed day. An erasure tells in the trail how many rows of which days go with the person; such days
are sealed anew, and both digests are kept: that a day has changed is seen, and nothing of what it
held. A day whose rows are fewer or more than that accounts for is never sealed anew: it stays a fault
in the log of every run, and in every export. What leaves their number as it was, only exports show.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import structlog
from django.db import connection
from django.db.models import Max
from django.db.models.fields.json import KT

from compliance import audit
from compliance.models import AuditRow, RetentionRule
from compliance.trail.archive import cell, moment, patient

SEALED, ERASED = "usage.sealed", "usage.erased"
OBJECT = "usage"
# A process may write what it has counted a day later (accounts.token_uses).
CLOSED_AFTER = timedelta(days=1)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Kind:
    """Rows of one table as texts. `columns` are in the order of their names; `at` gives the day."""

    name: str
    retention: str
    source: str
    at: str
    user: str
    columns: Mapping[str, str]

    @property
    def line(self) -> str:
        """SQL of a row as one line of JSON: every member a text, none NULL, sorted by name."""
        members = [f"""'"{name}":' || to_json({sql})::text""" for name, sql in self.columns.items()]
        return "'{' || " + " || ',' || ".join(members) + " || '}'"

    @property
    def cells(self) -> str:
        return ", ".join(f"{cell(sql)} AS {name}" for name, sql in self.columns.items())

    @property
    def within(self) -> str:
        """SQL of the rows between two times."""
        return f"{self.source} WHERE {self.at} >= %s AND {self.at} < %s"


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            name="token-uses",
            retention="token_use",
            source="FROM accounts_tokenuse u JOIN accounts_apitoken t ON t.id = u.token_id",
            at="u.minute",
            user="t.user_id",
            columns={
                "address": "coalesce(host(u.address), '')",
                "count": "u.count::text",
                "last_at": moment("u.last_at"),
                "method": "u.method",
                "minute": moment("u.minute"),
                "outcome": "u.outcome",
                "route": "u.route",
                "status": "u.status::text",
                "token": "u.token_id::text",
                "user": "t.user_id::text",
            },
        ),
        Kind(
            name="nonce-uses",
            retention="wallet_nonce",
            source="FROM accounts_walletproof p",
            at="p.created_at",
            user="p.user_id",
            columns={
                "address": "p.address",
                "created_at": moment("p.created_at"),
                "expires_at": moment("p.expires_at"),
                "nonce": "p.nonce",
                "outcome": "p.outcome",
                "proof": "p.id::text",
                "purpose": "p.purpose",
                "reason": "p.reason",
                "used_at": f"coalesce({moment('p.used_at')}, '')",
                "user": "p.user_id::text",
            },
        ),
    )
}


@dataclass(frozen=True)
class Seal:
    """What the trail says of a day: how many rows, and the SHA-256 of their lines.

    `erased` is how many more there were before erasures: together with `rows` always the same.
    """

    day: date
    rows: int
    sha256: str
    erased: int
    row: AuditRow


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def kept_days(kind: Kind, *, now: datetime) -> tuple[date, date]:
    """The first day that retention keeps and has kept whole, and the first that is not closed yet."""
    rule = RetentionRule.objects.filter(kind=kind.retention).first()
    begun = (now - timedelta(days=rule.days)).date() if rule else date.min
    # By a shorter rule, which was changed since.
    removed = AuditRow.objects.filter(
        object_type="retention", object_id=kind.retention, action="retention.removed"
    )
    if before := removed.aggregate(newest=Max(KT("evidence__before")))["newest"]:
        begun = max(begun, datetime.fromisoformat(before).date())
    return begun + timedelta(days=1), (now - CLOSED_AFTER).date()


def seals(kind: Kind, *, first: date, until: date) -> dict[date, Seal]:
    """The newest seal of each of these days."""
    rows = AuditRow.objects.filter(object_type=OBJECT, action=SEALED, evidence__kind=kind.name)
    found: dict[date, Seal] = {}
    for row in rows.order_by("id"):
        told = row.evidence
        day = date.fromisoformat(told["day"])
        if first <= day < until:
            found[day] = Seal(
                day=day,
                rows=told["rows"],
                sha256=told["sha256"],
                erased=told.get("erased", 0),  # which earlier releases did not tell
                row=row,
            )
    return found


@contextmanager
def erasing(*, user_id: UUID, now: datetime) -> Iterator[None]:
    """Tell in the trail how many rows of which days the block removes of a person's.

    Whose they were is not told. Enter it in the transaction of the erasure.
    """
    before = [(kind, _of_person(kind, user_id)) for kind in KINDS.values()]
    yield
    for kind, counts in before:
        left = _of_person(kind, user_id)
        days = {day: rows - left[day] for day, rows in counts.items() if rows > left[day]}
        if days:
            audit.record(
                actor=audit.system("personal_data"),
                action=ERASED,
                object_type=OBJECT,
                object_id=kind.name,
                evidence={"days": {day.isoformat(): rows for day, rows in days.items()}},
                now=now,
            )


def _of_person(kind: Kind, user_id: UUID) -> Counter[date]:
    return _counts(kind, f"{kind.source} WHERE {kind.user} = %s", [user_id])


def seal_days(
    *,
    now: datetime,
    kinds: Iterable[Kind] = KINDS.values(),
    since: date = date.min,
    until: date = date.max,
) -> list[AuditRow]:
    """Write the digest of every closed day that has none, or of which an erasure has removed rows.

    Of days from `since`, before `until`, UTC. What nothing accounts for is told in the log, as
    `audit.usage_rows_removed` or `audit.usage_rows_added`. Harmless when repeated, or when two run at
    once. Each day is a transaction of its own; call it outside of any.
    """
    return [row for kind in kinds for row in _sealed(kind, since, until, now)]


def _sealed(kind: Kind, since: date, until: date, now: datetime) -> Iterator[AuditRow]:
    kept, closed = kept_days(kind, now=now)
    first, until = max(kept, since, date(1970, 1, 1)), min(closed, until)
    with patient():
        known = seals(kind, first=first, until=until)
        counts = _counts(kind, kind.within, [midnight(first), midnight(until)])
    for day in sorted(known.keys() | counts.keys()):
        before = known.get(day)
        if before is None or before.rows != counts[day]:
            row = _seal(kind, day, before, now)
            if row:
                yield row


def _seal(kind: Kind, day: date, before: Seal | None, now: datetime) -> AuditRow | None:
    # The row gets its number at the end, so however long the reading takes, it is chained in time.
    with patient():
        rows, digest, erased = digest_of(kind, day)
        missing = before.rows + before.erased - rows - erased if before else 0
        if missing:
            what = "audit.usage_rows_removed" if missing > 0 else "audit.usage_rows_added"
            log.error(what, kind=kind.name, day=day.isoformat(), rows=abs(missing))
            return None
        return audit.record(
            actor=audit.system("sealer"),
            action=SEALED,
            object_type=OBJECT,
            object_id=f"{kind.name}/{day}",
            evidence={
                "kind": kind.name,
                "day": day.isoformat(),
                "rows": rows,
                "sha256": digest,
                "rows_before": before.rows if before else None,
                "erased": erased,
            },
            now=now,
        )


def digest_of(kind: Kind, day: date) -> tuple[int, str, int]:
    """Number of a day's rows, the SHA-256 of their lines, sorted by their bytes, and rows erased.

    Read by one statement: an erasure is seen with its row in the trail, or not at all.
    """
    lines = (
        f"string_agg(convert_to({kind.line} || E'\\n', 'UTF8'), ''::bytea"
        f' ORDER BY ({kind.line}) COLLATE "C")'
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), encode(sha256(coalesce({lines}, ''::bytea)), 'hex'), ({_ERASED})"
            f" {kind.within}",
            [day.isoformat(), OBJECT, kind.name, ERASED,
             midnight(day), midnight(day + timedelta(days=1))],
        )  # fmt: skip
        count, digest, erased = cursor.fetchone()
    return count, digest, erased


_ERASED = (
    "SELECT coalesce(sum((evidence #>> ARRAY['days', %s::text])::int), 0) FROM compliance_auditrow"
    " WHERE object_type = %s AND object_id = %s AND action = %s"
)


def _counts(kind: Kind, rows: str, values: Sequence[UUID | datetime]) -> Counter[date]:
    """How many of these rows each day (UTC) has."""
    day = f"({kind.at} AT TIME ZONE 'UTC')::date"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {day}, count(*) {rows} GROUP BY 1", values)
        return Counter(dict(cursor.fetchall()))
