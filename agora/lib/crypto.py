"""Encryption of single fields and files, data keys of people, and blind indexes (ARCHITECTURE 3).

AES-256-GCM with a random 96-bit nonce. The header names the key, so keys can be rotated; table,
column and row are bound as associated data, so a ciphertext moved elsewhere does not decrypt.

There are two kinds of keys. The master keys (FIELD_KEYS) stay outside the database. A data key
belongs to one person and stands in the database, sealed under a master key: what is personal is
sealed under it, so that all of it becomes unreadable for ever once the data key is destroyed, and so
that rotating the master keys means sealing the data keys anew, not the data.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypedDict, TypeVar
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")
U = TypeVar("U")

_NONCE_BYTES = 12
_KEY_BYTES = 32
# Header of what is sealed under a person's key; no master key may have this id.
PERSONAL = "person"


class Undecryptable(Exception):
    """Wrong key, changed bytes, or a ciphertext that belongs to another row."""


class Shredded(Undecryptable):
    """The person's data key was destroyed: what was sealed under it can never be read again."""


class Place(TypedDict):
    """Where a ciphertext stands; it opens nowhere else."""

    table: str
    column: str
    row: object


@dataclass(frozen=True)
class DataKey:
    """The key of one person's data. Its bytes are never shown, logged or stored unsealed."""

    person: UUID
    secret: bytes = field(repr=False)

    @classmethod
    def new(cls, *, person: UUID) -> "DataKey":
        """A random key of 256 bits."""
        return cls(person=person, secret=os.urandom(_KEY_BYTES))

    @classmethod
    def opened(cls, sealed: bytes, *, person: UUID) -> "DataKey":
        """The key in a sealed form made for this person; raises Undecryptable, for others' too."""
        return cls(person=person, secret=decrypt_bytes(sealed, **_place_of_key(person)))

    def sealed(self) -> bytes:
        """The form that is stored: under the first master key, bound to the person."""
        return encrypt_bytes(self.secret, **_place_of_key(self.person))


def _place_of_key(person: UUID) -> Place:
    return {"table": "accounts_personkey", "column": "sealed", "row": person}


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
        if not key_id or len(key) != _KEY_BYTES:
            raise ImproperlyConfigured("Each of FIELD_KEYS needs an id and 32 bytes in base64.")
        if key_id == PERSONAL or key_id in ring:
            raise ImproperlyConfigured(f"FIELD_KEYS: the id {key_id!r} is reserved or given twice.")
        ring[key_id] = AESGCM(key)
    return ring


def _associated(*, table: str, column: str, row: object) -> bytes:
    return f"{table}/{column}/{row}".encode()


def _sealing_key(key: DataKey | None) -> tuple[str, AESGCM]:
    if key is not None:
        return PERSONAL, AESGCM(key.secret)
    return next(iter(_ring(settings.FIELD_KEYS).items()))


def _opening_key(key_id: str, key: DataKey | None) -> AESGCM:
    if key_id == PERSONAL:
        if key is None:
            raise Undecryptable("This is sealed under a person's key, which was not given.")
        return AESGCM(key.secret)
    master = _ring(settings.FIELD_KEYS).get(key_id)
    if master is None:
        raise Undecryptable(f"FIELD_KEYS has no key with the id {key_id!r}.")
    return master


def encrypt_bytes(
    data: bytes, *, table: str, column: str, row: object, key: DataKey | None = None
) -> bytes:
    """Ciphertext bound to its place: key id, NUL, nonce, sealed bytes.

    Under the person's `key`, or under the first master key. For what fits into memory.
    """
    key_id, cipher = _sealing_key(key)
    nonce = os.urandom(_NONCE_BYTES)
    bound = _associated(table=table, column=column, row=row)
    return key_id.encode() + b"\0" + nonce + cipher.encrypt(nonce, data, bound)


def decrypt_bytes(
    sealed: bytes, *, table: str, column: str, row: object, key: DataKey | None = None
) -> bytes:
    """What was sealed; raises Undecryptable unless key and place are right.

    The ciphertext names its key: one from before there were data keys opens under its master key,
    whether `key` is given or not.
    """
    rest = bytes(sealed).partition(b"\0")[2]
    cipher = _opening_key(key_id_of(sealed), key)
    bound = _associated(table=table, column=column, row=row)
    try:
        return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], bound)
    except (InvalidTag, ValueError) as error:  # ValueError: cut off within the nonce
        raise Undecryptable(f"{table}.{column} of {row} does not decrypt.") from error


def encrypt(
    text: str, *, table: str, column: str, row: object, key: DataKey | None = None
) -> bytes:
    """Ciphertext of a text; see encrypt_bytes."""
    return encrypt_bytes(text.encode(), table=table, column=column, row=row, key=key)


def decrypt(
    sealed: bytes, *, table: str, column: str, row: object, key: DataKey | None = None
) -> str:
    """Text of a ciphertext; raises Undecryptable, see decrypt_bytes."""
    return decrypt_bytes(sealed, table=table, column=column, row=row, key=key).decode()


def unless_shredded(read: Callable[[], T], otherwise: U) -> T | U:
    """What `read` gives; `otherwise` once the person's data was erased."""
    try:
        return read()
    except Shredded:
        return otherwise


def key_id_of(sealed: bytes) -> str:
    """Which key a ciphertext names: an id of FIELD_KEYS, or `person`."""
    return bytes(sealed).partition(b"\0")[0].decode(errors="replace")


def is_personal(sealed: bytes) -> bool:
    """Whether a ciphertext is sealed under a person's key."""
    return key_id_of(sealed) == PERSONAL


def master_key_ids() -> list[str]:
    """Ids of FIELD_KEYS; the first one seals."""
    return list(_ring(settings.FIELD_KEYS))


def blind_index(text: str, *, purpose: str) -> bytes:
    """Keyed digest by which an encrypted value can be found and kept unique."""
    key = settings.BLIND_INDEX_KEY.encode()
    return hmac.new(key, f"{purpose}\0{text}".encode(), hashlib.sha256).digest()
