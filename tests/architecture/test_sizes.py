"""Modules and functions stay small enough to be read at one sitting (ARCHITECTURE 1)."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    *("agora", "accounts", "kyc", "custody", "tokens", "trading", "copytrade", "compliance"),
    "docs/verify",
)
MODULE, FUNCTION = 450, 60
# Lists, which get no clearer by being cut.
LISTS = {"agora/settings.py", "agora/sandbox/__main__.py::parse"}


def modules() -> list[str]:
    found = [path for part in PARTS for path in (ROOT / part).rglob("*.py")]
    return sorted(str(path.relative_to(ROOT)) for path in found if "migrations" not in path.parts)


@pytest.mark.parametrize("name", modules())
def test_a_module_and_its_functions_have_at_most_so_many_lines(name: str) -> None:
    text = (ROOT / name).read_text()
    sizes = {
        f"{name}::{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    large = {what for what, lines in sizes.items() if lines > FUNCTION}
    large |= {name} if text.count("\n") > MODULE else set()

    assert large - LISTS == set()
