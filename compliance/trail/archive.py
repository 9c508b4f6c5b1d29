"""A ZIP archive that is sent while PostgreSQL writes its files, in memory that does not grow with it."""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

FORMS = ("jsonl", "csv")
# How COPY writes each form. Quote and delimiter of the first never stand in JSON text, which escapes
# control characters: the lines come out as they are.
OPTIONS: Mapping[str, str] = {
    "jsonl": r"(FORMAT csv, DELIMITER E'\x02', QUOTE E'\x01')",
    "csv": "(FORMAT csv, HEADER)",
}
_CHUNK_ROWS = 500
# The longest download: a reader who stops reading must not hold the database for ever.
_LONGEST = "1h"


@contextmanager
def patient() -> Iterator[None]:
    """A transaction whose statements may take as long as a download."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{_LONGEST}'")
        yield


class Archive:
    """The archive as it grows; `files` holds size and SHA-256 of each file that is in it."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, object]] = {}
        self._out = _Pipe()
        self._zip = zipfile.ZipFile(self._out, "w", zipfile.ZIP_STORED)

    def copied(self, name: str, sql: str, values: Sequence[Any]) -> Iterator[bytes]:
        """One file, as the COPY statement writes it, hashed as it goes; yields the archive's bytes."""
        digest, size = hashlib.sha256(), 0
        with self._zip.open(name, "w", force_zip64=True) as file:
            for chunk in _copied(sql, values):
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
                yield self._out.take()
        self.files[name] = {"bytes": size, "sha256": digest.hexdigest()}
        yield self._out.take()

    def finish(self, manifest: Mapping[str, object]) -> bytes:
        """The manifest and the archive's end."""
        self._zip.writestr("manifest.json", json.dumps(manifest, indent=2) + "\n")
        self._zip.close()
        return self._out.take()


def moment(column: str) -> str:
    """SQL of a time as text: UTC, six decimals, with its zone."""
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""


def cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula: one that begins like it gets a quote before."""
    return (
        f"CASE WHEN left({text}, 1) IN ('=', '+', '-', '@', E'\\t', E'\\r', '''')"
        f" THEN '''' || {text} ELSE {text} END"
    )


def _copied(sql: str, values: Sequence[Any]) -> Iterator[bytes]:
    """What COPY sends, some hundred lines at a time."""
    connection.ensure_connection()
    with connection.connection.cursor() as cursor, cursor.copy(sql, values) as copy:
        lines: list[bytes] = []
        for line in copy:
            lines.append(bytes(line))
            if len(lines) == _CHUNK_ROWS:
                yield b"".join(lines)
                lines.clear()
        yield b"".join(lines)


class _Pipe:
    """A file that only hands on what was written to it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The pieces stay to be taken."""

    def take(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data
