"""Keys of the sandbox's vault: one secp256k1 key per vault account, from one secret on disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from eth_keys.datatypes import PrivateKey

from agora.sandbox.wire import Json

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ALGORITHM = "MPC_ECDSA_SECP256K1"
# BIP-44 coin type of every test network.
TESTNET = 1


class Signer:
    """Signs message hashes as the vendor answers them. The secret never leaves this class."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._keys: dict[str, PrivateKey] = {}

    @classmethod
    def from_file(cls, path: Path) -> Signer:
        """The secret in `path` (hex), made at first use."""
        if not path.exists():
            _write_private(path=path, text=os.urandom(32).hex())
        return cls(bytes.fromhex(path.read_text().strip()))

    def address(self, vault_id: str) -> str:
        """The EIP-55 address of a vault account, the same on every EVM network."""
        return str(self._key(vault_id).public_key.to_checksum_address())

    def sign(self, *, vault_id: str, content: str) -> Json:
        """One entry of signedMessages for a 32-byte hash in hex. v is 0 or 1, s is the low one."""
        key = self._key(vault_id)
        signature = key.sign_msg_hash(bytes.fromhex(content.removeprefix("0x")))
        r, s = f"{signature.r:064x}", f"{signature.s:064x}"
        return {
            "content": content,
            "algorithm": ALGORITHM,
            "derivationPath": [44, TESTNET, int(vault_id), 0, 0],
            "publicKey": key.public_key.to_compressed_bytes().hex(),
            "signature": {"fullSig": r + s, "r": r, "s": s, "v": signature.v},
        }

    def _key(self, vault_id: str) -> PrivateKey:
        if vault_id not in self._keys:
            digest = hashlib.sha256(self._secret + vault_id.encode()).digest()
            number = int.from_bytes(digest, "big") % (ORDER - 1) + 1
            self._keys[vault_id] = PrivateKey(number.to_bytes(32, "big"))
        return self._keys[vault_id]


def client_public_key(*, data: Path, pem: str | None) -> rsa.RSAPublicKey:
    """The RSA key that requests are verified with: `pem`, else that of a key pair made in `data`.

    Raises ValueError when a key is not RSA in PEM.
    """
    if pem is not None:
        return _rsa_public(serialization.load_pem_public_key(pem.encode()))
    path = data / "fireblocks_client.pem"
    if not path.exists():
        made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        text = made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        _write_private(path=path, text=text.decode())
    private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    return _rsa_public(private.public_key())


def _rsa_public(key: object) -> rsa.RSAPublicKey:
    if isinstance(key, rsa.RSAPublicKey):
        return key
    raise ValueError("the Fireblocks client key must be an RSA key")


def _write_private(*, path: Path, text: str) -> None:
    # Written aside and moved, so that a kill never leaves half a key.
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    draft.replace(path)
