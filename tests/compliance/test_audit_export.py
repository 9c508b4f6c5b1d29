"""An export proves itself: the verifier needs nothing but the export, and finds every tampering."""

import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from compliance import audit
from compliance.models import AuditRow, AuditSeal
from compliance.trail import anchors
from compliance.trail.archive import FORMS
from compliance.trail.export import Filter, export

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
VERIFIER = ROOT / "docs/verify/verify_audit_export.py"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ACTOR = "user:auditor"
# Whatever a spreadsheet, a line reader or a JSON reader could stumble over.
AWKWARD = ["=1+1", "'quoted", 'a,b;"c"', "línea\u2028\nnueva", "\t", "\\.", "\\N", "日本", "-"]


@pytest.fixture(autouse=True)
def anchor_folder(settings: Any, tmp_path: Path) -> Path:
    settings.AUDIT_ANCHORS_DIR = str(tmp_path / "anchors")
    settings.AUDIT_ANCHORS_BUCKET = ""
    return tmp_path / "anchors"


def write(number: int, **changes: Any) -> AuditRow:
    values: dict[str, Any] = {
        "actor": f"user:{number % 2}",
        "action": "thing.done",
        "object_type": "thing",
        "object_id": str(number),
        "evidence": {"amount": "1.10", "ção": ["á", None, True, {"b": 1, "a": 2}]},
        "now": NOW + timedelta(minutes=number),
    }
    return audit.record(**{**values, **changes})


@pytest.fixture
def rows() -> list[AuditRow]:
    """Twelve sealed rows, of two people in turn."""
    made = [write(number) for number in range(12)]
    audit.seal_all(now=NOW)
    return made


def exported(tmp_path: Path, form: str = "jsonl", **chosen: Any) -> Path:
    path = tmp_path / f"export-{form}.zip"
    pieces = export(chosen=Filter(**chosen), form=form, actor=ACTOR, now=timezone.now())
    path.write_bytes(b"".join(pieces))
    return path


def verified(path: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(VERIFIER), str(path), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def files(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def repacked(path: Path, changed: dict[str, bytes], *, own_manifest: bool) -> Path:
    """The archive with other files; with a manifest that agrees with them if the forger is good."""
    content = files(path) | changed
    if own_manifest:
        manifest = json.loads(content["manifest.json"])
        for name, told in manifest["files"].items():
            told["bytes"] = len(content[name])
            told["sha256"] = hashlib.sha256(content[name]).hexdigest()
        content["manifest.json"] = json.dumps(manifest).encode()
    forged = path.with_name("forged.zip")
    with zipfile.ZipFile(forged, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return forged


def manifest_of(path: Path) -> dict[str, Any]:
    return dict(json.loads(files(path)["manifest.json"]))


@pytest.mark.parametrize("form", FORMS)
def test_an_export_of_everything_verifies_with_the_standard_library_alone(
    rows: list[AuditRow], tmp_path: Path, form: str
) -> None:
    path = exported(tmp_path, form)

    code, told = verified(path)

    head = bytes(AuditSeal.objects.get(position=12).hash).hex()
    assert code == 0, told
    assert told.startswith(f"12 rows, 0 hashes of rows left out, head {head}\n")


@pytest.mark.parametrize("form", FORMS)
def test_any_text_reads_back_to_its_own_hash(tmp_path: Path, form: str) -> None:
    for text in AWKWARD:
        write(
            1,
            actor=text,
            action=text,
            object_type=text,
            object_id=text,
            evidence={text: [text, {"n": 10**14, "t": True}]},
        )
    audit.seal_all(now=NOW)

    path = exported(tmp_path, form)

    assert verified(path)[0] == 0
    if form == "csv":
        cells = list(csv.reader(io.StringIO(files(path)["rows.csv"].decode(), newline="")))
        assert [line[3] for line in cells[1:]] == [
            f"'{text}" if text[0] in "=+-@\t\r'" else text for text in AWKWARD
        ]
    else:
        lines = files(path)["rows.jsonl"].decode().split("\n")[:-1]
        assert [json.loads(line)["actor"] for line in lines] == AWKWARD


def test_the_manifest_tells_what_who_and_when(rows: list[AuditRow], tmp_path: Path) -> None:
    path = exported(tmp_path, actor="user:1", since=NOW + timedelta(minutes=3))

    manifest, content = manifest_of(path), files(path)
    hashes = {seal.position: bytes(seal.hash).hex() for seal in AuditSeal.objects.all()}
    assert manifest["filter"] == {"actor": "user:1", "since": "2026-11-20T12:03:00+00:00"}
    assert (manifest["format"], manifest["exported_by"]) == ("agora-audit-export-1", ACTOR)
    assert (manifest["rows"], manifest["links"]) == (5, 4)
    assert (manifest["first_row"], manifest["last_row"]) == (4, 12)
    assert manifest["range"] == {"first": 4, "last": 12, "before": hashes[3], "head": hashes[12]}
    for name, told in manifest["files"].items():
        assert told == {
            "bytes": len(content[name]),
            "sha256": hashlib.sha256(content[name]).hexdigest(),
        }


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"actor": "user:1"}, [1, 3, 5, 7, 9, 11]),
        ({"object_id": "4"}, [4]),
        (
            {"object_type": "thing", "action": "thing.done", "actor": "user:0", "object_id": "2"},
            [2],
        ),
        ({"since": NOW + timedelta(minutes=10)}, [10, 11]),
        ({"until": NOW + timedelta(minutes=2)}, [0, 1]),
        ({"since": NOW + timedelta(minutes=2), "until": NOW + timedelta(minutes=4)}, [2, 3]),
        ({"action": "nothing.such"}, []),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_filter_chooses_rows_and_the_chain_still_verifies(
    rows: list[AuditRow], tmp_path: Path, form: str, chosen: dict[str, Any], expected: list[int]
) -> None:
    path = exported(tmp_path, form, **chosen)

    content = files(path)[f"rows.{form}"].decode()
    read = (
        [json.loads(line) for line in content.splitlines()]
        if form == "jsonl"
        else list(csv.DictReader(io.StringIO(content)))
    )
    assert [int(row["object_id"]) for row in read] == expected
    code, told = verified(path)
    assert code == 0, told


def test_an_export_without_a_row_says_so(rows: list[AuditRow], tmp_path: Path) -> None:
    code, told = verified(exported(tmp_path, actor="user:nobody"))

    assert code == 0
    assert told.endswith("no rows: this export proves nothing of any row\n")


def test_rows_that_are_not_sealed_yet_are_left_out(rows: list[AuditRow], tmp_path: Path) -> None:
    write(99)

    assert manifest_of(exported(tmp_path))["rows"] == 12


def test_an_export_stands_in_the_trail_itself(rows: list[AuditRow], tmp_path: Path) -> None:
    path = exported(tmp_path, actor="user:1")

    told = [row.evidence for row in AuditRow.objects.filter(object_type="audit_trail")]
    assert [row["filter"] for row in told] == [{"actor": "user:1"}] * 2
    assert told[1]["files"] == manifest_of(path)["files"]
    assert set(AuditRow.objects.filter(object_type="audit_trail").values_list("actor")) == {
        (ACTOR,)
    }


def test_a_download_that_is_broken_off_has_left_its_row(rows: list[AuditRow]) -> None:
    pieces = export(chosen=Filter(), form="jsonl", actor=ACTOR, now=NOW)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]  # it is a generator

    actions = AuditRow.objects.filter(object_type="audit_trail").values_list("action", flat=True)
    assert list(actions) == ["audit.export_started"]


def lines_of(path: Path, name: str = "rows.jsonl") -> list[bytes]:
    return files(path)[name].splitlines(keepends=True)


def changed_row(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(b'"1.10"', b'"9.99"'), *lines[3:]]


def changed_row_with_its_hash(lines: list[bytes]) -> list[bytes]:
    row = json.loads(lines[2])
    row["evidence"] = {"amount": "9.99"}
    content = {k: v for k, v in row.items() if k not in ("position", "row_hash", "hash")}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    row["row_hash"] = hashlib.sha256(text.encode()).hexdigest()
    return [*lines[:2], json.dumps(row).encode() + b"\n", *lines[3:]]


def removed_row(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], *lines[3:]]


def removed_last_row(lines: list[bytes]) -> list[bytes]:
    return lines[:-1]


def inserted_row(lines: list[bytes]) -> list[bytes]:
    return [*lines[:3], lines[2], *lines[3:]]


def moved_row(lines: list[bytes]) -> list[bytes]:
    return [*lines[:1], lines[2], lines[1], *lines[3:]]


def moved_row_with_its_position(lines: list[bytes]) -> list[bytes]:
    second, third = json.loads(lines[1]), json.loads(lines[2])
    second["position"], third["position"] = third["position"], second["position"]
    return [lines[0], *(json.dumps(row).encode() + b"\n" for row in (third, second)), *lines[3:]]


TAMPERING: list[tuple[Callable[[list[bytes]], list[bytes]], str]] = [
    (changed_row, "the row at position {third} "),
    (changed_row_with_its_hash, "the chain breaks at position {third} "),
    (removed_row, "position {third} is missing"),
    (removed_last_row, "position {last} is missing"),
    (inserted_row, "position {third} stands twice or in the wrong order"),
    (moved_row, "position {second} stands twice or in the wrong order"),
    (moved_row_with_its_position, "the chain breaks at position {second} "),
]


@pytest.mark.parametrize("own_manifest", [False, True])
@pytest.mark.parametrize("chosen", [{}, {"actor": "user:1"}], ids=["everything", "filtered"])
@pytest.mark.parametrize(("tamper", "told"), TAMPERING, ids=[t[0].__name__ for t in TAMPERING])
def test_a_tampered_row_is_found_and_named(
    rows: list[AuditRow],
    tmp_path: Path,
    tamper: Callable[[list[bytes]], list[bytes]],
    told: str,
    chosen: dict[str, Any],
    own_manifest: bool,
) -> None:
    path = exported(tmp_path, **chosen)
    lines = lines_of(path)
    positions = [json.loads(line)["position"] for line in lines]
    names = {"second": positions[1], "third": positions[2], "last": positions[-1]}

    forged = repacked(path, {"rows.jsonl": b"".join(tamper(lines))}, own_manifest=own_manifest)

    code, output = verified(forged)
    wanted = told.format(**names).replace("12 is missing", "12–12 is missing at the end")
    assert (code, wanted in output) == (1, True), output
    assert ("is not the file that the manifest names" in output) is not own_manifest


@pytest.mark.parametrize("own_manifest", [False, True])
def test_a_tampered_csv_is_found(rows: list[AuditRow], tmp_path: Path, own_manifest: bool) -> None:
    path = exported(tmp_path, "csv")
    content = files(path)["rows.csv"].replace(b"1.10", b"9.99", 1)

    code, output = verified(repacked(path, {"rows.csv": content}, own_manifest=own_manifest))

    assert (code, "the row at position 1 " in output) == (1, True)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda links: links[1:],
        lambda links: [links[1], links[0], *links[2:]],
        lambda links: [links[0].replace(links[0][-4:-1], b"000"), *links[1:]],
        lambda links: [*links, links[-1]],
    ],
    ids=["removed", "moved", "changed", "inserted"],
)
def test_the_hashes_of_rows_left_out_count_too(
    rows: list[AuditRow], tmp_path: Path, tamper: Callable[[list[bytes]], list[bytes]]
) -> None:
    path = exported(tmp_path, actor="user:1")
    links = b"".join(tamper(lines_of(path, "links.txt")))

    code, output = verified(repacked(path, {"links.txt": links}, own_manifest=True))

    assert code == 1, output


def test_a_row_hidden_among_those_left_out_changes_the_manifest(
    rows: list[AuditRow], tmp_path: Path
) -> None:
    path = exported(tmp_path, actor="user:1")
    lines, links = lines_of(path), lines_of(path, "links.txt")
    hidden = json.loads(lines[2])
    link = f"{hidden['position']} {hidden['row_hash']}\n".encode()
    changed = {
        "rows.jsonl": b"".join([*lines[:2], *lines[3:]]),
        "links.txt": b"".join(sorted([*links, link], key=lambda line: int(bytes(line).split()[0]))),
    }

    code, output = verified(repacked(path, changed, own_manifest=True))

    assert (code, "the manifest names 6 rows, read: 5" in output) == (1, True)


@pytest.mark.parametrize("hidden", ["a row in the middle", "the beginning"])
def test_an_export_of_everything_leaves_out_nothing(
    rows: list[AuditRow], tmp_path: Path, hidden: str
) -> None:
    path = exported(tmp_path)
    manifest, lines = manifest_of(path), lines_of(path)
    if hidden == "a row in the middle":
        row, links = json.loads(lines.pop(5)), 1
        told = f"{row['position']} {row['row_hash']}\n".encode()
    else:
        before, links, told = json.loads(lines[4])["hash"], 0, b""
        del lines[:5]
        manifest["range"] |= {"first": 6, "before": before}
    manifest |= {"rows": len(lines), "links": links}
    changed = {
        "rows.jsonl": b"".join(lines),
        "links.txt": told,
        "manifest.json": json.dumps(manifest).encode(),
    }

    code, output = verified(repacked(path, changed, own_manifest=True))

    assert (code, "rows are left out" in output) == (1, True)


def test_an_export_of_another_chain_is_found_by_an_anchor(
    rows: list[AuditRow], tmp_path: Path, anchor_folder: Path
) -> None:
    anchors.anchor(now=NOW)
    path = exported(tmp_path)
    kept = anchor_folder / anchors.FILE_NAME
    assert (
        "agrees with what was anchored: position 12, line 1"
        in verified(path, "--anchors", str(kept))[1]
    )

    lines, head = [], audit.GENESIS
    for line in lines_of(path):
        row = json.loads(line)
        row["evidence"] = {"amount": "9.99"}
        content = {k: v for k, v in row.items() if k not in ("position", "row_hash", "hash")}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(text.encode()).digest()
        head = hashlib.sha256(head + digest).digest()
        row["row_hash"], row["hash"] = digest.hex(), head.hex()
        lines.append(json.dumps(row).encode() + b"\n")
    manifest = manifest_of(path)
    manifest["range"]["head"] = head.hex()
    changed = {"rows.jsonl": b"".join(lines), "manifest.json": json.dumps(manifest).encode()}
    forged = repacked(path, changed, own_manifest=True)

    assert verified(forged)[0] == 0, "nothing in the export itself tells"
    code, output = verified(forged, "--anchors", str(kept))
    assert code == 1
    assert "position 12 is not what was anchored in line 1 of the anchors" in output


def cut_off(path: Path, last: int) -> Path:
    """The export without its rows after a position, and a manifest that knows of none."""
    lines = lines_of(path)[:last]
    manifest = manifest_of(path)
    manifest["range"] |= {"last": last, "head": json.loads(lines[-1])["hash"]}
    manifest |= {"rows": last, "last_row": last}
    changed = {"rows.jsonl": b"".join(lines), "manifest.json": json.dumps(manifest).encode()}
    return repacked(path, changed, own_manifest=True)


def test_an_export_whose_end_was_cut_off_is_found_by_an_anchor(
    rows: list[AuditRow], tmp_path: Path, anchor_folder: Path
) -> None:
    write(99)
    audit.seal_all(now=NOW)
    anchors.anchor(now=NOW)
    kept = str(anchor_folder / anchors.FILE_NAME)
    path = exported(tmp_path)
    assert verified(path, "--anchors", kept)[0] == 0

    forged = cut_off(path, 12)

    assert verified(forged)[0] == 0, "nothing in the export itself tells"
    code, output = verified(forged, "--anchors", kept)
    assert code == 1
    assert "the export ends before position 13 of line 1 of the anchors" in output


@pytest.mark.parametrize("chosen", [{}, {"actor": "user:1"}], ids=["everything", "filtered"])
def test_anchors_that_are_newer_than_the_export_do_not_count(
    rows: list[AuditRow], tmp_path: Path, anchor_folder: Path, chosen: dict[str, Any]
) -> None:
    anchors.anchor(now=NOW)
    path = exported(tmp_path, **chosen)
    told = datetime.fromisoformat(manifest_of(path)["exported_at"])
    for later in (timedelta(0), timedelta(days=1)):
        write(99)
        audit.seal_all(now=NOW)
        anchors.anchor(now=told + later)

    code, output = verified(path, "--anchors", str(anchor_folder / anchors.FILE_NAME))

    assert (code, "agrees with what was anchored: position 12" in output) == (0, True), output


def test_who_verifies_reads_when_it_was_exported_and_what_a_filter_does_not_show(
    rows: list[AuditRow], tmp_path: Path
) -> None:
    path = exported(tmp_path)
    at = manifest_of(path)["exported_at"]
    assert f"exported at {at}, says the manifest" in verified(path)[1]
    assert "filtered" not in verified(path)[1]

    _code, output = verified(exported(tmp_path, object_id="3"))

    assert "filtered: does not show whether later rows than position 12 match" in output


def test_a_filtered_export_reaches_to_the_next_anchor(
    rows: list[AuditRow], tmp_path: Path, anchor_folder: Path
) -> None:
    anchors.anchor(now=NOW)
    audit.seal_all(now=NOW)

    path = exported(tmp_path, object_id="3")

    assert manifest_of(path)["range"]["last"] == 12
    code, output = verified(path, "--anchors", str(anchor_folder / anchors.FILE_NAME))
    assert (code, "agrees with what was anchored: position 12" in output) == (0, True)


@pytest.mark.parametrize(
    "content",
    [b"", b"not a zip", b"PK\x05\x06" + b"\0" * 18],
    ids=["empty", "text", "zip of nothing"],
)
def test_what_is_no_export_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(content)

    assert verified(path)[0] == 2


@pytest.mark.parametrize("name", ["rows.jsonl", "links.txt"])
@pytest.mark.parametrize("garbage", [b"{}\n", b"hello\n", b"\xff\xfe\n", b"1 zz\n"])
def test_a_line_that_is_none_is_refused(
    rows: list[AuditRow], tmp_path: Path, name: str, garbage: bytes
) -> None:
    path = exported(tmp_path, actor="user:1")

    forged = repacked(path, {name: files(path)[name] + garbage}, own_manifest=True)

    assert verified(forged)[0] == 2


def encrypted(path: Path) -> bytes:
    """The archive with the flag of an encrypted file on each of its files (APPNOTE 4.4.4, bit 0)."""
    content = bytearray(path.read_bytes())
    for header, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        found = content.find(header)
        while found >= 0:
            content[found + at] |= 1
            found = content.find(header, found + 1)
    return bytes(content)


def badly_packed(path: Path) -> bytes:
    """The archive with files that call themselves deflated and are not."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files(path).items():
            archive.writestr(name, content)
    spoilt = bytearray(packed.getvalue())
    start = spoilt.find(b"rows.jsonl") + len("rows.jsonl")
    spoilt[start : start + 20] = b"\xff" * 20
    return bytes(spoilt)


@pytest.mark.parametrize("spoil", [encrypted, badly_packed])
def test_an_archive_that_cannot_be_unpacked_is_refused(
    rows: list[AuditRow], tmp_path: Path, spoil: Callable[[Path], bytes]
) -> None:
    path = exported(tmp_path)
    path.write_bytes(spoil(path))

    code, output = verified(path)

    assert (code, "cannot be verified" in output) == (2, True), output


@pytest.mark.parametrize(
    ("form", "line"),
    [("csv", b'1,2,"x\ry"z\r\rq,'), ("jsonl", b'{"position":1,"evidence":' + b"[" * 100_000)],
)
def test_a_line_that_no_reader_takes_is_refused(
    rows: list[AuditRow], tmp_path: Path, form: str, line: bytes
) -> None:
    path = exported(tmp_path, form)
    name = f"rows.{form}"

    changed = {name: files(path)[name] + line + b"\n"}
    code, output = verified(repacked(path, changed, own_manifest=True))

    assert (code, "cannot be verified" in output) == (2, True), output


@pytest.mark.parametrize("line", [b"[1]", b"1", b"null", b"{}"])
def test_anchors_that_are_none_are_refused(
    rows: list[AuditRow], tmp_path: Path, line: bytes
) -> None:
    kept = tmp_path / "kept.jsonl"
    kept.write_bytes(line + b"\n")

    code, output = verified(exported(tmp_path), "--anchors", str(kept))

    assert (code, "line 1 of the anchors is not an anchor" in output) == (2, True), output


def test_an_anchor_whose_writing_was_cut_off_is_left_out(
    rows: list[AuditRow], tmp_path: Path, anchor_folder: Path
) -> None:
    anchors.anchor(now=NOW)
    kept = anchor_folder / anchors.FILE_NAME
    kept.write_bytes(kept.read_bytes() + b'{"format": "agora-au')

    code, output = verified(exported(tmp_path), "--anchors", str(kept))

    assert (code, "agrees with what was anchored: position 12, line 1" in output) == (0, True)


def test_an_unpacked_export_verifies_too(rows: list[AuditRow], tmp_path: Path) -> None:
    with zipfile.ZipFile(exported(tmp_path)) as archive:
        archive.extractall(tmp_path / "unpacked")

    assert verified(tmp_path / "unpacked")[0] == 0
