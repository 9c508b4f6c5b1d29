"""Links between the documents lead somewhere: to a file of the project, and to a heading in it."""

import re
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def _documents() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def _anchor(heading: str) -> str:
    """The anchor that forges make of a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


@lru_cache
def _anchors(document: Path) -> frozenset[str]:
    return frozenset(map(_anchor, _HEADING.findall(_FENCE.sub("", document.read_text()))))


def _broken(document: Path) -> list[str]:
    text = _CODE.sub("", _FENCE.sub("", document.read_text()))
    return [
        link for link in _LINK.findall(text) if "://" not in link and not _leads(document, link)
    ]


def _leads(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not anchor or anchor in _anchors(target)


@pytest.mark.parametrize("document", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_inside_the_project_lead_somewhere(document: Path) -> None:
    assert _broken(document) == []
