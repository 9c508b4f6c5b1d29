"""What the chain tells for a proof of reserve: a final block, and the token's events up to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from django.conf import settings
from hexbytes import HexBytes
from web3.exceptions import Web3RPCError
from web3.types import BlockIdentifier, FilterParams

from agora.lib.outcome import Temporary
from tokens import chain
from tokens.chain import _contract, _read, _web3

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
    """Tokens that were minted for one broker trade."""

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


def final_block() -> tuple[Block, Literal["finalized", "depth"]]:
    """The newest block that will not be reorganised, and why it is taken for that.

    `finalized`: the chain says so (Ethereum JSON-RPC block tag). `depth`: a chain without that tag
    gives its newest block less MINT_CONFIRMATIONS. Raises Temporary.
    """
    try:
        return block_at("finalized"), "finalized"
    except Temporary as error:
        # A node that does not know the tag refuses it; one that is away fails here again.
        if not isinstance(error.__cause__, Web3RPCError | ValueError):
            raise
    return block_at(max(0, chain.block_number() - settings.MINT_CONFIRMATIONS)), "depth"


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
            told = minted.process_log(log)["args"]
            mints.append(MintEvent(*place, told["to"], int(told["amount"]), told["brokerTradeId"]))
    return Events(transfers, mints)


def _plain(value: Any) -> Any:
    return HexBytes(value).to_0x_hex() if isinstance(value, bytes) else value
