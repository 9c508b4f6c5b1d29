"""Which rule asks for what, and where Agora answers it: data with links to the evidence (AUD-1).

The table is `compliance/clauses.json`. A clause stays a placeholder until counsel has named the
article and confirmed it; nobody else changes its status.
"""

import json
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
        return self.where.split("#")[0].split("::")[0]


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


def files() -> dict[str, Path]:
    """The files that are evidence, by their paths from the repository's root."""
    root = _FILE.parents[1]
    pieces = [piece for clause in clauses() for piece in clause.evidence]
    return {piece.path: root / piece.path for piece in pieces if piece.kind != "admin"}
