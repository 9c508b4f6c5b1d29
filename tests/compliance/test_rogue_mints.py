"""Whoever steals the minter's key chooses ids and amounts: each snapshot tells of it and is finished."""

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone
from eth_abi.abi import encode
from web3 import Web3

from accounts.models import Notice
from agora.lib.formats import quantity
from agora.lib.money import plain, shares_of
from agora.sandbox.client import SandboxControl
from compliance.models import AuditRow, ChainCheckpoint, ReserveRow, ReserveSnapshot
from compliance.reserves import exports, sign_off
from compliance.reserves.verification import verify
from tests.conftest import Chain
from tests.people import new_address
from tests.reserving import a_signer, a_snapshot, signed
from tests.tokens.minting import grant_minter

pytestmark = pytest.mark.django_db
Kind = ReserveRow.Kind
Mint = Callable[[bytes, int], None]
ONE = 10**18


@pytest.fixture
def rogue_mint(sandbox: SandboxControl, chain: Chain) -> Iterator[Mint]:
    """A mint of any bytes and units that Agora knows nothing of; the chain forgets it afterwards."""
    mark = chain.rpc("evm_snapshot")
    minter = grant_minter(chain)

    def mint(trade_id: bytes, units: int) -> None:
        # `string` is encoded as `bytes` are; web3 refuses to send text that is none.
        given = encode(["address", "uint256", "bytes"], [new_address(), units, trade_id])
        data = Web3.keccak(text="mint(address,uint256,string)")[:4] + given
        call = {"from": minter, "to": chain.contract, "data": f"0x{data.hex()}"}
        chain.rpc("eth_sendTransaction", call)
        chain.mine(3)

    yield mint
    chain.rpc("evm_revert", mark)


@pytest.fixture
def before(rogue_mint: Mint, chain: Chain) -> ReserveSnapshot:
    chain.mine(3)
    return a_snapshot()


@pytest.mark.parametrize(
    ("trade_id", "units", "told"),
    [
        pytest.param(b"r" * 128, ONE, "r" * 128, id="the longest id"),
        pytest.param(b"rogue \xff\xc3(", ONE, "rogue \ufffd\ufffd(", id="an id that is no UTF-8"),
        pytest.param(b"rogue\0", ONE, "rogue\ufffd", id="an id that no text column takes"),
        pytest.param(
            b"=1+1\x01\n\x1b[2J\xe2\x80\xae", ONE, "=1+1\x01\n\x1b[2J\u202e", id="an odd id"
        ),
        pytest.param(b"rogue", 10**38 + 7, "rogue", id="more digits than Decimal adds by itself"),
    ],
)
def test_a_rogue_mint_is_told_of_on_each_day(
    before: ReserveSnapshot, rogue_mint: Mint, trade_id: bytes, units: int, told: str
) -> None:
    signer = a_signer()
    rogue_mint(trade_id, units)

    for day in (1, 2):
        after = a_snapshot()

        assert after.state == "READY", after.last_error
        row = after.rows.get(kind=Kind.UNKNOWN_ON_CHAIN, reference=told)
        assert (row.is_break, row.chain) == (True, shares_of(units))
        assert (after.breaks, bool(after.tree_root)) == (before.breaks + 1, True)
        assert AuditRow.objects.filter(
            object_id=str(after.pk), action="reserve.difference"
        ).exists()
        assert Notice.objects.filter(user=signer, kind="reserve.difference").count() == day
        assert verify(snapshot=after).faults == []


def test_more_tokens_than_the_tree_can_sum_are_a_difference_and_there_is_no_tree(
    before: ReserveSnapshot, rogue_mint: Mint
) -> None:
    all_there_may_be = 2**256 - 2**200
    rogue_mint(b"rogue", all_there_may_be)

    for _day in (1, 2):
        after = a_snapshot()

        assert after.state == "READY", after.last_error
        assert after.rows.get(reference="rogue").chain == shares_of(all_there_may_be)
        assert after.rows.get(kind=Kind.TOO_MANY_TOKENS).is_break
        assert (after.breaks, after.tree_root) == (before.breaks + 2, "")
        assert ChainCheckpoint.objects.exists()  # events are right, so none is forgotten
        assert verify(snapshot=after).faults == []


def test_what_a_rogue_mint_left_is_shown_signed_and_written_to_every_file(
    before: ReserveSnapshot, rogue_mint: Mint, client: Client
) -> None:
    rogue_mint(b"=1+1\x01\n\x1b[2J\xff\xe2\x80\xae", 2**255 + 1)
    after = a_snapshot()

    assert f"{plain(after.difference or Decimal(0))}\n" in sign_off.statement_of(after)
    signed(after)
    supply = Decimal(after.figures["total_supply"])
    assert supply >= shares_of(2**255 + 1)
    assert quantity(supply) in client.get("/reserves/").text
    for form in exports.FORMS:
        file = exports.export(
            snapshot_id=after.pk, form=form, actor="user:officer", now=timezone.now()
        )
        with file.content as content:
            assert content.read()
