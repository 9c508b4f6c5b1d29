"""The sealer chains every row, without a gap, whatever happens at the same time (AUD-1)."""

import hashlib
import time
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from structlog.testing import capture_logs

from agora.metrics import exposition
from compliance import audit, tasks
from compliance.models import AuditRow, AuditSeal
from compliance.tasks import seal_audit
from compliance.trail import anchors
from tests.threads import at_once


def write(number: int = 1) -> AuditRow:
    return audit.record(
        actor="system:test",
        action="thing.done",
        object_type="thing",
        object_id=str(number),
        evidence={},
        now=timezone.now(),
    )


def seal_all() -> None:
    audit.seal_all(now=timezone.now())


@pytest.mark.django_db
def test_each_seal_is_the_hash_of_the_one_before_and_its_row() -> None:
    rows = [write(number) for number in range(3)]
    assert audit.seal(now=timezone.now()) == 3

    head = hashlib.sha256(b"agora audit trail").digest()
    for position, row in enumerate(rows, start=1):
        head = hashlib.sha256(head + row.row_hash).digest()
        seal = AuditSeal.objects.get(position=position)
        assert (seal.row_id, bytes(seal.hash)) == (row.pk, head)


@pytest.mark.django_db
def test_a_sealed_row_is_not_sealed_again() -> None:
    write()

    assert [audit.seal(now=timezone.now()) for _ in range(3)] == [1, 0, 0]


@pytest.mark.django_db
def test_a_long_backlog_is_sealed_in_portions() -> None:
    for number in range(5):
        write(number)

    assert [audit.seal(now=timezone.now(), limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert audit.verify().faults == []


@pytest.mark.django_db
def test_a_worker_whose_clock_is_minutes_behind_is_sealed_too() -> None:
    write()
    seal_all()
    audit.record(
        actor="system:test",
        action="thing.done",
        object_type="thing",
        object_id="2",
        evidence={},
        now=timezone.now() - timedelta(minutes=30),
    )

    assert audit.seal(now=timezone.now()) == 1


@pytest.mark.django_db
def test_a_worker_whose_clock_is_hours_ahead_leaves_no_hole_in_the_chain() -> None:
    audit.record(
        actor="system:test",
        action="thing.done",
        object_type="thing",
        object_id="1",
        evidence={},
        now=timezone.now() + timedelta(hours=2),
    )
    seal_all()
    write(2)

    assert audit.seal(now=timezone.now()) == 1
    assert audit.verify().faults == []


@pytest.mark.django_db(transaction=True)
def test_rows_written_while_two_sealers_work_are_sealed_without_gap_or_repeat() -> None:
    def work(number: int) -> None:
        for turn in range(25):
            if number < 2:
                audit.seal(now=timezone.now(), limit=7)
            else:
                write(100 * number + turn)

    assert at_once(8, work) == [None] * 8
    seal_all()

    verdict = audit.verify()
    assert (verdict.faults, verdict.rows, verdict.sealed) == ([], 150, 150)
    assert list(AuditSeal.objects.order_by("position").values_list("position", flat=True)) == list(
        range(1, 151)
    )


@pytest.mark.django_db(transaction=True)
def test_a_row_that_commits_late_is_sealed_behind_those_that_came_first() -> None:
    written, may_commit = Event(), Event()
    late: list[AuditRow] = []

    def slow_writer() -> None:
        try:
            with transaction.atomic():
                late.append(write(1))
                written.set()
                assert may_commit.wait(20)
        finally:
            connection.close()

    thread = Thread(target=slow_writer)
    thread.start()
    assert written.wait(20)
    early = write(2)
    seal_all()
    assert list(AuditSeal.objects.values_list("row_id", flat=True)) == [early.pk]

    may_commit.set()
    thread.join(20)
    seal_all()

    assert late[0].pk < early.pk, "the late row has the lower id"
    assert list(AuditSeal.objects.order_by("position").values_list("row_id", flat=True)) == [
        early.pk,
        late[0].pk,
    ]
    assert audit.verify().faults == []


@pytest.mark.django_db(transaction=True)
def test_ten_thousand_rows_are_chained_within_the_lag_that_is_promised() -> None:
    """Two writers as fast as they can, a sealer every two seconds as the schedule has it."""
    lags, written = [], Event()

    def write_many() -> None:
        try:
            for _turn in range(50):
                with transaction.atomic():
                    for number in range(100):
                        write(number)
        finally:
            connection.close()

    def seal_in_turns() -> None:
        try:
            while not written.wait(2):
                audit.seal_all(now=timezone.now())
                lags.append(audit.lag(now=timezone.now()))
        finally:
            connection.close()

    sealer = Thread(target=seal_in_turns)
    sealer.start()
    writers = [Thread(target=write_many) for _number in range(2)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join(60)
    written.set()
    sealer.join(60)

    begun = timezone.now()
    audit.seal_all(now=begun)
    lags.append(timezone.now() - begun)
    assert max(lags) + timedelta(seconds=2) < audit.LAG_LIMIT
    verdict = audit.verify()
    assert (verdict.faults, verdict.sealed) == ([], 10_000)


@pytest.mark.django_db
def test_a_backlog_is_chained_by_one_run_of_the_sealer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "BATCH", 3)
    for number in range(8):
        write(number)

    assert audit.seal_all(now=timezone.now()) == 8
    assert audit.lag(now=timezone.now()) == timedelta(0)


@pytest.mark.django_db
def test_the_lag_is_the_age_of_the_oldest_row_without_a_place() -> None:
    now = timezone.now()
    assert audit.lag(now=now) == timedelta(0)
    row = write()

    assert audit.lag(now=row.at + timedelta(seconds=7)) == timedelta(seconds=7)
    assert audit.lag(now=row.at - timedelta(seconds=7)) == timedelta(0), "a clock is ahead"


@pytest.mark.django_db
@pytest.mark.parametrize(("age", "told"), [(4, False), (6, True)])
def test_a_lag_above_the_promise_is_told_in_the_log(age: int, told: bool) -> None:
    audit.record(
        actor="system:test",
        action="thing.done",
        object_type="thing",
        object_id="1",
        evidence={},
        now=timezone.now() - timedelta(seconds=age),
    )

    with capture_logs() as logs:
        seal_audit()

    assert ("audit.lag" in [line["event"] for line in logs]) is told
    assert AuditSeal.objects.count() == 1


@pytest.mark.django_db
def test_what_waited_while_the_worker_was_starting_is_no_error() -> None:
    audit.record(
        actor="system:test",
        action="thing.done",
        object_type="thing",
        object_id="1",
        evidence={},
        now=timezone.now() - timedelta(seconds=20),
    )
    before, tasks._ready_at = tasks._ready_at, time.monotonic()

    try:
        with capture_logs() as logs:
            seal_audit()
    finally:
        tasks._ready_at = before

    assert [(line["event"], line["log_level"]) for line in logs] == [("audit.lag", "info")]


@pytest.mark.django_db
def test_lag_position_and_age_of_anchors_are_metrics(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_ANCHORS_DIR, settings.AUDIT_ANCHORS_BUCKET = str(tmp_path), ""
    write()
    seal_all()
    anchors.anchor(now=timezone.now() - timedelta(hours=3))

    told = dict(
        line.rsplit(" ", 1) for line in exposition().decode().splitlines() if "agora_audit" in line
    )

    assert float(told["agora_audit_position"]) == 1
    assert float(told["agora_audit_lag_seconds"]) >= 0
    assert float(told['agora_audit_anchor_age_seconds{place="file"}']) >= 3 * 3600
