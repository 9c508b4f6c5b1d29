"""Rows as a file: CSV and JSON by COPY, XLSX row by row; memory stays the same for any number.

The file is written before it is sent: a slow reader then holds no database connection, and whoever
gets a file gets all of it. One statement is one snapshot: trades that arrive meanwhile are not in it.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any

import xlsxwriter
from django.db import connection, transaction
from django.db.models import (
    CharField,
    Expression,
    F,
    Func,
    QuerySet,
    TextField,
    Value,
)
from django.db.models.functions import Cast

# A cell that begins so is run as a formula by spreadsheets (OWASP, CSV injection), also in the
# full-width form of the characters. An apostrophe before it makes it text.
_STARTS_A_FORMULA = "^([=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20])"
_LONGEST_SECONDS = 120
_BATCH = 2000
# Excel ends at 1,048,576 rows; one this long takes its time to write already.
MOST_XLSX_ROWS = 100_000


class TooManyRows(Exception):
    """More rows than a workbook is made for."""


@dataclass(frozen=True)
class Column:
    """A column of a file: its name, where it comes from, and whether people wrote what is in it."""

    name: str
    value: Expression | F
    is_text: bool = False


def exact(field: str) -> Func:
    """A decimal with all its digits and no trailing zeros, as text."""
    return Func(F(field), function="TRIM_SCALE", template="%(function)s(%(expressions)s)::text",
                output_field=TextField())  # fmt: skip


def utc(field: str) -> Func:
    """A moment in ISO 8601, UTC, to the microsecond."""
    return Func(
        Func(F(field), template="%(expressions)s AT TIME ZONE 'UTC'", output_field=CharField()),
        Value('YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        function="TO_CHAR",
        output_field=TextField(),
    )


def text(field: str) -> Cast:
    """Anything else, such as an id."""
    return Cast(F(field), TextField())


def write(*, rows: QuerySet[Any], columns: Sequence[Column], form: str) -> IO[bytes]:
    """Write the rows as `csv`, `json` or `xlsx` into a file without a name, open at its start.

    It is gone once closed. Raises TooManyRows for a workbook that would be too long.
    """
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # the caller sends and closes it
    try:
        _WRITERS[form](file, rows, columns)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _write_csv(file: IO[bytes], rows: QuerySet[Any], columns: Sequence[Column]) -> None:
    statement, params = _statement(rows, columns, spreadsheet=True)
    file.write((",".join(column.name for column in columns) + "\r\n").encode())
    _copy(file, f"COPY ({statement}) TO STDOUT (FORMAT csv)", params)


def _write_json(file: IO[bytes], rows: QuerySet[Any], columns: Sequence[Column]) -> None:
    """An array with one object a line.

    Delimiter and quote are characters that JSON escapes, so that COPY leaves each line as it is.
    """
    inner, params = _statement(rows, columns, spreadsheet=False)
    names = ", ".join(f'"{column.name}"' for column in columns)
    statement = f"SELECT ',' || row_to_json(x)::text FROM ({inner}) AS x ({names})"  # noqa: S608
    file.write(b"[")
    start = file.tell()
    _copy(
        file,
        f"COPY ({statement}) TO STDOUT (FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01')",
        params,
    )
    if file.tell() > start:
        file.seek(start)
        file.write(b"\n")  # in place of the comma before the first
        file.seek(0, 2)
    file.write(b"]\n")


def _write_xlsx(file: IO[bytes], rows: QuerySet[Any], columns: Sequence[Column]) -> None:
    if rows.order_by()[: MOST_XLSX_ROWS + 1].count() > MOST_XLSX_ROWS:
        raise TooManyRows
    book = xlsxwriter.Workbook(
        file,
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
        },
    )
    sheet = book.add_worksheet()
    # Figures are text, because a number of a spreadsheet keeps only 15 digits.
    sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
    sheet.freeze_panes(1, 0)
    bold = book.add_format({"bold": True})
    for place, column in enumerate(columns):
        sheet.write_string(0, place, column.name, bold)
    values = _values(rows, columns, spreadsheet=True)
    for line, row in enumerate(values.iterator(chunk_size=_BATCH), start=1):
        for place, value in enumerate(row):
            if value is not None:
                sheet.write_string(line, place, value)
    book.close()


_WRITERS: dict[str, Callable[[IO[bytes], QuerySet[Any], Sequence[Column]], None]] = {
    "csv": _write_csv,
    "json": _write_json,
    "xlsx": _write_xlsx,
}
CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def _values(
    rows: QuerySet[Any], columns: Sequence[Column], *, spreadsheet: bool
) -> QuerySet[Any, tuple[str | None, ...]]:
    chosen = {
        f"c_{column.name}": _harmless(column.value)
        if spreadsheet and column.is_text
        else column.value
        for column in columns
    }
    values: QuerySet[Any, tuple[str | None, ...]] = rows.annotate(**chosen).values_list(*chosen)
    return values


def _harmless(value: Expression | F) -> Func:
    return Func(
        value,
        Value(_STARTS_A_FORMULA),
        Value("'\\1"),
        function="REGEXP_REPLACE",
        output_field=TextField(),
    )


def _statement(
    rows: QuerySet[Any], columns: Sequence[Column], *, spreadsheet: bool
) -> tuple[str, tuple[Any, ...]]:
    return _values(rows, columns, spreadsheet=spreadsheet).query.sql_with_params()


def _copy(file: IO[bytes], statement: str, params: Sequence[Any]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{_LONGEST_SECONDS}s'")
        with cursor.cursor.copy(statement, params) as copy:
            for block in copy:
                file.write(block)
