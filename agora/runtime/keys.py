"""Secrets of a local installation, made at its first start."""

import base64
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from agora.runtime.folder import Folder


def _new_rsa_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


# Setting → maker. Each is handed over as SETTING_FILE, so no value appears in a process list.
MAKERS = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(50),
    "FIELD_KEYS": lambda: "local1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
    "BLIND_INDEX_KEY": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "TOKEN_PEPPER": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "FIREBLOCKS_PRIVATE_KEY": _new_rsa_key,
}


def public_key_file(folder: Folder, private: Path) -> Path:
    """The public half of a PEM key, for the sandbox to verify our requests with."""
    return folder.secret("fireblocks.public.pem", lambda: _public_half(private.read_bytes()))


def _public_half(private: bytes) -> str:
    key = serialization.load_pem_private_key(private, password=None)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
