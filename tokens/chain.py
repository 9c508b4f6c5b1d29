"""The EVM chain through web3.py (RAT-008): reading, building, broadcasting. Every call has a timeout."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import requests
from django.conf import settings
from eth_abi.abi import encode
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_typing import ChecksumAddress, HexStr
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.exceptions import (
    BadResponseFormat,
    BlockNotFound,
    ContractLogicError,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)
from web3.logs import DISCARD

from agora.lib.outcome import Rejected, Temporary, Unknown

T = TypeVar("T")
_ARTIFACT = settings.BASE_DIR / "contracts" / "artifacts" / "RATMintingContract.json"
# A first mint costs about 100,000 gas; the estimate gets this margin.
_GAS_MARGIN = 1.25
FEE = "fee"
# JSON-RPC has no codes for these; the words of geth, erigon, nethermind and anvil.
_IN_ALREADY = ("already known", "already imported", "alreadyknown", "nonce too low")
_NEVER = (
    "invalid sender",
    "invalid signature",
    "chain id",
    "intrinsic gas",
    "block gas limit",
    "rlp",
)
# Checked before a transaction gets into the pool: so it is not in.
_NOT_NOW = ("insufficient funds", "insufficientfunds", "txpool is full")
_FEE_TOO_LOW = ("underpriced", "fee too low", "feetoolow", "less than block base fee")
# isValidSignature(bytes32,bytes) of EIP-1271; the answer that means yes begins with the same bytes.
_ERC1271 = bytes.fromhex("1626ba7e")
_ERC1271_GAS = 2_000_000  # a passkey checked in Solidity costs about 400,000
# EVM code: puts the call that follows it into memory, makes it by STATICCALL with bounded gas, and
# answers 1 when the call succeeded with at least one word, which is the magic value and no more.
_ASK_CONTRACT = (
    "61{length} 6045 6000 39 "  # codecopy(0, 0x45, length)
    "6020 6000 61{length} 6000 73{address} 62{gas} fa "  # staticcall; one word of answer to 0
    "601f 3d 11 16 "  # and returndatasize > 31
    "6000 51 63{magic} 60e0 1b 14 16 "  # and mload(0) == magic << 224
    "6000 52 6020 6000 f3"  # return that as a word
)
_local = threading.local()


@dataclass(frozen=True)
class Minted:
    """A mint found on the chain: the event with our id, and where it stands."""

    tx_hash: str
    block_number: int
    block_hash: str
    to_address: str
    units: int


@dataclass(frozen=True)
class Receipt:
    """A mined transaction; `succeeded` False: it reverted."""

    tx_hash: str
    block_number: int
    block_hash: str
    succeeded: bool


@dataclass(frozen=True)
class Signed:
    """A signed transaction, ready to be stored and then broadcast."""

    raw: str
    tx_hash: str
    sender: str


@lru_cache(maxsize=1)
def _abi(path: Path = _ARTIFACT) -> Any:
    return json.loads(path.read_text())["abi"]


def _web3() -> Web3:
    """One connection a thread, with the settings' timeouts and without hidden retries."""
    if not hasattr(_local, "web3"):
        timeout = (settings.VENDOR_CONNECT_TIMEOUT, settings.VENDOR_READ_TIMEOUT)
        _local.web3 = Web3(
            HTTPProvider(
                settings.CHAIN_RPC_URL,
                request_kwargs={"timeout": timeout},
                exception_retry_configuration=None,
            )
        )
    web3: Web3 = _local.web3
    return web3


def contract_address() -> ChecksumAddress:
    """The token's address of the settings; raises Rejected while none is set."""
    if not settings.CONTRACT_ADDRESS:
        raise Rejected("CONTRACT_ADDRESS is not set: deploy the contract first.", code="setting")
    return Web3.to_checksum_address(settings.CONTRACT_ADDRESS)


def _contract() -> Any:
    return _web3().eth.contract(address=contract_address(), abi=_abi())


def _read(call: Callable[[], T]) -> T:
    """Run a read; any failure to answer is Temporary."""
    try:
        return call()
    except (requests.RequestException, Web3RPCError, BadResponseFormat, ValueError) as error:
        raise Temporary(f"The chain did not answer: {type(error).__name__}") from error
    except Web3Exception as error:
        raise Temporary(f"The chain answered oddly: {type(error).__name__}") from error


def id_hash(broker_trade_id: str) -> bytes:
    """keccak256 of a broker trade id, as the contract stores it."""
    return bytes(Web3.keccak(text=broker_trade_id))


def chain_id() -> int:
    return _read(lambda: _web3().eth.chain_id)


def block_number() -> int:
    return _read(lambda: _web3().eth.block_number)


def block_hash(number: int) -> str:
    """Hash of the canonical block of this height now; "" when there is none."""
    try:
        return _read(lambda: HexBytes(_web3().eth.get_block(number)["hash"]).to_0x_hex())
    except Temporary as error:
        if isinstance(error.__cause__, BlockNotFound):
            return ""
        raise


def mined_nonce(sender: str) -> int:
    """How many transactions of the sender are mined: the lowest nonce that is still free."""
    return _read(lambda: _web3().eth.get_transaction_count(_address(sender), "latest"))


def balance_wei(address: str) -> int:
    return _read(lambda: _web3().eth.get_balance(_address(address)))


def has_code() -> bool:
    """Whether a contract stands at the settings' address."""
    return len(_read(lambda: _web3().eth.get_code(contract_address()))) > 0


def is_minter(address: str) -> bool:
    """Whether the address has MINTER_ROLE."""
    contract = _contract()
    return bool(
        _read(
            lambda: contract.functions.hasRole(
                contract.functions.MINTER_ROLE().call(), _address(address)
            ).call()
        )
    )


def token_balance(address: str, *, block: int) -> int:
    """AAPL-RAT of an address in base units at a block."""
    return int(
        _read(
            lambda: _contract().functions.balanceOf(_address(address)).call(block_identifier=block)
        )
    )


def total_supply(*, block: int) -> int:
    """All AAPL-RAT in base units at a block."""
    return int(_read(lambda: _contract().functions.totalSupply().call(block_identifier=block)))


def minted_units(broker_trade_id: str, *, block: int | None = None) -> int:
    """Units that the contract has minted for a broker trade id, up to a block; 0: none yet."""
    call = _contract().functions.mintedFor(id_hash(broker_trade_id))
    return int(_read(lambda: call.call(block_identifier="latest" if block is None else block)))


def mint_in(tx_hash: str, *, broker_trade_id: str) -> Minted | None:
    """The Minted event of a broker trade id in one mined transaction; None when it has none."""

    def read() -> Any:
        receipt = _web3().eth.get_transaction_receipt(HexStr(tx_hash))
        return _contract().events.Minted().process_receipt(receipt, errors=DISCARD)

    for event in _read(read):
        if bytes(event["args"]["idHash"]) == id_hash(broker_trade_id):
            return _minted_of(event)
    return None


def _minted_of(event: Any) -> Minted:
    return Minted(
        tx_hash=HexBytes(event["transactionHash"]).to_0x_hex(),
        block_number=int(event["blockNumber"]),
        block_hash=HexBytes(event["blockHash"]).to_0x_hex(),
        to_address=str(event["args"]["to"]),
        units=int(event["args"]["amount"]),
    )


def build_mint(*, to_address: str, units: int, broker_trade_id: str, sender: str) -> dict[str, Any]:
    """An unsigned EIP-1559 mint transaction as a JSON-ready dictionary, without its nonce yet.

    Fees: twice the base fee plus the node's tip. Raises Rejected when the contract would revert (a
    used id included: look for the mint before giving up), Temporary when the node is away.
    """
    call = _contract().functions.mint(_address(to_address), units, broker_trade_id)

    def read() -> dict[str, Any]:
        web3 = _web3()
        base_fee = int(web3.eth.get_block("latest")["baseFeePerGas"])
        tip = int(web3.eth.max_priority_fee)
        gas = int(call.estimate_gas({"from": _address(sender)}) * _GAS_MARGIN)
        return {
            "type": 2,
            "chainId": settings.CHAIN_ID,
            "to": contract_address(),
            "value": 0,
            "data": call._encode_transaction_data(),
            "gas": gas,
            "maxPriorityFeePerGas": tip,
            "maxFeePerGas": 2 * base_fee + tip,
        }

    try:
        return _read_or_revert(read)
    except ContractLogicError as error:
        raise Rejected(f"The contract refuses the mint: {error}", code="revert") from error


def _read_or_revert(call: Callable[[], T]) -> T:
    try:
        return call()
    except ContractLogicError:
        raise
    except (requests.RequestException, Web3Exception, ValueError) as error:
        raise Temporary(f"The chain did not answer: {type(error).__name__}") from error


def bumped(unsigned: dict[str, Any]) -> dict[str, Any]:
    """The same transaction with both fees raised by an eighth or to today's, whichever is more.

    Nodes ask at least 10 % more on both fields before they replace a pooled transaction (geth).
    """

    def read() -> tuple[int, int]:
        base_fee = int(_web3().eth.get_block("latest")["baseFeePerGas"])
        return base_fee, int(_web3().eth.max_priority_fee)

    base_fee, tip = _read(read)
    new_tip = max(tip, -(-int(unsigned["maxPriorityFeePerGas"]) * 9 // 8))
    new_fee = max(2 * base_fee + new_tip, -(-int(unsigned["maxFeePerGas"]) * 9 // 8))
    return {**unsigned, "maxPriorityFeePerGas": new_tip, "maxFeePerGas": new_fee}


def signing_digest(unsigned: dict[str, Any]) -> bytes:
    """The hash that the minter's key has to sign (EIP-1559)."""
    return bytes(TypedTransaction.from_dict(unsigned).hash())


def with_signature(unsigned: dict[str, Any], *, r: int, s: int, v: int) -> Signed:
    """Join transaction and signature; `sender` is recovered from them, never assumed."""
    signed = TypedTransaction.from_dict({**unsigned, "r": r, "s": s, "v": v})
    raw = HexBytes(signed.encode())
    sender = Account.recover_transaction(raw)
    return Signed(raw=raw.to_0x_hex(), tx_hash=Web3.keccak(raw).to_0x_hex(), sender=sender)


def broadcast(raw_transaction: str) -> None:
    """Hand a signed transaction to the node. Doing so again is harmless: it has one nonce.

    Raises Rejected when no node will ever take it, Temporary when this one certainly has not (code
    FEE: with higher fees it would), Unknown for any other error and when the answer is lost: a node
    may pass it on and then say "request timed out". "Already known" and "nonce too low" are no
    refusal: the transaction, or one of its nonce, is in.
    """
    try:
        _web3().eth.send_raw_transaction(HexStr(raw_transaction))
    except Web3RPCError as error:
        text = str(error).lower()
        if any(words in text for words in _IN_ALREADY):
            return
        if any(words in text for words in _NEVER):
            raise Rejected(f"The node refuses it: {text[:200]}", code="rpc") from error
        told = f"The node does not take it now: {text[:200]}"
        if any(words in text for words in _FEE_TOO_LOW):
            raise Temporary(told, code=FEE) from error
        if any(words in text for words in _NOT_NOW):
            raise Temporary(told, code="rpc") from error
        raise Unknown(told, code="rpc") from error
    except (requests.RequestException, Web3Exception, ValueError) as error:
        raise Unknown(f"The node's answer was lost: {type(error).__name__}") from error


def receipt(tx_hash: str) -> Receipt | None:
    """The receipt of a mined transaction; None while it is not mined (or was reorganised away)."""
    try:
        found = _web3().eth.get_transaction_receipt(HexStr(tx_hash))
    except TransactionNotFound:
        return None
    except (requests.RequestException, Web3Exception, ValueError) as error:
        raise Temporary(f"The chain did not answer: {type(error).__name__}") from error
    return Receipt(
        tx_hash=HexBytes(found["transactionHash"]).to_0x_hex(),
        block_number=int(found["blockNumber"]),
        block_hash=HexBytes(found["blockHash"]).to_0x_hex(),
        succeeded=int(found["status"]) == 1,
    )


def accepts_signature(*, address: str, digest: bytes, signature: bytes) -> bool:
    """Whether the contract at an address calls the signature its own (EIP-1271); False without one.

    The call runs inside a creation that is never mined (`eth_call` without `to`), so that a revert,
    an endless loop and an answer of megabytes all end in the same one word from the node, whatever
    its make. Raises Temporary when the node does not answer.
    """
    call = _ERC1271 + encode(["bytes32", "bytes"], [digest, signature])
    length = len(call).to_bytes(2)
    code = _ASK_CONTRACT.format(
        length=length.hex(),
        address=address[2:],
        gas=_ERC1271_GAS.to_bytes(3).hex(),
        magic=_ERC1271.hex(),
    )
    data = HexBytes(bytes.fromhex(code) + call)
    answer = _read(lambda: _web3().eth.call({"data": data, "gas": 2 * _ERC1271_GAS + 500_000}))
    return int.from_bytes(answer) == 1 and len(answer) == 32


def checksummed(address: str) -> str:
    """The EIP-55 form, in which addresses are stored and compared."""
    return str(_address(address))


def _address(text: str) -> ChecksumAddress:
    return Web3.to_checksum_address(text)
