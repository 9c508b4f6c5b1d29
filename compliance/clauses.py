"""Which rule asks for what, and where Agora answers it: data with links to the evidence (AUD-1).

The table is `compliance/clauses.json`. A clause stays a placeholder until counsel has named the
article and confirmed it; nobody else changes its status.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PLACEHOLDER, TO_BE_CONFIRMED, CONFIRMED = "placeholder", "to be confirmed", "confirmed"
STATUSES = (PLACEHOLDER, TO_BE_CONFIRMED, CONFIRMED)
KINDS = ("document", "admin", "code", "test")
_FILE = Path(__file__).with_name("clauses.json")


@dataclass(frozen=True)
class Evidence:
    """Where a clause is answered: a part of a file of the repository, or a page of the admin.

    `where` is a path from the repository's root with the anchor of a heading (`a.md#b`) or the name
    of what is defined there (`a.py::b`), or for `admin` the name of a URL.
    """

    kind: str
    where: str

    @property
    def path(self) -> str:
        return re.split("#|::", self.where)[0]

    def begins(self, line: str) -> bool:
        """Whether the part that is meant begins with this line of its file."""
        _path, _mark, heading = self.where.partition("#")
        if heading:
            told = line.lstrip("#").strip().lower()
            return line.startswith("#") and heading == re.sub(r"[^\w\- ]", "", told).replace(
                " ", "-"
            )
        _path, _mark, name = self.where.partition("::")
        return bool(name and re.match(rf" *(async )?(def|class) {name}\b", line))


@dataclass(frozen=True)
class Clause:
    """One clause of one rule; `gap` says what of it nothing answers."""

    id: str
    country: str
    source: str
    article: str
    subject: str
    status: str
    evidence: Sequence[Evidence]
    gap: str = ""


@cache
def clauses() -> list[Clause]:
    """The table, in its own order."""
    table = json.loads(_FILE.read_text())
    return [
        Clause(**{**row, "evidence": [Evidence(**each) for each in row["evidence"]]})
        for row in table["clauses"]
    ]


def text_of(where: str) -> tuple[str, str, str] | None:
    """Of evidence in a file: its text before the line with which the part begins, that line, the rest.

    None for what no clause names, and for a file that is not there.
    """
    pieces = [piece for clause in clauses() for piece in clause.evidence if piece.where == where]
    path = _FILE.parents[1] / pieces[0].path if pieces else None
    if path is None or pieces[0].kind == "admin" or not path.is_file():
        return None
    lines = path.read_text().splitlines(keepends=True)
    at = next((number for number, line in enumerate(lines) if pieces[0].begins(line)), 0)
    return "".join(lines[:at]), lines[at], "".join(lines[at + 1 :])
