"""P8: the trail exported whole, 1,000,000 rows, against psql writing the same lines to a file.

The floor is `\\copy` of the same query by the psql that comes with the embedded PostgreSQL: it hashes
nothing and writes no archive. Memory is that of a process of its own which only exports: how much
more it holds at its most than at the start, for the whole trail and for a tenth of it.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from django.db import connection

from agora.runtime.postgres import BINARIES
from bench import measure
from bench.measure import Line
from bench.stand import Stand
from compliance import audit
from compliance.trail.export import Filter, _Content

GOAL = 3.0
ROWS = 1_000_000
ROUNDS = 3
MOST_GROWTH_MB = 16.0

# Rows as the product writes them, made by PostgreSQL; the hash is of something else, which no
# export looks at.
_FILL = """
INSERT INTO compliance_auditrow
    (uid, at, actor, action, object_type, object_id, evidence, row_hash)
SELECT gen_random_uuid(), now() - make_interval(secs => %s - n), 'system:bench', 'bench.filled',
    'order', gen_random_uuid()::text,
    jsonb_build_object('state', 'SUBMITTED', 'broker_order_id', gen_random_uuid()::text,
        'limit_price', '232.41'),
    sha256(n::text::bytea)
FROM generate_series(1, %s) n
"""

# Run by itself: its peak would otherwise be that of whatever this process did before.
_EXPORT = """
import json, os, resource, sys
import django
django.setup()
from django.utils import timezone
from compliance.trail.export import Filter, export
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
begun = peak()
since = sys.argv[1]
chosen = Filter(object_type=since) if since else Filter()
size = 0
with open(os.devnull, "wb") as out:
    for piece in export(chosen=chosen, form="jsonl", actor="system:bench", now=timezone.now()):
        size += out.write(piece)
print(json.dumps({"growth": peak() - begun, "bytes": size}))
"""


def run(stand: Stand) -> Line:
    """Seconds of both; the archive holds every row, and memory stays flat."""
    _fill()
    out = stand.folder / "audit"
    out.mkdir(exist_ok=True)
    ours, floor = [], []
    for number in range(ROUNDS + 1):
        seconds = _exported(out / "trail.zip"), _copied(out / "floor.jsonl")
        if number:
            ours.append(seconds[0])
            floor.append(seconds[1])
            measure.tell(f"  round {number}/{ROUNDS}: {seconds[0]:.1f} s, floor {seconds[1]:.1f} s")
    lines = sum(1 for _line in (out / "floor.jsonl").open("rb"))
    growth = _memory(stand)["growth"]
    return Line(
        name="audit_export",
        value=median(ours),
        floor=median(floor),
        goal=GOAL,
        better="lower",
        sound=lines >= ROWS and growth <= MOST_GROWTH_MB,
        extra={
            "unit": "s",
            "rounds": ROUNDS,
            "rows": lines,
            "archive_mb": round((out / "trail.zip").stat().st_size / 2**20, 1),
            "growth_mb": round(growth, 2),
        },
    )


def _fill() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(_FILL, [ROWS, ROWS])
        # The newest rows are all that a sealer looks through: it fills the chain from the oldest on.
        late, audit._LATE_ROWS = audit._LATE_ROWS, 2 * ROWS
        try:
            _seal()
        finally:
            audit._LATE_ROWS = late
        cursor.execute("VACUUM ANALYZE compliance_auditrow, compliance_auditseal")


def _seal() -> None:
    from django.utils import timezone

    while audit.seal(now=timezone.now(), limit=100_000):
        pass


def _exported(path: Path) -> float:
    from django.utils import timezone

    from compliance.trail.export import export

    begun = time.monotonic()
    with path.open("wb") as file:
        for piece in export(
            chosen=Filter(), form="jsonl", actor="system:bench", now=timezone.now()
        ):
            file.write(piece)
    return time.monotonic() - begun


def _copied(path: Path) -> float:
    content = _Content(Filter(), "jsonl")
    _name, sql, values = next(content.files())
    for value in values:
        sql = sql.replace("%s", str(value), 1)
    address = urlsplit(os.environ["DATABASE_URL"])
    begun = time.monotonic()
    subprocess.run(
        [str(BINARIES / "psql"), "--quiet", "--no-psqlrc", "--command", "SET statement_timeout = 0",
         "--command", f"\\copy {sql.removeprefix('COPY ').replace('TO STDOUT', f'TO {path}')}"],
        env={
            "PGHOST": str(address.hostname), "PGPORT": str(address.port),
            "PGUSER": str(address.username), "PGPASSWORD": str(address.password),
            "PGDATABASE": address.path.lstrip("/"),
        },
        check=True,
    )  # fmt: skip
    return time.monotonic() - begun


def _memory(stand: Stand) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", _EXPORT, ""],
        env={**os.environ, **stand.env},
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))
