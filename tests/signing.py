"""Wallets of tests: keys that sign texts as a browser wallet does (EIP-191)."""

from dataclasses import dataclass, field

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass(frozen=True)
class Signer:
    """A key and its address."""

    account: LocalAccount = field(default_factory=Account.create)

    @property
    def address(self) -> str:
        return str(self.account.address)

    def sign(self, text: str) -> str:
        """The signature as wallets give it: 0x and 130 digits."""
        signed = Account.sign_message(encode_defunct(text=text), self.account.key)
        return "0x" + bytes(signed.signature).hex()


def other_form(signature: str) -> str:
    """The second valid signature that anybody can make of one (EIP-2 forbids it)."""
    raw = bytes.fromhex(signature[2:])
    s = CURVE_ORDER - int.from_bytes(raw[32:64])
    return "0x" + (raw[:32] + s.to_bytes(32) + bytes([55 - raw[64]])).hex()


def no_contract(*, address: str, digest: bytes, signature: bytes) -> bool:
    """The answer of a chain on which no wallet is a contract (EIP-1271)."""
    return False
