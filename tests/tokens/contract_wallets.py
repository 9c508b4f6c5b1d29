"""Contract wallets on the local chain, compiled from contracts/test/ContractWallets.sol."""

import json
import subprocess
from functools import cache

from django.conf import settings
from eth_abi.abi import encode
from hexbytes import HexBytes

from tokens import chain as evm

_CONTRACTS = settings.BASE_DIR / "contracts"
_FILE = "test/ContractWallets.sol"


@cache
def _compiled() -> dict[str, str]:
    """Name → creation code of every contract of the file, by the pinned compiler."""
    asked = {
        "language": "Solidity",
        "sources": {_FILE: {"content": (_CONTRACTS / _FILE).read_text()}},
        "settings": {
            "evmVersion": "cancun",
            "optimizer": {"enabled": True},
            "outputSelection": {"*": {"*": ["evm.bytecode.object"]}},
        },
    }
    answer = subprocess.run(
        ["node", str(_CONTRACTS / "tools" / "solc"), "--standard-json"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found = json.loads(answer.stdout)
    wrong = [e["formattedMessage"] for e in found.get("errors", ()) if e["severity"] == "error"]
    assert not wrong, wrong
    contracts = found["contracts"][_FILE]
    return {name: made["evm"]["bytecode"]["object"] for name, made in contracts.items()}


def deploy(name: str, *, owner: str | None = None) -> str:
    """The address of a new contract of that name; with `owner` as its constructor's argument."""
    web3 = evm._web3()
    argument = encode(["address"], [owner]).hex() if owner else ""
    sender = web3.eth.accounts[0]
    tx_hash = web3.eth.send_transaction(
        {"from": sender, "data": HexBytes(_compiled()[name] + argument)}
    )
    receipt = web3.eth.wait_for_transaction_receipt(tx_hash, timeout=10, poll_latency=0.05)
    return str(receipt["contractAddress"])
