"""The events of the token that are kept: how they are read."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compliance.models import ChainCheckpoint, ChainMint, ChainTransfer
from compliance.reserves import chain_index
from compliance.reserves.chain_index import Token
from tests.people import new_address

pytestmark = pytest.mark.django_db


def test_the_holders_are_joined_with_their_owners_in_one_pass() -> None:
    """PostgreSQL cannot guess how many there are; a loop would compare everybody with everybody."""
    plans: list[str] = []

    def explain(
        execute: Callable[..., object], sql: str, params: object, many: bool, context: object
    ) -> object:
        if "accounts_walletproof" in sql:
            with connection.connection.cursor() as cursor:
                cursor.execute("EXPLAIN " + sql, params)
                plans.append("\n".join(line for (line,) in cursor.fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        chain_index.holders(token=Token(chain_id=1, contract=new_address()), block=1)
    (plan,) = plans
    assert "Nested Loop" not in plan


def kept(token: Token, *, checkpoint: int, blocks: Sequence[int]) -> None:
    """What an earlier reading has left: a transfer and a mint in each block, read up to a checkpoint."""
    where = token._asdict()
    ChainCheckpoint.objects.create(**where, block_number=checkpoint, block_hash="0x")
    for block in blocks:
        place = {**where, "block_number": block, "log_index": 0, "tx_hash": "0x", "units": 1}
        ChainTransfer.objects.create(
            **place, from_address=chain_index._NOBODY, to_address=new_address()
        )
        ChainMint.objects.create(**place, to_address=new_address(), broker_trade_id="x")


def blocks_of(token: Token) -> list[int]:
    rows = ChainTransfer.objects.filter(**token._asdict()).order_by("block_number")
    return list(rows.values_list("block_number", flat=True))


def test_to_forget_is_quick_and_what_is_kept_is_dropped_in_portions_before_the_next_reading(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """However much there is: the snapshot that found it wrong is stored in the same transaction."""
    monkeypatch.setattr(chain_index, "_PORTION", 2)
    settings.CONTRACT_FIRST_BLOCK = 3
    token = Token(chain_id=1, contract=new_address())
    other = Token(chain_id=1, contract=new_address())
    for each in (token, other):
        kept(each, checkpoint=9, blocks=range(3, 8))

    with CaptureQueriesContext(connection) as queries:
        chain_index.forget(token=token)
    assert [each["sql"].split()[2] for each in queries] == ['"compliance_chaincheckpoint"']

    pulses: list[None] = []
    chain_index.read_up_to(token=token, block=2, pulse=lambda: pulses.append(None))
    assert (blocks_of(token), len(pulses)) == ([], 6)
    assert not ChainMint.objects.filter(**token._asdict()).exists()
    chain_index._drop_unmarked(other, pulse=lambda: None)
    assert blocks_of(other) == [3, 4, 5, 6, 7]


def test_only_what_stands_beyond_the_newest_checkpoint_is_dropped() -> None:
    token = Token(chain_id=1, contract=new_address())
    kept(token, checkpoint=5, blocks=[4, 5, 6, 7])

    chain_index._drop_unmarked(token, pulse=lambda: None)

    assert blocks_of(token) == [4, 5]
