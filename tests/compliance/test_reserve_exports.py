"""A snapshot as CSV, XLSX, JSON and PDF, and at the terminal: all tell the same, with its hash."""

import csv
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pypdfium2
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone, translation

from agora.sandbox.client import SandboxControl
from compliance.models import AuditRow, ReserveSnapshot
from compliance.reserves import exports
from tests.conftest import Chain
from tests.people import onboarded
from tests.reserving import a_snapshot, a_stored_snapshot, signed
from tests.settling import place, settle
from trading.models import Order
from trading.states import State

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(sandbox: SandboxControl, chain: Chain) -> Order:
    """An order in flight."""
    return settle(place(onboarded(), quantity="0.25"), chain=chain, until={State.CUSTODY_CONFIRMED})


@pytest.fixture
def snapshot(order: Order) -> ReserveSnapshot:
    return a_snapshot()


def export(snapshot: ReserveSnapshot, form: str) -> tuple[str, bytes]:
    file = exports.export(
        snapshot_id=snapshot.pk, form=form, actor="user:officer", now=timezone.now()
    )
    with file.content as opened:
        return file.name, opened.read()


def test_json_holds_what_the_hash_is_of(snapshot: ReserveSnapshot) -> None:
    signed(snapshot)
    name, raw = export(snapshot, "json")

    told = json.loads(raw)
    canonical = json.dumps(
        told["content"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    assert hashlib.sha256(canonical.encode()).hexdigest() == told["content_hash"]
    assert told["content_hash"] == snapshot.content_hash
    assert name.endswith(f"-{snapshot.content_hash[:8]}.json")
    assert "WHAT THIS DOES NOT PROVE" in told["signature"]["statement"]
    assert {each["name"] for each in told["content"]["sources"]} == {
        "chain",
        "holders",
        "broker",
        "custodian",
        "our records",
    }


def test_csv_holds_figures_and_rows(snapshot: ReserveSnapshot, order: Order) -> None:
    _name, raw = export(snapshot, "csv")

    lines = list(csv.reader(io.StringIO(raw.decode(), newline="")))
    gap = lines.index([])
    facts = dict(lines[1:gap])
    rows = [dict(zip(lines[gap + 1], line, strict=True)) for line in lines[gap + 2 :]]
    assert facts["content_hash"] == snapshot.content_hash
    assert facts["figures.total_supply"] == snapshot.figures["total_supply"]
    assert len(rows) == snapshot.rows.count()
    (mine,) = (row for row in rows if row["order"] == str(order.pk))
    assert (mine["kind"], mine["custody"], mine["chain"]) == ("to_mint", "0.25", "0")


def sheets(raw: bytes) -> list[list[list[str]]]:
    """The texts of a workbook in constant memory, sheet by sheet: inline strings."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(io.BytesIO(raw)) as book:
        names = sorted(name for name in book.namelist() if "worksheets/sheet" in name)
        trees = [ElementTree.fromstring(book.read(name)) for name in names]
    return [
        [
            ["".join(cell.itertext()) for cell in row.iter(f"{space}c")]
            for row in tree.iter(f"{space}row")
        ]
        for tree in trees
    ]


def test_a_workbook_holds_figures_flight_and_differences(
    snapshot: ReserveSnapshot, order: Order
) -> None:
    _name, raw = export(snapshot, "xlsx")

    facts, flight, not_minted, breaks = sheets(raw)
    assert ["content_hash", snapshot.content_hash] in facts
    assert len(flight) - 1 == int(snapshot.figures["in_flight_orders"])
    assert any(str(order.pk) in line for line in flight)
    assert len(not_minted) == 1
    assert len(breaks) - 1 == snapshot.breaks


def test_tables_say_that_nobody_has_signed(snapshot: ReserveSnapshot) -> None:
    _name, table = export(snapshot, "csv")
    _name, book = export(snapshot, "xlsx")
    assert ["signature", "none"] in list(csv.reader(io.StringIO(table.decode(), newline="")))
    assert ["signature", "none"] in sheets(book)[0]

    signed(snapshot)

    _name, table = export(snapshot, "csv")
    assert "signature,none" not in table.decode()
    assert "signature.signed_at," in table.decode()


def text_of(raw: bytes) -> str:
    document = pypdfium2.PdfDocument(raw)
    try:
        pages = [page.get_textpage().get_text_bounded() for page in document]
        return "\n".join(pages)
    finally:
        document.close()


@pytest.mark.parametrize("language", ["en", "pt-br", "es"])
def test_a_pdf_holds_figures_rows_and_the_statement(
    snapshot: ReserveSnapshot, order: Order, language: str
) -> None:
    signed(snapshot)
    with translation.override(language):
        _name, raw = export(snapshot, "pdf")

    text = "".join(text_of(raw).split())
    assert snapshot.content_hash in text
    assert snapshot.figures["total_supply"] in text
    assert str(order.pk) in text
    assert "WHATTHISDOESNOTPROVE" in text
    assert f"/Lang ({language})".encode() in raw


def test_figures_of_a_printed_statement_end_below_each_other(snapshot: ReserveSnapshot) -> None:
    signed(snapshot)
    _name, raw = export(snapshot, "pdf")

    ends = []
    with pypdfium2.PdfDocument(raw) as document:
        for text in (page.get_textpage() for page in document):
            for label in ("(chain, totalSupply)", "Mint transactions confirmed (ours)"):
                found = text.search(label).get_next()
                if found is not None:
                    end = text.get_text_range().index("\n", sum(found))
                    ends.append(round(text.get_charbox(end - 2, loose=True)[2]))
    assert len(ends) == 2
    assert len(set(ends)) == 1


def test_a_vendor_s_id_begins_no_formula() -> None:
    snapshot = a_stored_snapshot(state="REQUESTED", content_hash="", built_at=timezone.now())
    snapshot.rows.create(
        number=1,
        kind="unknown_broker",
        is_break=True,
        reference="=cmd()",
        **dict.fromkeys(("ordered", "recorded", "custody", "minted", "chain"), 0),
        broker=-1,
    )
    snapshot.state, snapshot.content_hash = "READY", "5" * 64
    snapshot.save()

    _name, raw = export(snapshot, "csv")

    last = list(csv.reader(io.StringIO(raw.decode())))[-1]
    assert "'=cmd()" in last
    assert "-1" in last


def test_an_export_is_noted(snapshot: ReserveSnapshot) -> None:
    export(snapshot, "csv")

    row = AuditRow.objects.get(action="reserve.exported")
    assert (row.actor, row.evidence["form"]) == ("user:officer", "csv")


def test_what_is_not_ready_is_not_exported() -> None:
    waiting = ReserveSnapshot.objects.create(
        requested_by="user:officer", requested_at=timezone.now()
    )

    with pytest.raises(ReserveSnapshot.DoesNotExist):
        export(waiting, "json")


def run(*args: str) -> tuple[int, str]:
    """The command's exit code and what it wrote."""
    output = io.StringIO()
    try:
        call_command("proof_of_reserve", *args, stdout=output)
    except CommandError as error:
        return error.returncode, output.getvalue()
    return 0, output.getvalue()


def test_the_command_builds_shows_verifies_and_exports(order: Order, tmp_path: Path) -> None:
    built, text = run("build", "--json")
    told: dict[str, Any] = json.loads(text)
    snapshot = ReserveSnapshot.objects.get(pk=told["content"]["id"])
    assert built == (0 if snapshot.agrees else 1)
    assert told["content_hash"] == snapshot.content_hash

    assert run("verify") == (
        0,
        f"{snapshot.pk} {snapshot.content_hash}, verified with the chain\n",
    )
    assert str(order.pk) in run("show")[1]
    code, _text = run("export", "--form", "csv", "--output", str(tmp_path / "por.csv"))
    assert (code, (tmp_path / "por.csv").stat().st_size > 0) == (0, True)


def test_the_command_says_what_is_wrong_by_its_exit_code(
    snapshot: ReserveSnapshot, sandbox: SandboxControl, tmp_path: Path
) -> None:
    assert run("show", "--id", "00000000-0000-0000-0000-000000000000")[0] == 3
    assert run("export", "--output", str(tmp_path / "none" / "por.json"))[0] == 2

    sandbox.fault("GET /alpaca/v2/positions/AAPL", "status", status=503)
    assert run("build")[0] == 4

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE compliance_reserverow SET broker = broker + 1")
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert run("verify", "--offline", "--id", str(snapshot.pk))[0] == 1
