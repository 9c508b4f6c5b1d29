"""A state machine takes the moves of its table and no other."""

import pytest

from agora.lib.states import IllegalMove, Moves

LIGHT = Moves({"red": {"green"}, "green": {"amber", "off"}, "amber": {"red"}, "off": set()})


@pytest.mark.parametrize(("old", "new"), LIGHT.pairs)
def test_listed_moves_pass(old: str, new: str) -> None:
    LIGHT.check(old, new)


@pytest.mark.parametrize("old", ["red", "green", "amber", "off"])
def test_every_other_move_raises(old: str) -> None:
    for new in {"red", "green", "amber", "off"} - LIGHT.followers(old):
        with pytest.raises(IllegalMove):
            LIGHT.check(old, new)


def test_a_state_without_followers_is_terminal() -> None:
    assert LIGHT.terminal == {"off"}


def test_a_follower_without_a_row_is_refused_at_definition() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        Moves({"red": {"nowhere"}})
