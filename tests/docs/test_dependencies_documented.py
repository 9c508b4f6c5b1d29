"""Every direct dependency has its reason in ADR 0008, and no other is named there."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_ROW = re.compile(r"^\| (`.+?`) \|", re.MULTILINE)


def _python(name: str) -> set[str]:
    lines = (line.strip() for line in (ROOT / name).read_text().splitlines())
    return {re.split(r"[\[<>=!~; ]", line)[0] for line in lines if line and line[0] not in "#-"}


def _npm(folder: str) -> set[str]:
    package = json.loads((ROOT / folder / "package.json").read_text())
    kinds = ("dependencies", "devDependencies", "optionalDependencies")
    return {name for kind in kinds for name in package.get(kind, {})}


def test_the_decision_names_exactly_the_direct_dependencies() -> None:
    text = (ROOT / "docs/adr/0008-dependencies.md").read_text()
    documented = {name for row in _ROW.findall(text) for name in re.findall(r"`([^`]+)`", row)}
    direct = _python("requirements.in") | _python("requirements-dev.in")

    assert documented == direct | _npm("frontend") | _npm("contracts")
