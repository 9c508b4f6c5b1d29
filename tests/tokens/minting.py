"""What tests of the mint do to the chain beside Agora: pausing, minting, filling nonces."""

from typing import Any

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes
from web3 import Web3

from tests.conftest import Chain
from tokens import chain as evm
from tokens.models import MintAttempt


def _accounts(chain: Chain) -> list[str]:
    found: Any = chain.rpc("eth_accounts")
    return [Web3.to_checksum_address(account) for account in found]


def _transact(chain: Chain, call: Any, *, sender: str) -> None:
    """Send a call to the contract from an account whose key the node has, and have it mined."""
    tx_hash = call.transact({"from": sender})
    receipt = evm._web3().eth.wait_for_transaction_receipt(tx_hash, timeout=10, poll_latency=0.05)
    assert receipt["status"] == 1


def pause(chain: Chain) -> None:
    """Stop minting, as the pauser's role allows."""
    _transact(chain, evm._contract().functions.pause(), sender=_accounts(chain)[1])


def unpause(chain: Chain) -> None:
    _transact(chain, evm._contract().functions.unpause(), sender=_accounts(chain)[0])


def is_paused() -> bool:
    return bool(evm._contract().functions.paused().call())


def grant_minter(chain: Chain) -> str:
    """Let another account mint, too; its address."""
    admin, *_, other = _accounts(chain)
    functions = evm._contract().functions
    _transact(chain, functions.grantRole(functions.MINTER_ROLE().call(), other), sender=admin)
    return other


def mint_beside(chain: Chain, *, to: str, units: int, trade_id: str) -> None:
    """Mint as a second minter, whom Agora knows nothing of."""
    mint = evm._contract().functions.mint(Web3.to_checksum_address(to), units, trade_id)
    _transact(chain, mint, sender=grant_minter(chain))


def use_nonce(chain: Chain, *, sender: str, nonce: int) -> None:
    """Spend a nonce of the minter on a transfer of nothing to itself."""
    chain.rpc("anvil_impersonateAccount", sender)
    chain.rpc(
        "eth_sendTransaction",
        {"from": sender, "to": sender, "value": "0x0", "nonce": hex(nonce), "gas": hex(21_000)},
    )
    chain.rpc("anvil_stopImpersonatingAccount", sender)


def minted_events(trade_id: str) -> list[Any]:
    """Every Minted event of a broker trade on the canonical chain."""
    topic = {"idHash": evm.id_hash(trade_id)}
    logs = evm._contract().events.Minted().get_logs(argument_filters=topic, from_block=0)
    return list(logs)


def signed_fields(attempt: MintAttempt) -> dict[str, Any]:
    """What was really signed: nonce and fees out of the raw bytes."""
    return TypedTransaction.from_bytes(HexBytes(attempt.raw_transaction)).as_dict()
