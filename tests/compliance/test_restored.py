"""An honest restore cuts the chain; the places outside say so, and a verification names it."""

import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from compliance import audit
from compliance.models import AuditRow, AuditSeal
from compliance.trail import anchors, restored
from tests.compliance.test_anchors import rewrite_everything

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
REASON = "Backup of 02:00 restored: the disk of the database failed."
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.AUDIT_ANCHORS_DIR = str(tmp_path / "anchors")
    settings.AUDIT_ANCHORS_BUCKET = ""
    return tmp_path / "anchors"


def write(count: int, *, told: bool = False) -> None:
    for number in range(count):
        audit.record(
            actor="system:test",
            action="thing.done",
            object_type="thing",
            object_id=str(number),
            evidence={},
            now=NOW,
        )
    audit.seal_all(now=NOW)
    if told:
        anchors.anchor(now=NOW)


def restore(position: int) -> None:
    """The database as it was when the chain ended here."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM compliance_auditanchor WHERE position > %s", [position])
        cursor.execute("DELETE FROM compliance_auditseal WHERE position > %s", [position])
        cursor.execute(
            "DELETE FROM compliance_auditrow WHERE id NOT IN (SELECT row_id FROM compliance_auditseal)"
        )
        cursor.execute("SET session_replication_role = DEFAULT")


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / anchors.FILE_NAME).read_text().splitlines()]


def test_a_restored_backup_is_a_break_until_it_is_accepted() -> None:
    write(3, told=True)
    write(3, told=True)
    restore(4)

    assert anchors.verify().faults
    restored.accept(reason=REASON, now=NOW)
    verdict = anchors.verify()

    assert verdict.faults == []
    (told,) = verdict.accepted
    assert "anchors of position 7 count no more" in told
    assert REASON in told


def test_what_was_accepted_stands_in_the_trail_and_outside(folder: Path) -> None:
    write(2, told=True)
    write(2, told=True)
    cut_off = lines(folder)[-1]
    restore(2)

    (note,) = restored.accept(reason=REASON, now=NOW)

    row = AuditRow.objects.get(action="audit.restored")
    void = {"position": cut_off["position"], "hash": cut_off["hash"]}
    assert (row.object_id, row.evidence["reason"]) == ("2", REASON)
    assert row.evidence["void"] == {"file": [[void["position"], void["hash"]]]}
    told = lines(folder)[-1]
    assert told["restored"] == {"reason": REASON, "void": [void]}
    assert (told["position"], note.position) == (row.seal.position, row.seal.position)


def test_the_anchor_is_told_where_one_of_its_position_was_cut_off(folder: Path) -> None:
    write(1, told=True)
    write(1, told=True)  # with the row of the anchor before: positions 2 and 3
    restore(2)

    restored.accept(reason=REASON, now=NOW)

    assert [line["position"] for line in lines(folder)] == [1, 3, 3]
    assert anchors.verify().faults == []


def test_the_chain_goes_on_after_it_and_is_compared_as_before(folder: Path) -> None:
    write(2, told=True)
    write(2, told=True)
    restore(2)
    restored.accept(reason=REASON, now=NOW)
    write(5, told=True)
    assert anchors.verify().faults == []

    restore(4)

    assert anchors.verify().faults


def test_a_second_restore_is_accepted_like_the_first() -> None:
    write(2, told=True)
    write(2, told=True)
    restore(2)
    restored.accept(reason=REASON, now=NOW)
    write(4, told=True)
    restore(2)

    restored.accept(reason="The same backup once more.", now=NOW)

    verdict = anchors.verify()
    assert verdict.faults == []
    assert len(verdict.accepted) == 2


def test_a_row_that_was_changed_is_not_accepted_with_it() -> None:
    write(2, told=True)
    write(2, told=True)
    restore(2)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE compliance_auditrow SET object_id = '9'")
        cursor.execute("SET session_replication_role = DEFAULT")

    with pytest.raises(restored.Refused, match="not_whole"):
        restored.accept(reason=REASON, now=NOW)

    assert not AuditRow.objects.filter(action="audit.restored").exists()


def test_a_chain_that_disagrees_before_an_anchor_that_agrees_is_no_restore(folder: Path) -> None:
    write(2, told=True)
    write(2)
    (place,) = anchors.places()
    place.keep(anchors.Head(position=1, hash="00" * 32, at=NOW))

    with pytest.raises(restored.Refused, match="not_at_the_end"):
        restored.accept(reason=REASON, now=NOW)

    assert len(lines(folder)) == 2


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_it_takes_a_reason(reason: str) -> None:
    with pytest.raises(restored.Refused, match="reason_missing"):
        restored.accept(reason=reason, now=NOW)


def test_there_is_nothing_to_accept_in_a_whole_chain() -> None:
    write(2, told=True)

    with pytest.raises(restored.Refused, match="nothing_cut"):
        restored.accept(reason=REASON, now=NOW)


def test_a_row_in_the_database_alone_accepts_nothing(folder: Path) -> None:
    """Who cut the chain on purpose can write any row, but not to the places outside."""
    write(2, told=True)
    write(2, told=True)
    kept = (folder / anchors.FILE_NAME).read_bytes()
    restore(2)
    restored.accept(reason=REASON, now=NOW)

    (folder / anchors.FILE_NAME).write_bytes(kept)

    assert any("anchored in file" in fault for fault in anchors.verify().faults)
    assert anchors.verify().accepted == []


def test_the_command_tells_the_break_and_ends_well() -> None:
    write(2, told=True)
    write(2, told=True)
    restore(2)
    with pytest.raises(CommandError) as broken:
        call_command("audit", "verify", stdout=StringIO())
    assert broken.value.returncode == 1
    call_command("audit", "restored", "--reason", REASON, stdout=StringIO())
    out = StringIO()

    call_command("audit", "verify", stdout=out)

    assert f"a backup was restored: anchors of position {4 + 1} count no more" in out.getvalue()


def test_an_export_is_verified_over_the_break_by_the_script_alone(
    folder: Path, tmp_path: Path
) -> None:
    write(2, told=True)
    write(2, told=True)
    restore(2)
    restored.accept(reason=REASON, now=NOW)
    write(5)

    done = verified_outside(folder, tmp_path)

    assert done.returncode == 0, done.stderr
    assert f"positions 5 are void, a backup was restored: {REASON}" in done.stdout
    assert AuditSeal.objects.count() > 5


def verified_outside(folder: Path, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    """What the script says of an export of the whole trail, compared with the file of anchors."""
    file = tmp_path / "trail.zip"
    call_command("audit", "export", str(file), stdout=StringIO())
    script = ROOT / "docs/verify/verify_audit_export.py"
    anchored = ["--anchors", str(folder / anchors.FILE_NAME)]
    return subprocess.run(
        [sys.executable, str(script), str(file), *anchored], capture_output=True, text=True
    )


def test_the_script_takes_no_history_that_was_written_anew(folder: Path, tmp_path: Path) -> None:
    write(2, told=True)
    write(2, told=True)
    rewrite_everything()
    keep(5, head_at(5), *lines(folder))

    done = verified_outside(folder, tmp_path)

    assert done.returncode == 2
    assert "no restore makes void what line 3 of the anchors" in done.stderr


def test_the_script_takes_no_break_of_which_no_row_in_the_trail_tells(
    folder: Path, tmp_path: Path
) -> None:
    write(2, told=True)
    write(2, told=True)
    cut_off = lines(folder)[-1]
    restore(2)
    write(2)
    keep(4, head_at(4), cut_off)

    done = verified_outside(folder, tmp_path)

    assert done.returncode == 1
    assert "no row audit.restored up to there names what line 3" in done.stderr


def test_a_line_whose_void_anchors_cannot_be_read_is_told(folder: Path) -> None:
    write(2, told=True)
    (line,) = lines(folder)
    (folder / anchors.FILE_NAME).write_text(json.dumps({**line, "restored": {"void": 1}}) + "\n")

    with pytest.raises(anchors.Failed, match="does not name the anchors that it makes void"):
        anchors.verify()


def keep(position: int, head: str, *void: dict[str, Any]) -> None:
    """What somebody who can write to the folder tells it."""
    (place,) = anchors.places()
    named = frozenset((each["position"], each["hash"]) for each in void)
    place.keep(anchors.Head(position=position, hash=head, at=NOW, reason=REASON, void=named))


def head_at(position: int) -> str:
    return bytes(AuditSeal.objects.get(position=position).hash).hex()


def test_a_history_that_was_written_anew_is_not_accepted(folder: Path) -> None:
    write(2, told=True)
    write(2, told=True)
    rewrite_everything()

    with pytest.raises(restored.Refused, match="nothing_agrees"):
        restored.accept(reason=REASON, now=NOW)

    assert len(lines(folder)) == 2
    assert not AuditRow.objects.filter(action="audit.restored").exists()


def test_an_anchor_that_makes_all_others_void_hides_no_other_history(folder: Path) -> None:
    write(2, told=True)
    write(2, told=True)
    rewrite_everything()
    keep(5, head_at(5), *lines(folder))

    verdict = anchors.verify()

    assert len(verdict.faults) == 3  # both anchors, and the one that makes them void
    assert "no restore makes void what file" in verdict.faults[-1]
    assert verdict.accepted == []


def test_an_anchor_that_makes_itself_void_hides_nothing(folder: Path) -> None:
    write(2, told=True)
    write(2, told=True)
    keep(9, "ff" * 32, {"position": 9, "hash": "ff" * 32}, lines(folder)[-1])

    assert any("position 9" in fault for fault in anchors.verify().faults)


def test_an_anchor_makes_none_void_that_was_not_told_before_it() -> None:
    write(2, told=True)
    later = {"position": 5, "hash": "ff" * 32}
    keep(2, "ee" * 32, later)
    keep(5, "ff" * 32)

    assert any("anchored in file" in fault for fault in anchors.verify().faults)
    assert any("no restore makes void" in fault for fault in anchors.verify().faults)


def test_an_anchor_makes_none_void_that_lies_before_one_that_counts(folder: Path) -> None:
    write(2, told=True)
    write(2, told=True)
    write(2, told=True)
    keep(7, head_at(7), lines(folder)[1])

    (fault,) = anchors.verify().faults

    assert fault.startswith("no restore makes void")


def test_an_anchor_makes_none_void_of_which_no_row_in_the_trail_tells(folder: Path) -> None:
    write(2, told=True)
    write(2, told=True)
    cut_off = lines(folder)[-1]
    restore(2)
    write(2)
    keep(4, head_at(4), cut_off)

    (fault,) = anchors.verify().faults

    assert fault.startswith("no row audit.restored names what file")


def test_what_makes_others_void_has_to_agree_with_the_chain_itself(folder: Path) -> None:
    write(2, told=True)
    write(2, told=True)
    restore(2)
    restored.accept(reason=REASON, now=NOW)
    write(2)
    rewrite_everything()
    anchored = lines(folder)

    faults = anchors.verify().faults

    assert any(f"position {anchored[-1]['position']} is not the one" in fault for fault in faults)


def test_a_restore_after_which_something_ran_is_accepted_once_the_backup_is_restored_again() -> (
    None
):
    write(2, told=True)
    write(2, told=True)
    restore(2)
    write(6, told=True)
    with pytest.raises(restored.Refused, match="not_at_the_end"):
        restored.accept(reason=REASON, now=NOW)
    restore(2)

    restored.accept(reason=REASON, now=NOW)

    assert anchors.verify().faults == []


@pytest.mark.parametrize("evidence", [[], {"void": 1}])
def test_a_row_that_names_nothing_readable_stops_no_verification(evidence: Any) -> None:
    AuditRow.objects.bulk_create([row_of(evidence)])
    audit.seal_all(now=NOW)

    assert anchors.verify().faults == []


def row_of(evidence: Any) -> AuditRow:
    row = AuditRow(
        uid=uuid.uuid4(),
        at=NOW,
        actor="system:test",
        action=audit.RESTORED,
        object_type="audit_trail",
        object_id="1",
        evidence=evidence,
    )
    row.row_hash = audit.row_digest(row)
    return row
