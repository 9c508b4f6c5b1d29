"""The books on disk: one SQLite file.

Broker and custodian keep their books in memory and write every change through before they answer, so
that a process killed at any moment starts again with exactly what it had answered for. The exchange
saves in batches instead (binance/books.py).
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, n INTEGER PRIMARY KEY AUTOINCREMENT,
    UNIQUE (kind, key)
);
CREATE TABLE IF NOT EXISTS journal (
    n INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, vendor TEXT NOT NULL, entry TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS nonces (
    nonce TEXT PRIMARY KEY, token TEXT NOT NULL, expires REAL NOT NULL
) WITHOUT ROWID;
"""
JOURNAL_PAGE = 10_000
NONCE_SWEEP = 30.0


class Store:
    """Documents by kind and key, the request journal, and the used JWT nonces."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        # A killed process loses nothing without fsync; only a power cut could, and nobody's money is here.
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(SCHEMA)
        self._depth = 0
        self._queued: list[tuple[float, str, dict[str, Any]]] = []
        self._next_sweep = 0.0
        # Counted once: the books are read often and the journal grows long.
        counts = self._db.execute("SELECT vendor, count(*) FROM journal GROUP BY vendor")
        self.requests: Counter[str] = Counter(dict(counts.fetchall()))

    def close(self) -> None:
        self.flush_journal()
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are kept together or not at all. Nested use joins the outer one."""
        if self._depth == 0:
            self._db.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            self._db.execute("COMMIT")

    def put(self, *, kind: str, key: str, body: dict[str, Any]) -> None:
        self._db.execute(
            "INSERT INTO rows (kind, key, body) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
            (kind, key, json.dumps(body)),
        )

    def put_all(self, *, kind: str, rows: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Documents by key, all of one kind."""
        self._db.executemany(
            "INSERT INTO rows (kind, key, body) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
            ((kind, key, json.dumps(body)) for key, body in rows),
        )

    def get(self, *, kind: str, key: str) -> dict[str, Any] | None:
        found = self._db.execute(
            "SELECT body FROM rows WHERE kind = ? AND key = ?", (kind, key)
        ).fetchone()
        return None if found is None else _object(found[0])

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Every document of a kind, in the order in which they were first written."""
        found = self._db.execute("SELECT body FROM rows WHERE kind = ? ORDER BY n", (kind,))
        return [_object(body) for (body,) in found]

    def clear(self) -> None:
        """Forget everything except used nonces, which stay used."""
        with self.transaction():
            self._db.execute("DELETE FROM rows")
            self._db.execute("DELETE FROM journal")
        self._queued.clear()
        self.requests.clear()

    def queue_journal(self, *, at: float, vendor: str, entry: dict[str, Any]) -> None:
        """Note a request, to be written with the next `flush_journal`."""
        self._queued.append((at, vendor, entry))
        self.requests[vendor] += 1

    def flush_journal(self) -> None:
        """Write what was queued, in one transaction."""
        if not self._queued:
            return
        queued, self._queued = self._queued, []
        with self.transaction():
            self._db.executemany(
                "INSERT INTO journal (at, vendor, entry) VALUES (?, ?, ?)",
                ((at, vendor, json.dumps(entry)) for at, vendor, entry in queued),
            )

    def write_journal(self, *, at: float, vendor: str, entry: dict[str, Any]) -> None:
        self.flush_journal()
        self._db.execute(
            "INSERT INTO journal (at, vendor, entry) VALUES (?, ?, ?)",
            (at, vendor, json.dumps(entry)),
        )
        self.requests[vendor] += 1

    def journal(self, *, after: int) -> list[dict[str, Any]]:
        """Requests seen after number `after`, in order, at most JOURNAL_PAGE of them."""
        self.flush_journal()
        found = self._db.execute(
            "SELECT n, at, vendor, entry FROM journal WHERE n > ? ORDER BY n LIMIT ?",
            (after, JOURNAL_PAGE),
        )
        return [{"n": n, "at": at, "vendor": who, **_object(entry)} for n, at, who, entry in found]

    def use_nonce(self, *, nonce: str, token: str, now: float, expires: float) -> str | None:
        """Mark a nonce as used until `expires`; the token of its earlier use, or None if unused."""
        found = self._db.execute(
            "SELECT token FROM nonces WHERE nonce = ? AND expires >= ?", (nonce, now)
        ).fetchone()
        if found is not None:
            return str(found[0])
        if now >= self._next_sweep:
            self._next_sweep = now + NONCE_SWEEP
            self._db.execute("DELETE FROM nonces WHERE expires < ?", (now,))
        self._db.execute("INSERT OR REPLACE INTO nonces VALUES (?, ?, ?)", (nonce, token, expires))
        return None


def _object(text: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(text)
    return body
