"""Heads of the trail are kept outside: a chain that was written anew does not agree with them."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from moto.server import ThreadedMotoServer
from structlog.testing import capture_logs

from agora import doctor
from agora.audit_metrics import anchor_ages
from compliance import audit
from compliance.models import AuditAnchor, AuditRow, AuditSeal
from compliance.tasks import anchor_audit
from compliance.trail import anchors

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.AUDIT_ANCHORS_DIR = str(tmp_path / "anchors")
    settings.AUDIT_ANCHORS_BUCKET = ""
    return tmp_path / "anchors"


def write(count: int, *, now: datetime = NOW) -> None:
    for number in range(count):
        audit.record(
            actor="system:test",
            action="thing.done",
            object_type="thing",
            object_id=str(number),
            evidence={"amount": "1.10"},
            now=now,
        )
    audit.seal_all(now=now)


def rewrite_everything() -> None:
    """What somebody with all the power over the database can do: another chain, whole in itself."""
    head = audit.GENESIS
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        for seal in AuditSeal.objects.select_related("row").order_by("position"):
            row = seal.row
            row.evidence = {"amount": "9.99"}
            digest = audit.row_digest(row)
            head = hashlib.sha256(head + digest).digest()
            cursor.execute(
                "UPDATE compliance_auditrow SET evidence = %s, row_hash = %s WHERE id = %s",
                [json.dumps(row.evidence), digest, row.pk],
            )
            cursor.execute(
                "UPDATE compliance_auditseal SET hash = %s WHERE position = %s",
                [head, seal.position],
            )
        cursor.execute("SET session_replication_role = DEFAULT")


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / anchors.FILE_NAME).read_text().splitlines()]


def test_an_anchor_is_the_newest_head_with_its_position(folder: Path) -> None:
    write(3)

    (told,) = anchors.anchor(now=NOW)

    head = bytes(AuditSeal.objects.get(position=3).hash)
    assert (told.place, told.position, bytes(told.hash)) == ("file", 3, head)
    assert lines(folder) == [
        {
            "format": "agora-audit-anchor-1",
            "at": "2026-11-20T12:00:00+00:00",
            "position": 3,
            "hash": head.hex(),
            "previous": "",
        }
    ]
    row = AuditRow.objects.get(action="audit.anchored")
    assert (row.object_id, row.evidence["hash"]) == ("3", head.hex())


def test_each_line_of_the_file_holds_the_hash_of_the_line_before(folder: Path) -> None:
    for _day in range(3):
        write(1)
        anchors.anchor(now=NOW)

    raw = (folder / anchors.FILE_NAME).read_bytes().splitlines()
    assert [line["previous"] for line in lines(folder)] == [
        "",
        *(hashlib.sha256(line).hexdigest() for line in raw[:2]),
    ]


def test_an_empty_trail_has_nothing_to_anchor(folder: Path) -> None:
    assert anchors.anchor(now=NOW) == []
    assert not folder.exists()


def test_the_same_head_is_told_once(folder: Path) -> None:
    write(1)
    anchors.anchor(now=NOW)

    # The anchor's own row in the trail is not sealed yet: the head is the same.
    assert anchors.anchor(now=NOW + timedelta(days=2)) == []
    assert len(lines(folder)) == 1


def test_a_crash_between_the_place_and_its_note_tells_the_place_once(folder: Path) -> None:
    write(1)
    (place,) = anchors.places()
    newest = AuditSeal.objects.get()
    place.keep(anchors.Head(position=1, hash=bytes(newest.hash).hex(), at=NOW))

    anchors.anchor(now=NOW + timedelta(minutes=10))

    assert len(lines(folder)) == 1
    assert AuditAnchor.objects.count() == 1


@pytest.mark.parametrize(
    ("age", "told"),
    [(timedelta(days=1) - timedelta(microseconds=1), 1), (timedelta(days=1), 2)],
)
def test_a_place_is_told_again_after_a_day(folder: Path, age: timedelta, told: int) -> None:
    write(1)
    anchors.anchor(now=NOW, only_due=True)
    write(1)

    anchors.anchor(now=NOW + age, only_due=True)

    assert len(lines(folder)) == told


def test_an_untouched_trail_agrees_with_its_anchors() -> None:
    for _day in range(2):
        write(2)
        anchors.anchor(now=NOW)
    write(1)

    verdict = anchors.verify()

    assert (verdict.faults, verdict.anchors) == ([], 2)


def test_a_chain_that_was_written_anew_as_a_whole_is_found_by_an_older_anchor() -> None:
    write(3)
    anchors.anchor(now=NOW)
    write(2)

    rewrite_everything()

    assert audit.verify().faults == [], "the chain agrees with itself"
    assert anchors.verify().faults == [
        "the chain at position 3 is not the one anchored in file (2026-11-20T12:00:00+00:00)"
    ]


def test_a_chain_that_was_cut_off_is_found() -> None:
    write(5)
    anchors.anchor(now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM compliance_auditseal WHERE position > 2")
        cursor.execute(
            "DELETE FROM compliance_auditrow WHERE id NOT IN"
            " (SELECT row_id FROM compliance_auditseal)"
        )
        cursor.execute("SET session_replication_role = DEFAULT")

    assert anchors.verify().faults == [
        (
            "the chain ends at position 2, before position 5 anchored in file"
            " (2026-11-20T12:00:00+00:00)"
        )
    ]


def test_an_anchor_that_vanished_from_its_place_is_named(folder: Path) -> None:
    write(1)
    anchors.anchor(now=NOW)
    (folder / anchors.FILE_NAME).unlink()

    assert anchors.verify().faults == ["the anchor of position 1 is not in file any more"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_changed_line_of_the_file_is_found(folder: Path, number: int) -> None:
    for _day in range(3):
        write(1)
        anchors.anchor(now=NOW)
    path = folder / anchors.FILE_NAME
    changed = lines(folder)
    changed[number]["hash"] = "0" * 64
    path.write_text("".join(json.dumps(line) + "\n" for line in changed))

    with pytest.raises(anchors.Failed, match=f"line {number + 2} .* does not follow"):
        anchors.verify()


def test_a_line_that_is_no_anchor_is_found(folder: Path) -> None:
    folder.mkdir()
    (folder / anchors.FILE_NAME).write_text('{"hello": 1}\n')

    with pytest.raises(anchors.Failed, match=r"line 1 of audit-anchors\.jsonl is not an anchor"):
        anchors.verify()


def test_a_line_whose_writing_was_cut_off_keeps_nothing_from_going_on(folder: Path) -> None:
    for _day in range(2):
        write(1)
        anchors.anchor(now=NOW)
    path = folder / anchors.FILE_NAME
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[-1][:40])

    assert anchors.verify().faults == []
    write(1)
    anchors.anchor(now=NOW)

    assert path.read_bytes().startswith(whole)
    assert [line["position"] for line in lines(folder)] == [1, 3, 5]
    assert anchors.verify().faults == []


def test_a_noted_anchor_whose_line_was_cut_is_named(folder: Path) -> None:
    write(1)
    anchors.anchor(now=NOW)
    path = folder / anchors.FILE_NAME
    path.write_bytes(path.read_bytes()[:-1])

    assert anchors.verify().faults == ["the anchor of position 1 is not in file any more"]


def test_a_place_that_fails_is_told_in_the_log_and_tried_again(folder: Path) -> None:
    write(1)
    folder.write_text("a file where the folder should be")

    with capture_logs() as logs:
        anchor_audit()
    assert [(line["event"], line["place"]) for line in logs] == [("audit.anchor_failed", "file")]
    assert AuditAnchor.objects.count() == 0

    folder.unlink()
    anchor_audit()
    assert AuditAnchor.objects.get().position == 1


def test_a_place_that_was_never_told_is_as_old_as_the_chain(folder: Path) -> None:
    assert anchor_ages(now=NOW) == {"file": timedelta(0)}, "nothing is chained yet"
    write(1)
    assert anchor_ages(now=NOW + timedelta(days=3)) == {"file": timedelta(days=3)}

    anchors.anchor(now=NOW + timedelta(days=3))

    assert anchor_ages(now=NOW + timedelta(days=4)) == {"file": timedelta(days=1)}


def test_the_doctor_tells_of_a_place_that_is_not_told_any_more() -> None:
    now = timezone.now()
    write(1, now=now - timedelta(days=3, minutes=1))
    with pytest.raises(doctor.Trouble, match="The newest anchor in file is 3 days old"):
        doctor._anchors()

    anchors.anchor(now=now - timedelta(hours=2))

    assert doctor._anchors() == "file: 2 h old"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE compliance_auditanchor SET position = 9",
        "DELETE FROM compliance_auditanchor",
        "TRUNCATE compliance_auditanchor",
    ],
)
def test_the_note_of_an_anchor_cannot_be_changed(statement: str) -> None:
    write(1)
    anchors.anchor(now=NOW)

    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.fixture
def bucket(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket with object lock on a local S3 server; the client of its owner."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings.AUDIT_ANCHORS_ENDPOINT_URL = f"http://{host}:{port}"
    # A name of its own: all servers in one process share what they hold.
    name = settings.AUDIT_ANCHORS_BUCKET = f"anchors-{uuid.uuid4().hex}"
    settings.AUDIT_ANCHORS_DIR = ""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3", endpoint_url=settings.AUDIT_ANCHORS_ENDPOINT_URL)
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    yield client
    server.stop()


def test_an_anchor_in_a_bucket_cannot_be_removed_before_its_time(
    bucket: Any, settings: Any
) -> None:
    write(2)
    now = datetime.now(UTC).replace(microsecond=0)

    (told,) = anchors.anchor(now=now)

    key, _word, version = told.reference.split(" ")
    assert key == f"audit-anchors/{2:020}.json"
    kept = bucket.head_object(Bucket=settings.AUDIT_ANCHORS_BUCKET, Key=key, VersionId=version)
    assert kept["ObjectLockMode"] == "COMPLIANCE"
    until = kept["ObjectLockRetainUntilDate"]
    assert until == now + timedelta(days=settings.AUDIT_ANCHORS_LOCK_DAYS)
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.delete_object(
            Bucket=settings.AUDIT_ANCHORS_BUCKET,
            Key=key,
            VersionId=version,
            BypassGovernanceRetention=True,
        )
    assert anchors.verify().faults == []


def test_an_object_that_was_overwritten_still_counts_as_it_was(bucket: Any, settings: Any) -> None:
    write(2)
    (told,) = anchors.anchor(now=datetime.now(UTC))
    rewrite_everything()
    forged = bytes(AuditSeal.objects.get(position=2).hash).hex()
    bucket.put_object(
        Bucket=settings.AUDIT_ANCHORS_BUCKET,
        Key=told.reference.split(" ")[0],
        Body=json.dumps(
            {"format": "agora-audit-anchor-1", "at": "x", "position": 2, "hash": forged}
        ).encode(),
    )

    (fault,) = anchors.verify().faults
    assert fault.startswith("the chain at position 2 is not the one anchored in bucket (20")


def test_a_bucket_that_does_not_answer_is_told(bucket: Any, settings: Any) -> None:
    write(1)
    settings.AUDIT_ANCHORS_BUCKET = "another-bucket"

    with pytest.raises(anchors.Failed, match="the bucket of anchors"):
        anchors.anchor(now=NOW)
    assert AuditAnchor.objects.count() == 0
