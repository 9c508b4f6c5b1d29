"""Two runs of retention at once: each says of itself what it removed, and nothing twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, transaction

from compliance import retention
from compliance.models import AuditRow, RetentionRule
from tests.threads import until_somebody_waits

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_what_another_run_removed_meanwhile_is_not_told_again() -> None:
    RetentionRule.objects.update_or_create(kind="session", defaults={"days": 1, "legal_basis": "-"})
    for number in range(3):
        Session.objects.create(
            session_key=f"s{number}", session_data="", expire_date=NOW - timedelta(days=9)
        )

    def run() -> int:
        try:
            return retention.run(now=NOW, kind="session")[0].rows
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            Session.objects.all().delete()
            other = pool.submit(run)
            until_somebody_waits()
        assert other.result(timeout=20) == 0

    assert not AuditRow.objects.filter(action="retention.removed").exists()
