"""A snapshot as a PDF to print and sign: text with an embedded font, outline, language and title.

fpdf2 writes no structure tags; reading order is the order of the text, and the same is on the page
of the snapshot and in the other forms.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext as _
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from compliance.models import ReserveRow, ReserveSnapshot
from compliance.reserves import content

_FONTS = Path(__file__).parent / "fonts"
# A figure of the statement: spaces align it there, which takes a font of one width.
_FIGURE = re.compile(r" ?(?P<number>\d+\.) (?P<label>\S.*?) {2,}(?P<value>\S+)")
_MOST_ROWS = 500  # of each table; the other forms have all
_HEADS = ("kind", "order", *content.QUANTITIES)


class _Report(FPDF):
    """Pages with the snapshot's hash and their number at the bottom."""

    def __init__(self, *, content_hash: str) -> None:
        super().__init__(format="A4")
        self.content_hash = content_hash
        self.add_font("Inter", "", _FONTS / "Inter-Regular.ttf")
        self.add_font("Inter", "B", _FONTS / "Inter-Bold.ttf")
        self.set_margins(15, 15)
        self.set_auto_page_break(auto=True, margin=18)

    def footer(self) -> None:
        self.set_y(-13)
        self.set_font("Inter", "", 6.5)
        self.cell(0, 5, f"SHA-256 {self.content_hash} · {self.page_no()}/{{nb}}", align="C")

    def head(self, text: str) -> None:
        """A heading, in the outline too."""
        self.ln(3)
        self.start_section(text)
        self.set_font("Inter", "B", 12)
        self.cell(0, 8, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_font("Inter", "", 8.5)

    def text_block(self, text: str, *, size: float = 8.5) -> None:
        self.set_font("Inter", "", size)
        self.multi_cell(0, size * 0.5, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def statement(self, text: str) -> None:
        """The signed words; the figures in a column, because this font is of many widths."""
        self.set_font("Inter", "", 7)
        for line in text.splitlines():
            figure = _FIGURE.fullmatch(line)
            if figure is None:
                self.multi_cell(0, 3.5, line, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
                continue
            self.cell(6, 3.5, figure["number"], align="R")
            self.cell(84, 3.5, figure["label"])
            self.cell(50, 3.5, figure["value"], align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def lines(self, rows: Sequence[Sequence[str]], *, widths: Sequence[int], size: float) -> None:
        """A table; the first row names the columns and comes again on each page."""
        self.set_font("Inter", "", size)
        with self.table(col_widths=tuple(widths), line_height=size * 0.55, padding=0.8) as table:
            for row in rows:
                cells = table.row()
                for cell in row:
                    cells.cell(cell)


def render(
    snapshot: ReserveSnapshot,
    document: Mapping[str, Any],
    *,
    figures: Sequence[tuple[str, str]],
    signature: Mapping[str, Any] | None,
) -> bytes:
    """The snapshot in the language of the reader; the signed statement in its own words."""
    report = _Report(content_hash=snapshot.content_hash)
    title = _("Proof of reserve, %(symbol)s") % {"symbol": snapshot.symbol}
    report.set_lang(get_language() or "en")
    report.set_title(f"{title}, {document['built_at']}")
    report.set_author("Agora")
    report.set_creator("Agora")
    report.set_creation_date(snapshot.built_at)
    report.add_page()
    report.set_font("Inter", "B", 17)
    report.cell(0, 10, title, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    block = document["block"]
    report.text_block(
        _("Block %(number)s of chain %(chain)s, %(time)s")
        % {"number": block["number"], "chain": document["chain_id"], "time": block["time"]}
        + f"\n{block['hash']}\n"
        + _("Contract %(contract)s") % {"contract": document["contract"]}
    )
    report.head(_("Totals"))
    total = [*figures, (_("Difference"), document["difference"])]
    report.lines([(_("Figure"), _("Shares")), *total], widths=(3, 1), size=8)
    _tables(report, document["rows"])
    report.head(_("Statement"))
    if signature is None:
        report.text_block(_("Not signed: this snapshot is not published."))
    else:
        report.statement(signature["statement"] or "")
        report.text_block(
            _("Proposed by %(maker)s, approved by %(checker)s, %(time)s")
            % {
                "maker": signature["proposed_by"],
                "checker": signature["approved_by"],
                "time": signature["signed_at"],
            },
            size=7,
        )
    return bytes(report.output())


def _tables(report: _Report, rows: Sequence[Mapping[str, Any]]) -> None:
    kinds = dict(ReserveRow.Kind.choices)
    flight, not_minted, breaks = content.parted(rows)
    parts = (
        (_("Differences"), breaks),
        (_("In flight"), flight),
        (_("Bought and not to be minted"), not_minted),
    )
    for name, found in parts:
        report.head(f"{name}: {len(found)}")
        if not found:
            report.text_block(_("None."))
            continue
        cells = [
            (
                str(kinds[row["kind"]]),
                row["order"] or row["reference"],
                *(row[q] for q in _HEADS[2:]),
            )
            for row in found[:_MOST_ROWS]
        ]
        report.lines([_heads(), *cells], widths=(5, 5, 2, 2, 2, 2, 2, 2), size=6)
        if len(found) > _MOST_ROWS:
            report.text_block(_("The rest is in the other forms of this file."))


def _heads() -> tuple[str, ...]:
    return (
        _("Kind"), _("Order"), _("Our order"), _("Broker"), _("Our record"), _("Custodian"),
        _("Our mint"), _("Chain"),
    )  # fmt: skip
