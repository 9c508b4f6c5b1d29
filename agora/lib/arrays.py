"""Columns of values as PostgreSQL array literals, for statements that write many rows at once.

psycopg adapts a list element by element, which costs more than the statement; a literal is one
string that the database parses. Bind it with a cast: `%s::uuid[]`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime


def columns(rows: Sequence[Sequence[object]]) -> list[str]:
    """The rows turned into one array literal for each column. Raises ValueError for ragged rows."""
    return [literal(column) for column in zip(*rows, strict=True)]


def literal(values: Iterable[object]) -> str:
    """One array literal, such as {"a",NULL,"1.5"}: texts, ids, numbers, booleans and times."""
    return "{" + ",".join([_element(value) for value in values]) + "}"


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
