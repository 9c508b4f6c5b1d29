"""docs/decisions.md names every kind of decision and every role that the code knows."""

import re
from pathlib import Path

from agora import roles
from compliance import four_eyes

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "decisions.md").read_text()


def rows(heading: str) -> list[list[str]]:
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_every_kind_of_decision_is_documented_with_who_may_propose_it() -> None:
    told = {row[0]: row[2] for row in rows("Kinds")}

    assert told == {kind.name: kind.maker_permission for kind in four_eyes.kinds()}


def test_one_permission_decides_all_of_them() -> None:
    assert re.search(rf"`{four_eyes.CHECKER}` may approve", PAGE)


def test_every_role_is_documented() -> None:
    assert {row[0] for row in rows("Roles")} == set(roles._DOES)
