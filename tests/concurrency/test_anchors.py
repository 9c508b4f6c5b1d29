"""A head that is told outside while the trail is verified is no fault."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from compliance import audit
from compliance.trail import anchors
from tests.threads import until_somebody_waits

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_an_anchor_told_during_a_verification_is_not_missed(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_ANCHORS_DIR, settings.AUDIT_ANCHORS_BUCKET = str(tmp_path), ""
    audit.record(
        actor="system:test",
        action="thing.done",
        object_type="thing",
        object_id="1",
        evidence={},
        now=NOW,
    )
    audit.seal_all(now=NOW)

    def verify() -> audit.Verdict:
        try:
            return anchors.verify()
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE compliance_auditseal IN ACCESS EXCLUSIVE MODE")
            verdict = pool.submit(verify)
            until_somebody_waits()
            anchors.anchor(now=NOW)
        assert verdict.result(timeout=20).faults == []
