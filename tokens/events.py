"""What the chain tells for a proof of reserve: a final block, and the token's events up to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, cast

from django.conf import settings
from eth_abi.abi import decode
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.exceptions import BlockNotFound, Web3RPCError
from web3.types import BlockIdentifier, FilterParams, RPCEndpoint

from agora.lib.outcome import Temporary
from tokens import chain
from tokens.chain import _contract, _read, _web3

# To the tag `finalized`: the parameter is not understood (JSON-RPC), unknown block (Besu, Erigon);
# geth has no code for it. Nethermind and reth answer with no block at all.
_NO_SUCH_BLOCK = (-32602, -39001)
_NONE_FINAL = ("tag not supported", "finalized block not found")
_BALANCE_OF = "0x70a08231"  # balanceOf(address) of ERC-20
_BATCH = 100  # calls sent together; nodes take some hundred
_HEADER = ("number", "hash", "parentHash", "stateRoot", "receiptsRoot", "timestamp")


@dataclass(frozen=True)
class Block:
    """A canonical block. `evidence` is its header as the node told it; `time` is aware."""

    number: int
    hash: str
    time: datetime
    evidence: dict[str, Any] = field(compare=False)


@dataclass(frozen=True)
class Transfer:
    """Tokens that moved, in base units; from address zero they were minted."""

    block_number: int
    log_index: int
    tx_hash: str
    from_address: str
    to_address: str
    units: int


@dataclass(frozen=True)
class MintEvent:
    """Tokens that were minted for one broker trade; what is no text in its id stands as U+FFFD."""

    block_number: int
    log_index: int
    tx_hash: str
    to_address: str
    units: int
    broker_trade_id: str


@dataclass(frozen=True)
class Events:
    transfers: Sequence[Transfer]
    mints: Sequence[MintEvent]


def final_block(*, told_before: bool) -> tuple[Block, Literal["finalized", "depth"]]:
    """The newest block that will not be reorganised, and why it is taken for that.

    `finalized`: the chain says so (Ethereum JSON-RPC block tag). `depth`: a chain that knows no final
    block gives its newest one less MINT_CONFIRMATIONS; never one that has `told_before`, whose node
    is only starting. Raises Temporary.
    """
    try:
        return block_at("finalized"), "finalized"
    except Temporary as error:
        if told_before or not _knows_none(error.__cause__):
            raise
    return block_at(max(0, chain.block_number() - settings.MINT_CONFIRMATIONS)), "depth"


def _knows_none(error: BaseException | None) -> bool:
    """Whether a node says that there is no final block; one that is busy or away says other things."""
    if not isinstance(error, Web3RPCError):
        return False
    told = dict(error.rpc_response or {}).get("error")
    code = told.get("code") if isinstance(told, dict) else None
    text = str(error.message).lower()
    is_empty = isinstance(error, BlockNotFound)
    return is_empty or code in _NO_SUCH_BLOCK or any(words in text for words in _NONE_FINAL)


def block_at(which: BlockIdentifier) -> Block:
    """A block by number or tag; raises Temporary, also while there is none."""
    found = _read(lambda: _web3().eth.get_block(which))
    evidence = {name: _plain(found.get(name)) for name in _HEADER}
    return Block(
        number=int(found["number"]),
        hash=str(evidence["hash"]),
        time=datetime.fromtimestamp(int(found["timestamp"]), tz=UTC),
        evidence=evidence,
    )


def has_code(*, block: int) -> bool:
    """Whether the contract stands at the settings' address at that block; raises Temporary."""
    address = chain.contract_address()
    return len(_read(lambda: _web3().eth.get_code(address, block_identifier=block))) > 0


def supply(*, block: int) -> int:
    """All AAPL-RAT in base units at a block; 0 before the contract was deployed."""
    return chain.total_supply(block=block) if has_code(block=block) else 0


def balances(addresses: Sequence[str], *, block: int) -> list[int]:
    """Base units that each of these holds at a block, as the contract tells; raises Temporary.

    A node that does not answer all of a batch gets smaller ones, in the end a call at a time.
    """
    found: list[int] = []
    size = _BATCH
    while some := addresses[len(found) : len(found) + size]:
        if size == 1:
            found.append(chain.token_balance(some[0], block=block))
            continue
        calls = [_balance_call(each, block) for each in some]
        try:
            found += _read(partial(_asked_at_once, calls))
        except Temporary as error:
            if not isinstance(error.__cause__, _NotAllAnswered):
                raise
            size = max(1, len(some) // 2)
    return found


class _NotAllAnswered(ValueError):
    """A node took a batch and did not give every result in it."""


def _balance_call(address: str, block: int) -> tuple[RPCEndpoint, Any]:
    data = _BALANCE_OF + address[2:].lower().zfill(64)
    return RPCEndpoint("eth_call"), [{"to": chain.contract_address(), "data": data}, hex(block)]


def _asked_at_once(calls: list[tuple[RPCEndpoint, Any]]) -> list[int]:
    """The numbers that calls sent together result in (JSON-RPC 2.0, "Batch"), in their order.

    Raises _NotAllAnswered when one is missing.
    """
    provider = cast(HTTPProvider, _web3().provider)
    answers = provider.make_batch_request(calls)
    results = [str(each.get("result", "")) for each in answers] if isinstance(answers, list) else []
    if len(results) != len(calls) or not all(len(result) == 66 for result in results):
        raise _NotAllAnswered("The node did not answer every call.")
    return [int(result, 16) for result in results]


def events(*, first: int, last: int) -> Events:
    """Transfer and Minted events of these blocks, both ends included; raises Temporary.

    A range that the node finds too long is halved until it answers.
    """
    try:
        return _events(first, last)
    except Temporary as error:
        if first == last or not isinstance(error.__cause__, Web3RPCError):
            raise
    middle = (first + last) // 2
    early, late = events(first=first, last=middle), events(first=middle + 1, last=last)
    return Events([*early.transfers, *late.transfers], [*early.mints, *late.mints])


def _events(first: int, last: int) -> Events:
    contract = _contract()
    moved, minted = contract.events.Transfer(), contract.events.Minted()
    asked: FilterParams = {
        "address": chain.contract_address(),
        "fromBlock": first,
        "toBlock": last,
        "topics": [[HexBytes(moved.topic).to_0x_hex(), HexBytes(minted.topic).to_0x_hex()]],
    }
    transfers: list[Transfer] = []
    mints: list[MintEvent] = []
    for log in _read(lambda: _web3().eth.get_logs(asked)):
        place = (int(log["blockNumber"]), int(log["logIndex"]), _plain(log["transactionHash"]))
        if log["topics"][0] == HexBytes(moved.topic):
            told = moved.process_log(log)["args"]
            transfers.append(Transfer(*place, told["from"], told["to"], int(told["value"])))
        else:
            # As bytes, which are encoded alike: web3 fails at text that is no UTF-8.
            units, trade_id = decode(["uint256", "bytes"], log["data"])
            to_address = Web3.to_checksum_address(log["topics"][1][-20:])
            mints.append(MintEvent(*place, to_address, units, _text(trade_id)))
    return Events(transfers, mints)


def _text(trade_id: bytes) -> str:
    """The id of a mint as PostgreSQL takes it. Whoever has the minter's key may choose any bytes."""
    return trade_id.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _plain(value: Any) -> Any:
    return HexBytes(value).to_0x_hex() if isinstance(value, bytes) else value
