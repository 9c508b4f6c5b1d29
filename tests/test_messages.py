"""Every text that a customer can meet is translated, and the compiled catalogues are up to date.

The back office may speak English until somebody has translated what is new in it.
gettext's own tools are not needed: Babel reads the catalogues, Django finds the texts in templates.
"""

import ast
import re
from collections.abc import Iterator
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[1]
APPS = ("accounts", "agora", "compliance", "copytrade", "custody", "kyc", "tokens", "trading")
LANGUAGES = ("pt_BR", "es")
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
}
BACK_OFFICE = {"admin.py", "admin_site.py", "models.py", "apps.py"}
_IN_TEMPLATE = re.compile(r"""gettext\(\s*u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")
_PLACE = re.compile(r"%\(\w+\)[a-z]")


def catalog(language: str) -> Catalog:
    with (ROOT / "locale" / language / "LC_MESSAGES" / "django.po").open("rb") as file:
        return read_po(file, locale=language)


def texts_in_python() -> Iterator[str]:
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            if path.name in BACK_OFFICE or "commands" in path.parts:
                continue
            with path.open("rb") as file:
                for _line, found, _comments, _context in extract("python", file, KEYWORDS):
                    yield found if isinstance(found, str) else str(found[0])


def texts_in_templates() -> Iterator[str]:
    for path in (ROOT / "templates").rglob("*"):
        if path.is_file() and "admin" not in path.parts:
            source = templatize(path.read_text(), origin=str(path))
            yield from (ast.literal_eval(found) for found in _IN_TEMPLATE.findall(source))


def strings_of(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(part) for part in value or ()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_sources_is_in_the_catalogue(language: str) -> None:
    known = {strings_of(message.id)[0] for message in catalog(language) if message.id}
    used = {text for text in (*texts_in_python(), *texts_in_templates()) if text}
    assert sorted(used - known) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_with_its_places(language: str) -> None:
    for message in catalog(language):
        if not message.id:
            continue
        translated = strings_of(message.string)
        if not all(translated) and all(
            Path(source).name in BACK_OFFICE for source, _line in message.locations
        ):
            continue
        assert translated, message.id
        assert all(translated), message.id
        assert not message.fuzzy, message.id
        places = set(_PLACE.findall(strings_of(message.id)[-1]))
        assert set(_PLACE.findall(translated[-1])) == places, message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_is_that_of_the_source(language: str) -> None:
    fresh = BytesIO()
    write_mo(fresh, catalog(language))
    fresh.seek(0)
    compiled = ROOT / "locale" / language / "LC_MESSAGES" / "django.mo"
    with compiled.open("rb") as file:
        assert messages(GNUTranslations(file)) == messages(GNUTranslations(fresh))


def messages(translations: GNUTranslations) -> dict[object, str]:
    found: dict[object, str] = dict(translations._catalog)  # type: ignore[attr-defined]
    return {key: text for key, text in found.items() if key}
