"""docs/contract.md names the test of every invariant: each must exist, and none be left out."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NAME = r"(?:test|testFuzz|invariant)_\w+"


def test_every_invariant_names_tests_that_exist_and_every_test_is_named() -> None:
    sources = (ROOT / "contracts" / "test").glob("*.t.sol")
    existing = {
        name for path in sources for name in re.findall(rf"function ({_NAME})", path.read_text())
    }
    text = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    invariants = re.findall(r"^\d+\. .*$", text, flags=re.MULTILINE)
    named = [set(re.findall(rf"`({_NAME})`", line)) for line in invariants]
    assert len(invariants) == 15
    assert all(named)
    about_itself = {"test_NameSymbolAndDecimals"}
    assert set().union(*named) == existing - about_itself
