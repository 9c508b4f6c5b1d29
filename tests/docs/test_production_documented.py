"""Commands, settings and units of docs/production.md and the runbooks are those that there are."""

import re
import shlex
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "docs/production.md", *sorted((ROOT / "docs/runbooks").glob("*.md"))]
UNITS = {path.name: path.read_text() for path in (ROOT / "deploy").iterdir()}
_BLOCK = re.compile(r"^ *```\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:python )?manage\.py ([^`)\n]+)")
_SETTING = re.compile(r"^\| `([A-Z0-9_]+)` \|", re.MULTILINE)
_STAND_INS = {"USER": "5f0c4a7e-1d2b-4c3a-9e8f-000000000001", "…": "2026-11-01"}


def _commands() -> list[str]:
    """Every management command of the documents, whole ones with stand-ins for what is the reader's."""
    found = [text for path in DOCUMENTS for text in _COMMAND.findall(path.read_text())]
    return sorted({text.partition("#")[0].strip() for text in found})


@pytest.mark.parametrize("text", _commands())
def test_a_command_is_one_that_the_project_takes(text: str) -> None:
    name, *arguments = (_STAND_INS.get(word, word) for word in shlex.split(text))
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)

    parser.parse_args(arguments)  # ends with 2 where it does not know them


def test_every_setting_of_the_example_is_one() -> None:
    known = set(_SETTING.findall((ROOT / "docs/settings.md").read_text()))
    blocks = _BLOCK.findall((ROOT / "docs/production.md").read_text())
    (example,) = [block for block in blocks if block.startswith("SITE_URL=")]

    named = {line.partition("=")[0] for line in example.splitlines()}

    assert {name.removesuffix("_FILE") for name in named} - known == set()


def test_every_queue_has_a_unit_that_takes_from_it() -> None:
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    workers = [text for text in UNITS.values() if "--app agora worker" in text]

    taken = {queue for text in workers for queue in re.findall(r"--queues (\w+)", text)}

    assert taken == routed
    assert len(workers) == len(routed) + 1, "one takes what has no queue of its own"


def test_the_document_starts_exactly_the_units_that_there_are() -> None:
    text = (ROOT / "docs/production.md").read_text()
    started = re.search(r"systemctl enable --now (.+)", text)

    assert started is not None
    assert {f"{name}.service" for name in started[1].split()} == set(UNITS)


@pytest.mark.parametrize("name", sorted(UNITS))
def test_a_unit_reads_the_settings_and_the_address_of_its_own_database_role(name: str) -> None:
    role = "web" if name == "agora-web.service" else "worker"

    assert f"User=agora-{role}\n" in UNITS[name]
    assert f"DATABASE_URL_FILE=/etc/agora/{role}.database_url\n" in UNITS[name]
    assert "EnvironmentFile=/etc/agora/agora.env\n" in UNITS[name]
