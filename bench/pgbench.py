"""The floor of a transaction: pgbench runs the statements that Agora itself has sent.

The statements are read from libpq's own trace of one real operation, so they are the very texts
that PostgreSQL gets; ids in them become variables. pgbench sends them in the same way (simple
protocol, one round trip each).
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from agora.runtime.postgres import BINARIES
from bench.people import FIRST, id_of

CLIENTS = 4
_UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_HEX_UUID = re.compile(r"\b[0-9a-f]{32}\b")
# A statement may have several lines; the next message starts with its time.
_QUERY = re.compile(r'\tQuery\t "(.*?)"\n(?=\d{4}-\d\d-\d\d |\Z)', re.DOTALL)
_LOCK = re.compile(r"(?<=pg_try_advisory_xact_lock\()-?\d+")


@contextmanager
def spelled_out() -> Iterator[None]:
    """A connection whose statements hold their values, as pgbench sends them.

    Agora's own sends them apart and prepared, which the trace would show as numbers.
    """
    options = connection.settings_dict["OPTIONS"]
    own = options["server_side_binding"]
    connection.close()
    options["server_side_binding"] = False
    try:
        yield
    finally:
        connection.close()
        options["server_side_binding"] = own


@contextmanager
def traced() -> Iterator[list[str]]:
    """The statements that this thread's connection sends inside the block, one a round trip."""
    statements: list[str] = []
    connection.ensure_connection()
    assert connection.connection is not None
    wire = connection.connection.pgconn
    with tempfile.TemporaryFile("w+") as trace:
        wire.trace(trace.fileno())
        try:
            yield statements
        finally:
            wire.untrace()
            trace.seek(0)
            text = trace.read()
            statements += _QUERY.findall(text)
            answers = text.count("\tReadyForQuery\t")
            assert len(statements) == answers, f"{answers} trips, {len(statements)} understood"


def script(statements: list[str], *, person: int, people: int, key: str = "") -> str:
    """The statements of one operation of `person` as a pgbench script for all people.

    Every id that the operation made up becomes new in each transaction; `key` names a text that
    has to as well.
    """
    lines = [
        rf"\set person random({FIRST}, {FIRST + people - 1})",
        rf"\set fresh random({2 * FIRST}, {10 * FIRST - 1})",
    ]
    hexadecimal = id_of(":fresh").replace("-", "")
    for statement in statements:
        text = statement.replace(str(person), ":person")
        if key:
            text = text.replace(key, "key-:fresh")
        text = _HEX_UUID.sub(hexadecimal, _UUID.sub(id_of(":fresh"), text))
        lines.append(_LOCK.sub(":fresh", text) + ";")
    return "\n".join(lines) + "\n"


class PgBench:
    """pgbench with one script against the database of the settings."""

    def __init__(self, script: str, *, folder: Path, url: str) -> None:
        self._file = folder / f"pgbench-{id(self)}.sql"
        self._file.write_text(script)
        self._url = urlsplit(url)
        self.done = 0

    def rate(self, *, seconds: int) -> float:
        """Transactions per second over a slice; raises CalledProcessError when one fails."""
        url = self._url
        command = [
            *(str(BINARIES / "pgbench"), "--no-vacuum", "--protocol=simple"),
            *(f"--client={CLIENTS}", f"--jobs={CLIENTS}", f"--time={seconds}"),
            *(f"--file={self._file}", f"--host={url.hostname}", f"--port={url.port}"),
            *(f"--username={url.username}", url.path.lstrip("/")),
        ]
        session = settings.DATABASES["default"]["OPTIONS"]["options"]  # its timers, too
        env = {**os.environ, "PGPASSWORD": url.password or "", "PGOPTIONS": session}
        text = subprocess.run(
            command, env=env, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        self.done += int(_number(text, r"transactions actually processed: (\d+)"))
        return _number(text, r"tps = ([0-9.]+)")


def _number(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    assert found, text
    return float(found.group(1))
