"""A snapshot as a file: CSV, XLSX, JSON or PDF, each with the snapshot's hash (RAT-003).

JSON is the document that the hash is of; the others show the same for people. Names of columns are
those of the document, in every language.
"""

import csv
import io
import json
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

import xlsxwriter
from django.utils.translation import gettext_lazy as _

from compliance.models import ReserveSnapshot
from compliance.reserves import content, pdf, snapshots

Document = dict[str, Any]
FORMS = ("csv", "xlsx", "json", "pdf")
CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}
# Every figure with what it is called for people, in the order in which it is read.
FIGURES = (
    ("total_supply", _("Tokens in existence (chain)")),
    ("holders_sum", _("Held by all addresses (chain)")),
    ("holders", _("Addresses that hold tokens")),
    ("balances_asked", _("Of these asked of the contract, too")),
    ("broker_position", _("Shares at the broker")),
    ("vault_balance", _("Receipts in the custodian's vault")),
    ("orders_filled", _("Filled orders (ours)")),
    ("custody_records", _("Completed custody records (ours)")),
    ("minted_records", _("Confirmed mint transactions (ours)")),
    ("matched_orders", _("Orders alike on every leg")),
    ("matched", _("Their quantity")),
    ("in_flight_orders", _("Orders in flight")),
    ("in_flight", _("In flight: at the broker, not in the supply")),
    ("in_flight_in_custody", _("In flight: in custody, not in the supply")),
    ("not_minted", _("Bought and not to be minted: owed back in money")),
    ("not_minted_in_custody", _("Of these in custody")),
    ("kept", _("Kept by Agora: the buyer was paid back")),
    ("kept_in_custody", _("Of these in custody")),
    ("custody_difference", _("Receipts without explanation")),
)
_ROW = ("number", "kind", "break", "order", "leg", "reference", *content.QUANTITIES)


class UnknownForm(Exception):
    """There is no such kind of file."""


@dataclass(frozen=True)
class File:
    """A file, open at its start; whoever sends it closes it."""

    content: IO[bytes]
    name: str
    content_type: str


def export(*, snapshot_id: uuid.UUID, form: str, actor: str, now: datetime) -> File:
    """A ready snapshot as `csv`, `xlsx`, `json` or `pdf`; noted in the audit trail.

    Raises ReserveSnapshot.DoesNotExist (also while it is not ready) and UnknownForm.
    """
    if form not in FORMS:
        raise UnknownForm(form)
    snapshot = ReserveSnapshot.objects.select_related("signature").get(
        pk=snapshot_id, state=ReserveSnapshot.State.READY
    )
    file = _write(snapshot, form)
    evidence: dict[str, object] = {"form": form, "content_hash": snapshot.content_hash}
    snapshots.record(snapshot, "reserve.exported", actor, evidence, now)
    name = f"agora-proof-of-reserve-{snapshot.built_at:%Y-%m-%d-%H%M}-{snapshot.content_hash[:8]}"
    return File(file, f"{name}.{form}", CONTENT_TYPES[form])


def _write(snapshot: ReserveSnapshot, form: str) -> IO[bytes]:
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # the caller sends and closes it
    try:
        _WRITERS[form](file, snapshot, content.stored(snapshot))
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def signed(snapshot: ReserveSnapshot) -> Document | None:
    """Who signed and what, for a file; ids only, because a file travels."""
    signature = getattr(snapshot, "signature", None)
    if signature is None:
        return None
    return {
        "proposed_by": str(signature.maker_id),
        "approved_by": str(signature.checker_id),
        "signed_at": content.moment(signature.signed_at),
        "statement": signature.statement,
        "explanations": signature.explanations,
    }


def _write_json(file: IO[bytes], snapshot: ReserveSnapshot, document: Document) -> None:
    whole = {
        "content_hash": snapshot.content_hash,
        "content": document,
        "signature": signed(snapshot),
    }
    file.write(json.dumps(whole, ensure_ascii=False, indent=1).encode() + b"\n")


def _facts(snapshot: ReserveSnapshot, document: Document) -> Iterator[tuple[str, object]]:
    """Name and value of everything but the rows, flat."""
    yield "content_hash", snapshot.content_hash
    for name in ("id", "symbol", "requested_at", "built_at", "chain_id", "contract"):
        yield name, document[name]
    for group in ("block", "figures", "tree"):
        for name, value in document[group].items():
            yield f"{group}.{name}", value
    yield "difference", document["difference"]
    yield "breaks", document["breaks"]
    for source in document["sources"]:
        yield f"source.{source['name']}", f"{source['asked_at']}/{source['answered_at']}"
    signature = signed(snapshot)
    if signature is None:
        yield "signature", "none"
        return
    for name, value in signature.items():
        if name not in ("statement", "explanations"):
            yield f"signature.{name}", value
    for each in signature["explanations"]:
        yield f"explanation.{each['row']}", f"{each['kind']}, since {each['since']}: {each['text']}"


def _write_csv(file: IO[bytes], snapshot: ReserveSnapshot, document: Document) -> None:
    """Two tables, a blank line between them: names with values, then the rows."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(["name", "value"])
    writer.writerows(_facts(snapshot, document))
    writer.writerow([])
    writer.writerow(_ROW)
    writer.writerows(_cells(row) for row in document["rows"])
    text.detach()  # flushed; the file stays open for who sends it


def _cells(row: Document) -> list[str]:
    """Ids of vendors come from outside: none of them may begin a formula in a spreadsheet."""
    return [_harmless("" if row[name] is None else str(row[name])) for name in _ROW]


def _harmless(text: str) -> str:
    is_number = text[1:].replace(".", "", 1).isdigit()
    return f"'{text}" if text[:1] in "=+-@\t\r" and text and not is_number else text


def _write_xlsx(file: IO[bytes], snapshot: ReserveSnapshot, document: Document) -> None:
    """Sheets for the figures and for each part of the rows; row by row, so memory stays the same."""
    book = xlsxwriter.Workbook(
        file,
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
        },
    )
    facts = [["name", "value"], *([name, str(value)] for name, value in _facts(snapshot, document))]
    _sheet(book, "Snapshot", facts)
    names = ("In flight", "Not minted", "Differences")
    for name, part in zip(names, content.parted(document["rows"]), strict=True):
        _sheet(book, name, [list(_ROW), *map(_cells, part)])
    book.close()


def _sheet(book: Any, name: str, lines: Sequence[Sequence[str]]) -> None:
    sheet = book.add_worksheet(name)
    # Figures are text, because a number of a spreadsheet keeps only 15 digits.
    sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(lines[0]) - 1, 24)
    bold = book.add_format({"bold": True})
    for number, line in enumerate(lines):
        for place, value in enumerate(line):
            sheet.write_string(number, place, value, bold if number == 0 else None)


def _write_pdf(file: IO[bytes], snapshot: ReserveSnapshot, document: Document) -> None:
    figures = [(str(label), document["figures"].get(name, "–")) for name, label in FIGURES]
    file.write(pdf.render(snapshot, document, figures=figures, signature=signed(snapshot)))


_WRITERS: dict[str, Callable[[IO[bytes], ReserveSnapshot, Document], None]] = {
    "csv": _write_csv,
    "json": _write_json,
    "xlsx": _write_xlsx,
    "pdf": _write_pdf,
}
