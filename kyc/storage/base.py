"""What documents ask of their storage."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

_NAME = re.compile(r"[0-9a-f]{48}(\.part)?")


class Gone(Exception):
    """There is nothing under this key."""


@dataclass(frozen=True)
class Stored:
    """Something that lies in the store, and since when."""

    key: str
    at: datetime


class Store(Protocol):
    """A place for bytes under random keys; all raise outcome.Temporary when it does not answer."""

    def write(self, key: str, data: bytes) -> None:
        """Keep `data` under a key that is not used yet; it survives a crash from then on."""

    def read(self, key: str) -> bytes:
        """What was written; raises Gone."""

    def delete(self, key: str) -> None:
        """Remove it; nothing happens when it is not there."""

    def all(self) -> Iterator[Stored]:
        """Everything under such keys, also what no document knows of."""


def is_key(name: str) -> bool:
    """Whether something of this name is ours; `.part` is behind the key of an unfinished file."""
    return bool(_NAME.fullmatch(name))


def checked(key: str) -> str:
    """A key in the form that `new_key` gives, so that none leads elsewhere; raises Gone."""
    if not is_key(key):
        raise Gone(key[:60])
    return key
