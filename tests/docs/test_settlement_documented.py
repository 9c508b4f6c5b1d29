"""docs/settlement.md shows every move and names every failpoint of the settlement."""

import re
from pathlib import Path

from agora.lib.failpoints import declared
from trading.states import MOVES, State

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/settlement.md").read_text()
_ARROW = re.compile(r"^ +([A-Z_]+|\[\*\]) --> ([A-Z_]+|\[\*\])", re.MULTILINE)


def test_the_diagram_shows_exactly_the_allowed_moves() -> None:
    arrows = set(_ARROW.findall(TEXT))
    starts_and_ends = {("[*]", State.PENDING)} | {(end, "[*]") for end in MOVES.terminal}

    assert arrows == {*MOVES.pairs, *starts_and_ends}


def test_every_set_of_failpoints_is_named_and_every_named_one_exists() -> None:
    marks = [name for name in declared(ROOT) if name.startswith("order.")]
    sets = {name.rpartition(".")[0] for name in marks} - {"order"}
    named = set(re.findall(r"`(order\.[a-z_]+)`", TEXT)) - {
        "order.claimed",
        "order.needs_attention",
    }

    assert named == sets
    assert "order.claimed" in declared(ROOT)
