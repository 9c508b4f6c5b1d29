"""Deploys the token contract on a local chain; elsewhere once its audit is recorded (RAT-009, RAT-010).

Self-contained: no Django, no model. What stands on the chain is recognised by its code and its
minter, so a repeated deployment finds the earlier one instead of making a second token.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from eth_account import Account
from eth_typing import ChecksumAddress
from eth_utils.exceptions import ValidationError
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3Exception
from web3.middleware import SignAndSendRawMiddlewareBuilder

# anvil and hardhat, geth --dev. Whoever adds an id here opens a chain for unaudited code.
LOCAL_CHAIN_IDS = frozenset({31337, 1337})
# Seconds between the two steps of handing over the admin role; the contract's floor is a day.
ADMIN_DELAY = 3 * 24 * 60 * 60
_RECEIPT_SECONDS = 60
_ADMIN_ROLE = bytes(32)
_MINTER_ROLE = Web3.keccak(text="MINTER_ROLE")
_PAUSER_ROLE = Web3.keccak(text="PAUSER_ROLE")
_ROLE_GRANTED = Web3.keccak(text="RoleGranted(bytes32,address,address)")


class DeployFailed(Exception):
    """The deployment or check did not succeed; the text names no secret and no RPC address."""


class DeployRefused(Exception):
    """This contract may not be deployed on this chain; nothing was sent."""


@dataclass(frozen=True)
class Artifact:
    """The committed build: `deployed_sha256` is of the code as it stands on a chain."""

    abi: list[dict[str, Any]]
    bytecode: str
    bytecode_sha256: str
    deployed_sha256: str


@dataclass(frozen=True)
class Deployment:
    """A contract of ours on a chain, as read from that chain; None: the chain was not asked."""

    address: ChecksumAddress
    tx_hash: str | None
    block: int | None
    admin: ChecksumAddress


@dataclass(frozen=True)
class Roles:
    """The three accounts of the constructor; it refuses two equal ones."""

    admin: ChecksumAddress
    minter: ChecksumAddress
    pauser: ChecksumAddress


def load_artifact(path: Path) -> Artifact:
    """Read contracts/artifacts/RATMintingContract.json; raises DeployFailed if it is damaged."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = hashlib.sha256(HexBytes(data["bytecode"])).hexdigest()
        artifact = Artifact(
            abi=data["abi"],
            bytecode=data["bytecode"],
            bytecode_sha256=data["bytecodeSha256"],
            deployed_sha256=data["deployedBytecodeSha256"],
        )
    except (OSError, ValueError, KeyError) as error:
        raise DeployFailed(f"The artifact {path.name} cannot be read: {error!r}") from error
    if found != artifact.bytecode_sha256:
        raise DeployFailed(f"The bytecode in {path.name} has not the sha256 that stands beside it.")
    return artifact


def address_of(text: str) -> ChecksumAddress:
    """The address in EIP-55 form; raises DeployFailed for anything else, a wrong checksum too."""
    # is_address of web3 8 takes mixed case with any checksum; a mistyped role would be for ever.
    if Web3.is_address(text):
        address = Web3.to_checksum_address(text)
        if text == address or text[2:].islower() or text[2:].isupper():
            return address
    raise DeployFailed(f"{text!r} is no address.")


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn a failed call into DeployFailed, without the RPC address, which may hold a key."""
    try:
        yield
    except requests.RequestException as error:
        raise DeployFailed(f"{what}: {type(error).__name__}") from error
    except (Web3Exception, ValueError) as error:
        text = " ".join(str(error).split())[:200]
        raise DeployFailed(f"{what}: {type(error).__name__}: {text}") from error


class Chain:
    """One node, its deployer and the artifact. Every call has a timeout, none is retried."""

    def __init__(
        self, *, rpc_url: str, timeout: tuple[float, float], artifact: Artifact, key: str = ""
    ) -> None:
        """`timeout`: seconds to connect and to read. Without a key the node signs (anvil does)."""
        self.artifact = artifact
        provider = HTTPProvider(
            rpc_url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None
        )
        self._web3 = Web3(provider)
        self._signer: ChecksumAddress | None = None
        if key:
            try:
                account = Account.from_key(key)
            except (ValueError, ValidationError):
                # The library's message quotes what it was given.
                raise DeployFailed("CHAIN_DEPLOYER_KEY is no private key.") from None
            self._web3.middleware_onion.inject(
                SignAndSendRawMiddlewareBuilder.build(account), layer=0
            )
            self._signer = account.address

    def chain_id(self) -> int:
        """The id that the node itself tells."""
        with _told("The chain id cannot be read"):
            return int(self._web3.eth.chain_id)

    def is_local(self) -> bool:
        return self.chain_id() in LOCAL_CHAIN_IDS

    def require_permission(
        self, *, expected_id: int, is_attested: Callable[[str], bool] | None = None
    ) -> None:
        """Raise DeployRefused unless the chain is local, or this bytecode's audit is recorded.

        Either way the node must be the chain that is configured. `is_attested` is asked for the
        bytecode's sha256, off local chains only.
        """
        actual = self.chain_id()
        code = self.artifact.bytecode_sha256
        if actual not in LOCAL_CHAIN_IDS and not (is_attested and is_attested(code)):
            raise DeployRefused(
                f"Refused: chain {actual} is not a local one, and no approved audit attestation "
                f"is recorded for this bytecode (sha256 {code}). See docs/contract.md."
            )
        if actual != expected_id:
            raise DeployRefused(f"Refused: the node is chain {actual}, CHAIN_ID is {expected_id}.")

    def roles(self, *, minter: str, admin: str = "", pauser: str = "") -> Roles:
        """Fill in what was not said: the deployer is admin, another account of the node pauses.

        Off local chains nothing is filled in: raises DeployFailed.
        """
        minting = address_of(minter)
        if not (admin and pauser) and not self.is_local():
            raise DeployFailed("On this chain name the admin and the pauser: --admin, --pauser.")
        ruling = address_of(admin) if admin else self._deployer()
        if pauser:
            return Roles(admin=ruling, minter=minting, pauser=address_of(pauser))
        for account in self._accounts():
            if account not in (minting, ruling, self._signer):
                return Roles(admin=ruling, minter=minting, pauser=account)
        raise DeployFailed("The node offers no account for the pauser: name one with --pauser.")

    def is_ours(self, address: str) -> bool:
        """Whether exactly our code stands at the address."""
        with _told("The code cannot be read"):
            code = bytes(self._web3.eth.get_code(address_of(address)))
        return hashlib.sha256(code).hexdigest() == self.artifact.deployed_sha256

    def has_minter(self, *, address: str, minter: str) -> bool:
        """Whether `minter` holds MINTER_ROLE of the contract at `address`."""
        contract = self._contract(address)
        with _told("The role cannot be read"):
            return bool(contract.functions.hasRole(_MINTER_ROLE, address_of(minter)).call())

    def find(self, *, minter: str) -> ChecksumAddress | None:
        """The newest contract of ours that lets this minter mint; None if there is none."""
        account = HexBytes(bytes(12) + HexBytes(address_of(minter)))
        topics = [HexBytes(_ROLE_GRANTED), HexBytes(_MINTER_ROLE), account]
        with _told("The chain's events cannot be read"):
            logs = self._web3.eth.get_logs({"fromBlock": 0, "toBlock": "latest", "topics": topics})
        for address in dict.fromkeys(log["address"] for log in reversed(logs)):
            if self.is_ours(address) and self.has_minter(address=address, minter=minter):
                return address
        return None

    def describe(self, address: str) -> Deployment:
        """Who rules the contract now, and on a local chain by which transaction it came."""
        contract = self._contract(address)
        with _told("The deployment cannot be read"):
            admin = contract.functions.defaultAdmin().call()
        birth = self._birth(contract.address) if self.is_local() else None
        return Deployment(
            address=contract.address,
            tx_hash=HexBytes(birth["transactionHash"]).to_0x_hex() if birth else None,
            block=int(birth["blockNumber"]) if birth else None,
            admin=admin,
        )

    def _birth(self, address: ChecksumAddress) -> Any:
        """The first event: the constructor grants the admin role. Public nodes limit such reads."""
        topics = [HexBytes(_ROLE_GRANTED), HexBytes(_ADMIN_ROLE)]
        with _told("The chain's events cannot be read"):
            logs = self._web3.eth.get_logs(
                {"address": address, "fromBlock": 0, "toBlock": "latest", "topics": topics}
            )
        return logs[0] if logs else None

    def deploy(
        self, *, roles: Roles, expected_id: int, is_attested: Callable[[str], bool] | None = None
    ) -> ChecksumAddress:
        """Deploy and look at what came of it; raises DeployRefused as `require_permission` does."""
        self.require_permission(expected_id=expected_id, is_attested=is_attested)
        factory = self._web3.eth.contract(abi=self.artifact.abi, bytecode=self.artifact.bytecode)
        arguments = (ADMIN_DELAY, roles.admin, roles.minter, roles.pauser)
        with _told("The deployment failed"):
            tx_hash = factory.constructor(*arguments).transact({"from": self._deployer()})
            receipt = self._receipt(tx_hash)
        address = receipt["contractAddress"]
        if receipt["status"] != 1 or address is None:
            raise DeployFailed(f"The deployment reverted ({HexBytes(tx_hash).to_0x_hex()}).")
        contract = self._contract(address)
        with _told("The new contract cannot be read"):
            pauser = contract.functions.hasRole(_PAUSER_ROLE, roles.pauser).call()
        if not (pauser and self.is_ours(address)):
            raise DeployFailed(f"What stands at {address} is not what was sent.")
        return Web3.to_checksum_address(address)

    def fund(self, *, address: str, up_to: int, expected_id: int) -> int:
        """Bring the balance up to so many wei, from the deployer; wei sent. Local chains only."""
        self.require_permission(expected_id=expected_id)
        receiver = address_of(address)
        with _told("The funding failed"):
            missing = up_to - int(self._web3.eth.get_balance(receiver))
            if missing <= 0:
                return 0
            self._receipt(
                self._web3.eth.send_transaction(
                    {"from": self._deployer(), "to": receiver, "value": Web3.to_wei(missing, "wei")}
                )
            )
        return missing

    def _receipt(self, tx_hash: HexBytes) -> Any:
        return self._web3.eth.wait_for_transaction_receipt(
            tx_hash, timeout=_RECEIPT_SECONDS, poll_latency=0.05
        )

    def _contract(self, address: str) -> Any:
        return self._web3.eth.contract(address=address_of(address), abi=self.artifact.abi)

    def _accounts(self) -> tuple[ChecksumAddress, ...]:
        with _told("The node's accounts cannot be read"):
            return tuple(self._web3.eth.accounts)

    def _deployer(self) -> ChecksumAddress:
        accounts = (self._signer,) if self._signer else self._accounts()
        if not accounts:
            raise DeployFailed("The node signs for nobody: set CHAIN_DEPLOYER_KEY.")
        return accounts[0]
