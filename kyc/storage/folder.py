"""Documents in a folder of this machine."""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import structlog

from agora.lib.outcome import Temporary
from kyc.storage.base import Gone, Stored, checked, is_key

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

log = structlog.get_logger(__name__)


class Folder:
    """A folder that only this process's user can enter; a key is a file two levels down."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, key: str) -> Path:
        return self.root / checked(key)[:2] / key

    def write(self, key: str, data: bytes) -> None:
        """Written beside its place, flushed to the disk, then moved there in one step."""
        path = self._path(key)
        draft = path.with_name(f"{key}.part")
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                _write_private(draft, data)
                draft.rename(path)
            except OSError:
                draft.unlink(missing_ok=True)
                raise
            _flush(path.parent)
        except OSError as error:
            raise _failed(error) from error

    def read(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError as error:
            raise Gone(key) from error
        except OSError as error:
            raise _failed(error) from error

    def delete(self, key: str) -> None:
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            raise _failed(error) from error

    def all(self) -> Iterator[Stored]:
        """Drafts that a killed process left are among them, with `.part` behind their key."""
        try:
            for path in filter(lambda path: is_key(path.name), self.root.glob("??/*")):
                with suppress(FileNotFoundError):  # deleted since it was listed
                    at = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
                    yield Stored(key=path.name, at=at)
        except OSError as error:
            raise _failed(error) from error


def _write_private(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush(folder: Path) -> None:
    """Make a new name survive a loss of power as its file does."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(error: OSError) -> Temporary:
    code = "storage_full" if error.errno in _FULL else "storage"
    # No path: a key would be the only thing that it adds.
    log.error("document.storage_failed", code=code, error=errno.errorcode.get(error.errno or 0, ""))
    return Temporary("the document storage cannot be used", code=code)
