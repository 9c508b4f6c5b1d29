"""Uses of API tokens and of wallet nonces: sealed day by day, exported whole days (AUD-1).

Their rows are counted on within a minute, hold network addresses, and go when their time or their
person is gone, so they cannot stand in the trail themselves. What stands there is a digest of every
closed day. When retention or an erasure has removed rows of a day, the next run seals it anew, and
both digests are kept: that a day has changed is seen, and nothing of what it held.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import structlog
from django.db import connection, transaction

from compliance import audit
from compliance.models import AuditRow, RetentionRule
from compliance.trail.archive import cell, moment

SEALED = "usage.sealed"
OBJECT = "usage"
# A process may write what it has counted a day later (accounts.token_uses).
CLOSED_AFTER = timedelta(days=1)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Kind:
    """Rows of one table as texts. `columns` are in the order of their names; `at` gives the day."""

    name: str
    title: str
    retention: str
    source: str
    at: str
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
            title="uses of API tokens",
            retention="token_use",
            source="FROM accounts_tokenuse u JOIN accounts_apitoken t ON t.id = u.token_id",
            at="u.minute",
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
            title="nonces of wallet proofs",
            retention="wallet_nonce",
            source="FROM accounts_walletproof p",
            at="p.created_at",
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
    """What the trail says of a day: how many rows, and the SHA-256 of their lines."""

    day: date
    rows: int
    sha256: str
    row: AuditRow


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def kept_days(kind: Kind, *, now: datetime) -> tuple[date, date]:
    """The first day that retention keeps whole, and the first that is not closed yet."""
    rule = RetentionRule.objects.filter(kind=kind.retention).first()
    first = (now - timedelta(days=rule.days)).date() + timedelta(days=1) if rule else date.min
    return first, (now - CLOSED_AFTER).date()


def seals(kind: Kind, *, first: date, until: date) -> dict[date, Seal]:
    """The newest seal of each of these days."""
    rows = AuditRow.objects.filter(object_type=OBJECT, action=SEALED, evidence__kind=kind.name)
    found: dict[date, Seal] = {}
    for row in rows.order_by("id"):
        told = row.evidence
        day = date.fromisoformat(told["day"])
        if first <= day < until:
            found[day] = Seal(day=day, rows=told["rows"], sha256=told["sha256"], row=row)
    return found


def seal_days(*, now: datetime) -> list[AuditRow]:
    """Write the digest of every closed day that has none, or whose number of rows has changed.

    Harmless when repeated, or when two run at once. Each day is a transaction of its own.
    """
    return [row for kind in KINDS.values() for row in _sealed(kind, now)]


def _sealed(kind: Kind, now: datetime) -> Iterator[AuditRow]:
    first, until = kept_days(kind, now=now)
    known, counts = seals(kind, first=first, until=until), _counts(kind, first, until)
    for day in sorted(known.keys() | counts.keys()):
        before = known.get(day)
        if before is None or before.rows != counts.get(day, 0):
            yield _seal(kind, day, before, now)


def _seal(kind: Kind, day: date, before: Seal | None, now: datetime) -> AuditRow:
    with transaction.atomic():
        rows, digest = digest_of(kind, day)
        if before and rows > before.rows:
            log.error("audit.usage_rows_added", kind=kind.name, day=day.isoformat())
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
            },
            now=now,
        )


def digest_of(kind: Kind, day: date) -> tuple[int, str]:
    """Number of a day's rows, and the SHA-256 of their lines, sorted by their bytes."""
    lines = (
        f"string_agg(convert_to({kind.line} || E'\\n', 'UTF8'), ''::bytea"
        f' ORDER BY ({kind.line}) COLLATE "C")'
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), encode(sha256(coalesce({lines}, ''::bytea)), 'hex') {kind.within}",
            [midnight(day), midnight(day + timedelta(days=1))],
        )
        count, digest = cursor.fetchone()
    return count, digest


def _counts(kind: Kind, first: date, until: date) -> dict[date, int]:
    since = midnight(max(first, date(1970, 1, 1)))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT ({kind.at} AT TIME ZONE 'UTC')::date AS day, count(*) {kind.within} GROUP BY 1",
            [since, midnight(until)],
        )
        return dict(cursor.fetchall())
