"""P11: the trail verified, rows a second, against hashing the same bytes and nothing else.

The floor reads nothing: it holds the canonical text of each row in memory already, and computes the
row hashes and the chain. Verification reads rows from PostgreSQL, writes each as canonical JSON and
compares. Rates are those of processor time: PostgreSQL writes the next rows meanwhile, on another
core, in a third of it. The goal in rows a second is P11's; the ratio says how far off the least work
it is.
"""

import hashlib
import time
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from bench import measure
from bench.measure import Line
from bench.stand import Stand
from compliance import audit
from compliance.models import AuditRow

ROWS = 100_000
LEAST_A_SECOND = 100_000
GOAL = 0.1


def run(stand: Stand) -> Line:
    """Rows per second of both, by turns."""
    _fill()
    texts = [_text(row) for row in AuditRow.objects.order_by("id").iterator(chunk_size=5000)]
    pair = measure.alternate(subject=_verified, floor=lambda: _hashed(texts))
    verdict = audit.verify()
    return measure.paired(
        "audit_verify",
        pair,
        goal=GOAL,
        sound=not verdict.faults and verdict.sealed == len(texts) and pair.value >= LEAST_A_SECOND,
        rows=len(texts),
        least=LEAST_A_SECOND,
    )


def _fill() -> None:
    for _turn in range(ROWS // 1000):
        with transaction.atomic():
            for _number in range(1000):
                audit.record(
                    actor="system:bench",
                    action="bench.written",
                    object_type="order",
                    object_id=str(uuid4()),
                    evidence={
                        "state": "SUBMITTED",
                        "broker_order_id": str(uuid4()),
                        "limit_price": "232.41",
                    },
                    now=timezone.now(),
                )
        audit.seal_all(now=timezone.now())


def _text(row: AuditRow) -> bytes:
    content = {name: getattr(row, name) for name in ("actor", "action", "object_type", "object_id")}
    return str({**content, "uid": row.uid, "at": row.at, "evidence": row.evidence}).encode()


def _verified() -> float:
    begun = time.process_time()
    verdict = audit.verify()
    return verdict.sealed / (time.process_time() - begun)


def _hashed(texts: list[bytes]) -> float:
    begun, head = time.process_time(), audit.GENESIS
    for text in texts:
        head = hashlib.sha256(head + hashlib.sha256(text).digest()).digest()
    return len(texts) / (time.process_time() - begun)
