"""docs/settings.md names every setting that the environment gives, and no other, with its default."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Functions of agora/environment.py that read a name, besides the methods of `env`.
_HELPERS = {
    *("required", "one_of", "flag", "whole", "seconds"),
    *("address", "evm_address", "host_name", "vendor_address", "live_vendors"),
}
_ROW = re.compile(r"^\| `([A-Z0-9_]+)` \| .+ \| ([^|]*) \| [^|]*\|$", re.MULTILINE)


def _reads(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id in _HELPERS
    value = call.func.value if isinstance(call.func, ast.Attribute) else None
    return isinstance(value, ast.Name) and value.id == "env"


def _default(call: ast.Call) -> str | None:
    """The default as the document writes it; None where it is computed."""
    if isinstance(call.func, ast.Name) and call.func.id == "required":
        return "required"
    if isinstance(call.func, ast.Name) and call.func.id in {
        "evm_address",
        "host_name",
        "live_vendors",
    }:
        return "empty"
    for keyword in call.keywords:
        if keyword.arg == "default" and isinstance(keyword.value, ast.Constant):
            value = keyword.value.value
            text = str(value).lower() if isinstance(value, bool) else str(value)
            return f"`{text}`" if text else "empty"
    return None


def _in_code() -> dict[str, str | None]:
    tree = ast.parse((ROOT / "agora/settings.py").read_text())
    return {
        call.args[0].value: _default(call)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and call.args and _reads(call)
        if isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    }


def _in_document() -> dict[str, str]:
    rows = _ROW.findall((ROOT / "docs/settings.md").read_text())
    assert len(rows) == len(dict(rows)), "a setting is listed twice"
    return dict(rows)


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    assert set(_in_document()) == set(_in_code())


@pytest.mark.parametrize("name", sorted(set(_in_code()) & set(_in_document())))
def test_the_documented_default_is_the_real_one(name: str) -> None:
    default, written = _in_code()[name], _in_document()[name]
    if default == "empty":
        assert written.split(":")[0] == "empty"
    elif default is not None:
        assert written == default
