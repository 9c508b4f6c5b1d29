"""Encryption of single fields and blind indexes (ARCHITECTURE 3).

AES-256-GCM with a random 96-bit nonce. The header carries the key id, so keys can be rotated; table,
column and row are bound as associated data, so a ciphertext moved elsewhere does not decrypt.
"""

import base64
import hashlib
import hmac
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

_NONCE_BYTES = 12


class Undecryptable(Exception):
    """Wrong key, changed bytes, or a ciphertext that belongs to another row."""


@lru_cache(maxsize=4)
def _ring(spec: str) -> dict[str, AESGCM]:
    """Keys by id in the order given; the first one encrypts."""
    ring: dict[str, AESGCM] = {}
    for part in spec.split(","):
        key_id, _, encoded = part.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise ImproperlyConfigured("FIELD_KEYS must be id:base64,id:base64 …") from error
        if not key_id or len(key) != 32:
            raise ImproperlyConfigured("Each of FIELD_KEYS needs an id and 32 bytes in base64.")
        ring[key_id] = AESGCM(key)
    return ring


def _associated(*, table: str, column: str, row: object) -> bytes:
    return f"{table}/{column}/{row}".encode()


def encrypt(text: str, *, table: str, column: str, row: object) -> bytes:
    """Ciphertext of a text, bound to its place: key id, NUL, nonce, sealed bytes."""
    key_id, key = next(iter(_ring(settings.FIELD_KEYS).items()))
    nonce = os.urandom(_NONCE_BYTES)
    bound = _associated(table=table, column=column, row=row)
    return key_id.encode() + b"\0" + nonce + key.encrypt(nonce, text.encode(), bound)


def decrypt(sealed: bytes, *, table: str, column: str, row: object) -> str:
    """Text of a ciphertext; raises Undecryptable unless key and place are right."""
    key_id, _, rest = bytes(sealed).partition(b"\0")
    key = _ring(settings.FIELD_KEYS).get(key_id.decode(errors="replace"))
    if key is None:
        raise Undecryptable(f"No key with the id {key_id!r}.")
    bound = _associated(table=table, column=column, row=row)
    try:
        return key.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], bound).decode()
    except (InvalidTag, ValueError) as error:  # ValueError: cut off within the nonce
        raise Undecryptable(f"{table}.{column} of {row} does not decrypt.") from error


def blind_index(text: str, *, purpose: str) -> bytes:
    """Keyed digest by which an encrypted value can be found and kept unique."""
    key = settings.BLIND_INDEX_KEY.encode()
    return hmac.new(key, f"{purpose}\0{text}".encode(), hashlib.sha256).digest()
