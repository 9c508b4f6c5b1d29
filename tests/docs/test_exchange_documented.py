"""The document on the exchange names every code that a failure can have, under its outcome."""

import re
from pathlib import Path

from django.conf import settings

from copytrade.exchange import errors, reasons

TEXT = (Path(settings.BASE_DIR) / "docs" / "exchange.md").read_text()


def test_every_code_is_told_once_with_its_outcome() -> None:
    told = {
        code: line.split("|")[1].strip()
        for line in TEXT.splitlines()
        if line.startswith(("| Rejected", "| Temporary", "| Unknown"))
        for code in re.findall(r"`(\w+)`", line)
    }
    rows = [
        *errors.BY_CODE.values(),
        *errors.BY_STATUS.values(),
        *(row for *_, row in errors.BY_TEXT),
        *(row for both in errors.BY_CLASS.values() for row in both),
    ]

    assert set(told) == {value for name, value in vars(reasons).items() if name.isupper()}
    assert all(told[row.code] == row.outcome.__name__ for row in rows)
