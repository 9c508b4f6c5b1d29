"""Balances that the contract tells of many holders at once, from nodes that do not take it all."""

from typing import Any

import pytest

from agora.lib.outcome import Temporary
from tests.conftest import Chain
from tests.people import new_address
from tests.tokens import minting
from tests.tokens.nodes import twisted_node
from tokens import events


@pytest.fixture
def holders(chain: Chain) -> list[str]:
    """Ten addresses, of which the third has one unit, the fourth two of them."""
    addresses = [new_address() for _ in range(10)]
    for units in (1, 2):
        minting.mint_beside(
            chain, to=addresses[units + 1], units=units, trade_id=f"balances-{addresses[units]}"
        )
    return addresses


HELD = [0, 0, 1, 2, 0, 0, 0, 0, 0, 0]


def honest(_asked: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    return told


def limited(asked: dict[str, Any]) -> dict[str, Any]:
    error = {"code": -32005, "message": "request rate exceeded"}
    return {"jsonrpc": "2.0", "id": asked["id"], "error": error}


@pytest.mark.parametrize("limit", [100, 10, 3, 0], ids=["any", "as many", "fewer", "none"])
def test_a_node_that_refuses_long_batches_gets_shorter_ones(
    chain: Chain, holders: list[str], limit: int
) -> None:
    with twisted_node(honest, batch_limit=limit):
        assert events.balances(holders, block=chain.height) == HELD


def test_calls_of_a_batch_that_a_node_limits_are_asked_again(
    chain: Chain, holders: list[str]
) -> None:
    left = [2]

    def twist(asked: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
        if holders[3][2:].lower() in str(asked["params"]) and left[0]:
            left[0] -= 1
            return limited(asked)
        return told

    with twisted_node(twist):
        assert events.balances(holders, block=chain.height) == HELD
    assert left == [0]


def test_calls_of_a_batch_that_a_node_leaves_out_are_asked_again(
    chain: Chain, holders: list[str]
) -> None:
    left = [1]

    def twist(asked: dict[str, Any], told: dict[str, Any]) -> dict[str, Any] | None:
        if holders[2][2:].lower() in str(asked["params"]) and left[0]:
            left[0] -= 1
            return None
        return told

    with twisted_node(twist):
        assert events.balances(holders, block=chain.height) == HELD
    assert left == [0]


def test_a_call_that_a_node_never_answers_is_waited_for(chain: Chain, holders: list[str]) -> None:
    def twist(asked: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
        return limited(asked) if holders[9][2:].lower() in str(asked["params"]) else told

    with twisted_node(twist), pytest.raises(Temporary):
        events.balances(holders, block=chain.height)


def test_a_node_whose_answer_is_no_answer_is_waited_for(chain: Chain, holders: list[str]) -> None:
    def twist(asked: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": asked["id"], "result": "0x"}

    with twisted_node(twist), pytest.raises(Temporary):
        events.balances(holders, block=chain.height)
