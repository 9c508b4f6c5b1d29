"""Looking for rows in a trail of any length: by its indexes, never by reading all of it."""

import re
import uuid

from django.db import connection
from django.db.models import Q, QuerySet

from compliance.models import AuditRow

_ACTOR = re.compile(r"(user|system):.+")
_ACTION = re.compile(r"[a-z_]+(\.[a-z_]+)+")
_NEXT = "SELECT {0} AS value FROM compliance_auditrow {1} ORDER BY {0} LIMIT 1"


def values_of(column: str) -> list[str]:
    """The different values of `action` or `object_type`: one look into the index for each."""
    name = connection.ops.quote_name(column)
    first, following = _NEXT.format(name, ""), _NEXT.format(name, f"WHERE {name} > found.value")
    with connection.cursor() as cursor:
        cursor.execute(f"WITH RECURSIVE found AS (({first}) UNION ALL SELECT ({following}) {_MORE}")
        return [value for (value,) in cursor.fetchall()]


_MORE = "FROM found WHERE value IS NOT NULL) SELECT value FROM found WHERE value IS NOT NULL"


def of_object(object_id: str) -> Q:
    """Rows of an object whose type is not known: the index of objects begins with their type."""
    return Q(object_type__in=values_of("object_type"), object_id=object_id)


def matching(rows: QuerySet[AuditRow], text: str) -> QuerySet[AuditRow]:
    """The rows with exactly this actor, action or object id, or the row with this id of its own."""
    text = text.strip()
    if not text:
        return rows
    if _ACTOR.fullmatch(text):
        return rows.filter(actor=text)
    if _ACTION.fullmatch(text):
        return rows.filter(action=text)
    found = of_object(text)
    try:
        return rows.filter(found | Q(uid=uuid.UUID(text)))
    except ValueError:
        return rows.filter(found)
