"""P11: an audit row against a plain insert of the same width, each in a transaction of its own.

Both go through the ORM in one connection. The floor's table has the same columns and indexes, but
its rows are not hashed and no trigger watches it.
"""

import time
from collections.abc import Callable
from uuid import uuid4

from django.db import connection, models, transaction
from django.utils import timezone

from bench import measure
from bench.measure import Line
from bench.stand import Stand
from compliance import audit
from compliance.models import AuditRow

GOAL = 0.8
SECONDS = 1.0


class PlainRow(models.Model):
    """The audit trail's columns and nothing else."""

    uid = models.UUIDField()
    at = models.DateTimeField()
    actor = models.CharField(max_length=80)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=80)
    evidence = models.JSONField()
    row_hash = models.BinaryField()

    class Meta:
        app_label = "bench"
        db_table = "bench_plain_row"
        managed = False

    def __str__(self) -> str:
        return str(self.pk)


def run(stand: Stand) -> Line:
    """Rows per second of both; every audit row must verify afterwards."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {PlainRow._meta.db_table} (LIKE {AuditRow._meta.db_table} INCLUDING ALL)"
        )
    pair = measure.alternate(subject=lambda: _rate(_audited), floor=lambda: _rate(_plain))
    ours = AuditRow.objects.filter(action="bench.written")
    rows = list(ours.order_by("-id")[:1000])
    intact = all(audit.row_digest(row) == bytes(row.row_hash) for row in rows)
    return measure.paired("audit_write", pair, goal=GOAL, sound=intact, rows=ours.count())


def _rate(write: Callable[[], object]) -> float:
    started, done = time.monotonic(), 0
    while time.monotonic() < started + SECONDS:
        with transaction.atomic():
            write()
        done += 1
    return done / (time.monotonic() - started)


def _evidence() -> dict[str, object]:
    return {"state": "SUBMITTED", "broker_order_id": str(uuid4()), "limit_price": "232.41"}


def _audited() -> None:
    audit.record(
        actor="system:bench",
        action="bench.written",
        object_type="order",
        object_id=str(uuid4()),
        evidence=_evidence(),
        now=timezone.now(),
    )


def _plain() -> None:
    PlainRow(
        uid=uuid4(),
        at=timezone.now(),
        actor="system:bench",
        action="bench.written",
        object_type="order",
        object_id=str(uuid4()),
        evidence=_evidence(),
        row_hash=b"-" * 32,
    ).save(force_insert=True)
