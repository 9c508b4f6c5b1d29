"""Uses of API tokens (AUD-1): every one is counted, and written at most once a minute for a token.

A row a request would put a write into every read. So uses are counted in the process and written
together with the next use that has to be written anyway: the first of a token within a minute, as
`last_used_at` always was. What a process has counted and not written when it dies, or for a day
because no token was used, is told by the access log, which has a line with `token_id` for each single
request.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from uuid import UUID

import redis
import structlog
from django.core.cache import cache
from django.db import DatabaseError, connection

from accounts.models import ApiToken, TokenUse
from accounts.models.users import ERASED_DOMAIN
from accounts.oidc_tokens import Shown
from compliance import audit

NOTED_EVERY = timedelta(minutes=1)
# By then a day's uses are sealed in the trail (compliance.trail.usage) and must not change any more.
NOTED_WITHIN = timedelta(hours=23)
_MOST_COUNTED = 1_000
_LONGEST_ROUTE = 80

# A token of the provider is in the audit trail once in this time, and with each way it is refused.
_PROVIDED_EVERY = timedelta(hours=1)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Use:
    """A token shown once: what for, from where, and what became of it."""

    outcome: str
    method: str
    route: str
    status: int
    address: str | None
    at: datetime


@dataclass
class _Line:
    """Uses of a token within a minute from one address; what the last of them was."""

    count: int
    last: Use


_Key = tuple[UUID, datetime, str, str | None]


class _Tally:
    """Counts of this process that wait to be written, and when it last wrote for which token."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lines: dict[_Key, _Line] = {}
        self._written: dict[tuple[UUID, str], datetime] = {}

    def add(self, token: ApiToken, use: Use) -> list[tuple[_Key, _Line]]:
        """Count a use; what is to be written now, which is nothing more often than not."""
        minute = use.at.replace(second=0, microsecond=0)
        key = (token.pk, minute, use.outcome, use.address)
        with self._lock:
            line = self._lines.setdefault(key, _Line(count=0, last=use))
            line.count, line.last = line.count + 1, use
            if not self._is_due(token, use) and len(self._lines) < _MOST_COUNTED:
                return []
            taken, self._lines = self._lines, {}
            self._note_written(token, use)
        late = [key for key in taken if use.at - key[1] >= NOTED_WITHIN]
        if late:
            log.warning("Token Uses Too Late", count=sum(taken.pop(key).count for key in late))
        return sorted(taken.items(), key=lambda item: tuple(map(str, item[0])))

    def give_back(self, lines: Iterable[tuple[_Key, _Line]]) -> None:
        """Count again what could not be written."""
        with self._lock:
            for key, line in lines:
                kept = self._lines.setdefault(key, _Line(count=0, last=line.last))
                kept.count += line.count

    def _is_due(self, token: ApiToken, use: Use) -> bool:
        here = self._written.get((token.pk, use.outcome))
        if here is not None and use.at - here < NOTED_EVERY:
            return False
        if use.outcome != TokenUse.Outcome.USED:
            return True
        elsewhere = token.last_used_at
        return elsewhere is None or use.at - elsewhere >= NOTED_EVERY

    def _note_written(self, token: ApiToken, use: Use) -> None:
        if len(self._written) >= _MOST_COUNTED:
            self._written.clear()
        self._written[(token.pk, use.outcome)] = use.at


_tally = _Tally()


def note(token: ApiToken, use: Use) -> None:
    """Count a use of a token, and write what is counted when it is time: one statement as a rule.

    Never raises for a failure of the database: a good answer must not become an error by it.
    """
    lines = _tally.add(token, use)
    if not lines:
        return
    try:
        _tally.give_back(_write(lines))
    except DatabaseError as error:
        _tally.give_back(lines)
        log.warning("Token Uses Not Written", error=type(error).__name__)


def note_of_provider(shown: Shown, use: Use) -> None:
    """Note in the audit trail that a provider's token was shown: the first time within an hour.

    Such tokens are not kept, so they have no rows to be counted in; the access log has each request.
    While Redis is away every use is a row. Never raises for a failure of the database, after which
    the next use is noted.
    """
    key = f"provider-token:{shown.digest}:{shown.outcome}"
    try:
        if not cache.add(key, 1, timeout=_PROVIDED_EVERY.total_seconds()):
            return
    except redis.RedisError as error:
        log.warning("Provider Token Not Counted", error=type(error).__name__)
    was_used = shown.outcome == TokenUse.Outcome.USED
    try:
        audit.record(
            actor=audit.actor_of(shown.user if was_used else None),
            action="provider_token.used" if was_used else "provider_token.refused",
            object_type="user",
            object_id=str(shown.user.pk),
            evidence={
                "token": shown.digest,
                "outcome": shown.outcome,
                "route": use.route,
                "status": use.status,
            },
            now=use.at,
        )
    except DatabaseError as error:
        log.warning("Token Uses Not Written", error=type(error).__name__)
        with suppress(redis.RedisError):
            cache.delete(key)


# A token's row that another process holds is left to it: it notes a time as late. Nothing is written of
# people who are erased: their rows are held, so that an erasure waits for the writing. What is of somebody
# who is just being erased is not waited for but answered: by the next writing it is known whether they are.
_WRITE = """
WITH used AS (
    SELECT * FROM unnest(
        %s::uuid[], %s::timestamptz[], %s::text[], %s::inet[], %s::int[], %s::text[], %s::text[],
        %s::smallint[], %s::timestamptz[]
    ) AS u (token_id, minute, outcome, address, count, method, route, status, last_at)
), kept AS MATERIALIZED (
    SELECT t.id FROM accounts_apitoken AS t JOIN accounts_user AS person ON person.id = t.user_id
    WHERE t.id IN (SELECT token_id FROM used) AND person.email NOT LIKE %s
    FOR KEY SHARE OF person SKIP LOCKED
), newest AS (
    SELECT token_id, max(last_at) AS at FROM used WHERE outcome = 'used' GROUP BY token_id
), noted AS (
    UPDATE accounts_apitoken AS t SET last_used_at = newest.at
    FROM newest JOIN (
        SELECT id FROM accounts_apitoken
        WHERE id IN (SELECT token_id FROM newest) FOR NO KEY UPDATE SKIP LOCKED
    ) AS free ON free.id = newest.token_id
    WHERE t.id = free.id AND (t.last_used_at IS NULL OR t.last_used_at < newest.at)
), written AS (
    INSERT INTO accounts_tokenuse
        (token_id, minute, outcome, address, count, method, route, status, last_at)
    SELECT used.* FROM used JOIN kept ON kept.id = used.token_id
    ORDER BY token_id, minute, outcome, address
    ON CONFLICT (token_id, minute, outcome, address) DO UPDATE SET
        count = accounts_tokenuse.count + excluded.count,
        method = excluded.method, route = excluded.route, status = excluded.status,
        last_at = greatest(accounts_tokenuse.last_at, excluded.last_at)
)
SELECT id FROM kept
"""


def _write(lines: list[tuple[_Key, _Line]]) -> list[tuple[_Key, _Line]]:
    """Write the lines; answers those of people who are just being erased, which were not written.

    One statement, and another one where somebody's were not written.
    """
    columns = zip(
        *(
            (*key, line.count, line.last.method, line.last.route[:_LONGEST_ROUTE],
             line.last.status, line.last.at)
            for key, line in lines
        ),
        strict=True,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [*(list(column) for column in columns), f"%@{ERASED_DOMAIN}"])
        kept = {token_id for (token_id,) in cursor.fetchall()}
    missing = [item for item in lines if item[0][0] not in kept]
    if not missing:
        return []
    tokens = ApiToken.objects.filter(pk__in=[key[0] for key, _line in missing])
    left = set(
        tokens.exclude(user__email__endswith=f"@{ERASED_DOMAIN}").values_list("pk", flat=True)
    )
    return [item for item in missing if item[0][0] in left]
