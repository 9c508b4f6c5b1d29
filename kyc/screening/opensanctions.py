"""Reading OpenSanctions' `targets.simple.csv` (opensanctions.org/docs/bulk/csv).

Comma-separated, UTF-8, one target a row, first row the columns' names. Cells with several values
are themselves separated by semicolons, quoted where a value holds one. Newer exports have
`program_ids` and `last_change` too, and columns are found by name, so their order does not matter.
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kyc.screening import names

NEEDED = frozenset(
    [
        "id",
        "schema",
        "name",
        "aliases",
        "birth_date",
        "countries",
        "identifiers",
        "sanctions",
        "dataset",
    ]
)
# A LegalEntity may be a person or a company: the source did not say.
PERSONS = frozenset({"Person", "LegalEntity"})
FEW = 3  # parts of a name; with fewer, one that sounds alike makes a candidate, and else two
_MANY = ("aliases", "birth_date", "countries", "identifiers", "sanctions", "dataset", "program_ids")
_ONE = ("schema", "name", "first_seen", "last_seen", "last_change")
_MOST_CELL = 1_000_000  # an entry with thousands of aliases; the csv module stops at 131,072
# Changes of these alone are no reason to look at somebody again.
_NOT_TELLING = frozenset({"first_seen", "last_seen", "last_change"})


class Unreadable(ValueError):
    """The file is not such a list; the message says where."""


@dataclass(frozen=True)
class Entry:
    """A person on a list; what each part means is said at kyc.models.ScreeningEntry."""

    source_id: str
    content: dict[str, object]
    forms: list[str]
    keys: list[str]
    few_keys: bool
    identifiers: list[str]
    digest: str


def sanctioned(content: dict[str, object]) -> bool:
    """Whether an entry is under sanctions, and not on the list for an office alone."""
    return bool(content.get("sanctions") or content.get("program_ids"))


def read(lines: Iterable[str]) -> Iterator[Entry | None]:
    """Each row's entry, None for one that is no person. Raises Unreadable at the first wrong row.

    Whether an id comes twice is left to who stores them: knowing them all takes memory.
    """
    csv.field_size_limit(_MOST_CELL)
    reader = csv.DictReader(lines, strict=True)
    missing = sorted(NEEDED - set(reader.fieldnames or ()))
    if missing:
        raise Unreadable(f"columns are missing: {', '.join(missing)}")
    try:
        for row in reader:
            if None in row or None in row.values():
                raise Unreadable(f"line {reader.line_num}: not as many cells as columns")
            yield _entry(row, reader.line_num)
    except (csv.Error, UnicodeDecodeError) as error:
        raise Unreadable(f"line {reader.line_num}: {error}") from error


def _entry(row: dict[str, str], line: int) -> Entry | None:
    if not row["id"] or len(row["id"]) > 255 or not row["schema"]:
        raise Unreadable(f"line {line}: id or schema is missing or too long")
    if row["schema"] not in PERSONS:
        return None
    content: dict[str, object] = {name: row[name] for name in _ONE if row.get(name)}
    cells = {name: _values(row.get(name, ""), line) for name in _MANY}
    content |= {name: values for name, values in cells.items() if values}
    written = (row["name"], *cells["aliases"])
    forms = {form for name in written for form in names.spelled(name)}
    numbers = {names.number(text) for text in cells["identifiers"]} - {""}
    if not forms and not numbers:
        raise Unreadable(f"line {line}: neither a name nor a number to find {row['id']!r} by")
    return Entry(
        source_id=row["id"],
        content=content,
        forms=sorted(forms),
        keys=names.sounds(forms),
        few_keys=names.telling_parts(map(names.compared, written)) < FEW,
        identifiers=sorted(numbers),
        digest=_digest(content),
    )


def _values(cell: str, line: int) -> list[str]:
    if not cell:
        return []
    try:
        rows = list(csv.reader([cell], delimiter=";", strict=True))
    except csv.Error as error:
        raise Unreadable(f"line {line}: a cell of several values is broken: {error}") from error
    return [value.strip() for value in rows[0] if value.strip()] if rows else []


def _digest(content: dict[str, object]) -> str:
    telling = {name: value for name, value in content.items() if name not in _NOT_TELLING}
    text = json.dumps(telling, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
