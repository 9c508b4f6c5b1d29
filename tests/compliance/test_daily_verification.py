"""The trail is verified once a day, and who may export it is told of faults."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from structlog.testing import capture_logs

from accounts.models import Notice
from agora import metrics
from compliance import audit
from compliance.models import AuditRow, AuditSeal
from compliance.tasks import verify_audit
from compliance.trail import anchors, daily, restored
from tests.api.test_metrics import sample
from tests.compliance.test_restored import restore
from tests.people import new_officer

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.AUDIT_ANCHORS_DIR, settings.AUDIT_ANCHORS_BUCKET = str(tmp_path), ""
    return tmp_path


def write() -> None:
    for number in range(3):
        audit.record(
            actor="system:test",
            action="thing.done",
            object_type="thing",
            object_id=str(number),
            evidence={"amount": "1.10"},
            now=NOW,
        )
    audit.seal_all(now=NOW)


def tamper(number: int, *, amount: str = "9.99") -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "UPDATE compliance_auditrow SET evidence = %s WHERE object_id = %s AND action = 'thing.done'",
            [json.dumps({"amount": amount}), str(number)],
        )
        cursor.execute("SET session_replication_role = DEFAULT")


def test_a_whole_trail_is_told_in_the_trail_and_to_nobody() -> None:
    new_officer("export_auditrow")
    write()
    anchors.anchor(now=NOW)

    daily.verify(now=NOW)

    row = AuditRow.objects.get(action="audit.verified")
    assert (row.actor, row.object_id) == ("system:verifier", "3")
    assert row.evidence == {
        "rows": 4,  # the anchor's own, too
        "head": bytes(AuditSeal.objects.get(position=3).hash).hex(),
        "anchors": 1,
        "faults": 0,
        "first_faults": [],
        "accepted": 0,
        "newest_accepted": [],
    }
    assert not Notice.objects.exists()
    assert sample(metrics.exposition().decode(), "agora_audit_faults") == 0


def test_no_row_in_the_trail_keeps_it_from_being_verified() -> None:
    """The web's role can write any row."""
    write()
    daily.verify(now=NOW)
    tamper(1)

    assert daily.verify(now=NOW + timedelta(hours=1)).faults


def test_it_is_asked_for_once_a_day_and_handed_out_once_however_long_it_takes() -> None:
    (entry,) = (
        each for each in settings.CELERY_BEAT_SCHEDULE.values() if each["task"] == verify_audit.name
    )
    schedule: Any = entry["schedule"]

    assert (len(schedule.hour), len(schedule.minute)) == (1, 1)
    assert not verify_audit.acks_late


def test_a_mended_trail_raises_no_alert_from_its_next_verification_on() -> None:
    write()
    tamper(1)
    daily.verify(now=NOW)
    tamper(1, amount="1.10")

    daily.verify(now=NOW + timedelta(minutes=5))

    assert sample(metrics.exposition().decode(), "agora_audit_faults") == 0


def test_faults_are_a_metric_a_line_in_the_log_and_a_notice_to_who_may_export_the_trail() -> None:
    reader = new_officer("export_auditrow")
    new_officer("view_auditrow")
    write()
    tamper(1)

    with capture_logs() as logs:
        daily.verify(now=NOW)

    changed = AuditRow.objects.get(object_id="1", action="thing.done").uid
    first = f"row {changed} was changed"
    assert [(line["event"], line["faults"], line["first"]) for line in logs] == [
        ("audit.fault", 1, first)
    ]
    assert AuditRow.objects.get(action="audit.verified").evidence["first_faults"] == [first]
    notice = Notice.objects.get()
    assert (notice.user, notice.level) == (reader, "alert")
    assert notice.title == "The audit trail does not verify"
    assert "faults in the audit trail: 1." in notice.text
    assert sample(metrics.exposition().decode(), "agora_audit_faults") == 1


def test_the_same_faults_are_told_once_and_further_ones_anew() -> None:
    new_officer("export_auditrow")
    write()
    tamper(1)
    for day in range(3):
        daily.verify(now=NOW + day * DAY)
    assert Notice.objects.count() == 1

    tamper(2)
    daily.verify(now=NOW + 3 * DAY)

    assert Notice.objects.count() == 2
    assert sample(metrics.exposition().decode(), "agora_audit_faults") == 2


def test_an_accepted_break_is_told_once_with_its_oldest_day_and_stays_a_metric() -> None:
    reader = new_officer("export_auditrow")
    write()
    anchors.anchor(now=NOW - DAY)
    audit.seal_all(now=NOW)
    anchors.anchor(now=NOW)
    restore(3)
    restored.accept(reason="Backup of 02:00 restored.", now=NOW)

    for day in range(2):
        with capture_logs() as logs:
            daily.verify(now=NOW + day * DAY)

    row = AuditRow.objects.filter(action="audit.verified").latest("id")
    (told,) = row.evidence["newest_accepted"]
    assert (row.evidence["faults"], row.evidence["accepted"]) == (0, 1)
    assert "anchors of position 4 count no more, the oldest of 2026-11-20," in told
    assert [line["event"] for line in logs] == ["audit.break_accepted"]
    notice = Notice.objects.get()
    assert (notice.user, notice.level) == (reader, "alert")
    assert notice.title == "The audit trail was cut, and this was accepted"
    assert sample(metrics.exposition().decode(), "agora_audit_accepted_breaks") == 1


def test_a_place_that_cannot_be_read_leaves_the_verification_due(folder: Path) -> None:
    write()
    (folder / anchors.FILE_NAME).write_text("no anchor\n")

    with pytest.raises(anchors.Failed):
        daily.verify(now=NOW)

    assert not AuditRow.objects.filter(action="audit.verified").exists()
    assert sample(metrics.exposition().decode(), "agora_audit_faults") is None
    (folder / anchors.FILE_NAME).unlink()
    assert daily.verify(now=NOW) is not None
