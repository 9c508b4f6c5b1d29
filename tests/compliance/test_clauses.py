"""The table of clauses names only evidence that exists, and claims nothing that nobody confirmed."""

from pathlib import Path

import pytest
from django.urls import reverse

from compliance.clauses import KINDS, PLACEHOLDER, STATUSES, Clause, clauses

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("clause", clauses(), ids=lambda clause: clause.id)
def test_every_piece_of_evidence_exists(clause: Clause) -> None:
    assert clause.evidence
    for piece in clause.evidence:
        assert piece.kind in KINDS
        if piece.kind == "admin":
            assert reverse(piece.where).startswith("/admin/")
        else:
            assert (ROOT / piece.where).exists(), piece.where


@pytest.mark.parametrize("clause", clauses(), ids=lambda clause: clause.id)
def test_an_article_that_is_to_be_named_is_a_placeholder(clause: Clause) -> None:
    assert clause.status in STATUSES
    if "to be named" in clause.article or "not compared" in clause.article:
        assert clause.status == PLACEHOLDER


def test_each_clause_stands_once_and_each_country_served_has_some() -> None:
    table = clauses()

    assert len({clause.id for clause in table}) == len(table)
    assert {"SC", "BR", "PY"} <= {clause.country for clause in table}
