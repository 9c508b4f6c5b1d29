"""docs/replication.md shows every move of a leg, every reason and every mark of the engine."""

import re
from pathlib import Path

from agora.lib.failpoints import declared
from copytrade.reasons import REASONS
from copytrade.states import LEG_MOVES, LegState

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/replication.md").read_text()
_ARROW = re.compile(r"^ +([A-Z_]+|\[\*\]) --> ([A-Z_]+|\[\*\])", re.MULTILINE)


def test_the_diagram_shows_exactly_the_allowed_moves() -> None:
    starts_and_ends = {("[*]", LegState.PLANNED)} | {(end, "[*]") for end in LEG_MOVES.terminal}

    assert set(_ARROW.findall(TEXT)) == {*LEG_MOVES.pairs, *starts_and_ends}


def test_every_reason_has_its_row() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \|", TEXT, re.MULTILINE)

    assert sorted(rows) == sorted(REASONS)


def test_every_mark_of_the_engine_is_named_and_every_named_one_exists() -> None:
    marks = {name for name in declared(ROOT) if name.startswith("copy.")}

    assert set(re.findall(r"`(copy\.[a-z_]+)`", TEXT)) == marks


def test_every_mark_of_the_masters_side_is_named_and_every_named_one_exists() -> None:
    """Marks before and after a commit or a call are named by what they have in common."""
    declared_ones = [
        n for n in declared(ROOT) if n.startswith(("master_order.", "poll.", "reconcile."))
    ]
    moments = (".before_intent", ".before_call", ".after_call", ".before_commit", ".after_commit")
    sets = {name.rpartition(".")[0] if name.endswith(moments) else name for name in declared_ones}

    assert set(re.findall(r"`((?:master_order|poll|reconcile)\.[a-z_]+)`", TEXT)) == sets
