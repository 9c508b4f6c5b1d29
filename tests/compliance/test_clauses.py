"""The table of clauses names only evidence that exists, and claims nothing that nobody confirmed."""

import re
from pathlib import Path

import pytest
from django.urls import reverse

from compliance.clauses import KINDS, PLACEHOLDER, STATUSES, Clause, clauses

ROOT = Path(__file__).resolve().parents[2]


PIECES = sorted({(piece.kind, piece.where) for one in clauses() for piece in one.evidence})


@pytest.mark.parametrize(("kind", "where"), PIECES)
def test_every_piece_of_evidence_leads_to_the_very_part_that_answers(kind: str, where: str) -> None:
    assert kind in KINDS
    if kind == "admin":
        assert reverse(where).startswith("/admin/")
    elif kind == "document":
        path, _, anchor = where.partition("#")
        headings = re.findall(r"^#+ +(.+?) *$", (ROOT / path).read_text(), re.MULTILINE)
        assert anchor in {
            re.sub(r"[^\w\- ]", "", told.lower()).replace(" ", "-") for told in headings
        }
    else:
        path, _, name = where.partition("::")
        text = (ROOT / path).read_text()
        assert not name or re.search(rf"^ *(async )?(def|class) {name}\b", text, re.MULTILINE)


@pytest.mark.parametrize("clause", clauses(), ids=lambda clause: clause.id)
def test_every_clause_has_evidence(clause: Clause) -> None:
    assert clause.evidence


@pytest.mark.parametrize("clause", clauses(), ids=lambda clause: clause.id)
def test_an_article_that_is_to_be_named_is_a_placeholder(clause: Clause) -> None:
    assert clause.status in STATUSES
    if "to be named" in clause.article or "not compared" in clause.article:
        assert clause.status == PLACEHOLDER


def test_each_clause_stands_once_and_each_country_served_has_some() -> None:
    table = clauses()

    assert len({clause.id for clause in table}) == len(table)
    assert {"SC", "BR", "PY"} <= {clause.country for clause in table}
