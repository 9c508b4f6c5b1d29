"""Which block counts as final, by what nodes of different make answer to the tag `finalized`."""

from typing import Any

import pytest

from agora.lib.outcome import Temporary
from tests.conftest import Chain
from tests.tokens.nodes import Twist, twisted_node
from tokens import events


def to_the_tag(answer: "dict[str, Any] | str") -> Twist:
    """This answer to whoever asks for the final block; no other changes."""

    def twist(asked: dict[str, Any], told: dict[str, Any]) -> "dict[str, Any] | str":
        if asked["params"] and asked["params"][0] == "finalized":
            return answer if isinstance(answer, str) else {**answer, "id": asked["id"]}
        return told

    return twist


def refusal(code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message}}


NONE_FINAL: list[dict[str, Any]] = [
    refusal(-32602, "invalid argument 0: hex string without 0x prefix"),
    refusal(-39001, "Unknown block"),
    refusal(-32000, "'finalized' tag not supported on pre-merge network"),
    refusal(-32000, "finalized block not found"),
    {"jsonrpc": "2.0", "result": None},
]


@pytest.mark.parametrize("answer", NONE_FINAL)
def test_on_a_chain_that_knows_no_final_block_depth_decides(
    chain: Chain, answer: dict[str, Any], settings: Any
) -> None:
    chain.mine(3)
    before = chain.height
    with twisted_node(to_the_tag(answer)):
        block, finality = events.final_block(told_before=False)

    assert finality == "depth"
    assert before <= block.number + settings.MINT_CONFIRMATIONS <= chain.height


@pytest.mark.parametrize("answer", NONE_FINAL)
def test_a_chain_that_has_told_one_before_is_waited_for(
    chain: Chain, answer: dict[str, Any]
) -> None:
    with twisted_node(to_the_tag(answer)), pytest.raises(Temporary):
        events.final_block(told_before=True)


@pytest.mark.parametrize(
    "answer",
    [
        refusal(-32005, "daily request count exceeded, request rate limited"),
        refusal(429, "Too Many Requests"),
        refusal(-32603, "internal error"),
        "<html>Try again later.</html>",
    ],
)
def test_a_node_that_is_busy_says_nothing_of_finality(chain: Chain, answer: Any) -> None:
    with twisted_node(to_the_tag(answer)), pytest.raises(Temporary):
        events.final_block(told_before=False)
