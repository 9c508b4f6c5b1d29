"""Every route, tried by everybody, answers what the table says; a new route needs its row.

The table is permission_matrix.csv beside this file. After a meant change write it anew with
`WRITE_PERMISSION_MATRIX=1 pytest tests/architecture/test_permission_matrix.py` and read the difference:
each changed word lets somebody in, or keeps somebody out.
"""

import csv
import os
from pathlib import Path

import pytest
from django.template.response import SimpleTemplateResponse
from django.utils import timezone
from pytest_django import Settings

from agora.sandbox.client import SandboxControl
from tests.architecture.permissions import ACTORS, Visits, World, routes
from tests.conftest import Chain

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(900)]

TABLE = Path(__file__).with_name("permission_matrix.csv")


@pytest.fixture
def visits(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, chain: Chain, sandbox: SandboxControl
) -> Visits:
    """The world and everybody in it, vendors and chain too; nobody is slowed down, and admin pages
    are not drawn.
    """
    monkeypatch.setattr(SimpleTemplateResponse, "rendered_content", "")
    settings.API_RATES = dict.fromkeys(settings.API_RATES, 0)
    settings.ACCOUNT_RATE_LIMITS = False
    world = World(now=timezone.now())
    assert [world.address(route) for route in routes()]
    return Visits(world)


def expected() -> dict[tuple[str, str], dict[str, str]]:
    with TABLE.open(newline="") as file:
        return {(row["route"], row["method"]): row for row in csv.DictReader(file)}


def test_everybody_gets_what_the_table_says(visits: Visits) -> None:
    found = {(route.name, route.method): visits.answers(route) for route in routes()}
    if os.environ.get("WRITE_PERMISSION_MATRIX"):
        _write(found)
    table = expected()

    assert set(found) - set(table) == set(), "routes without a row"
    assert set(table) - set(found) == set(), "rows without a route"
    wrong = [
        f"{name} {method} {actor}: {word}, the table says {table[name, method][actor]}"
        for (name, method), words in found.items()
        for actor, word in words.items()
        if word != table[name, method][actor]
    ]
    assert wrong == []


def test_no_route_fails_for_anybody() -> None:
    assert [key for key, row in expected().items() if "500" in row.values()] == []


def test_nobody_unknown_is_let_into_the_back_office() -> None:
    let_in = [
        name
        for (name, _method), row in expected().items()
        if name.startswith(("admin:", "api:proposal", "api:audit", "api:case", "api:match"))
        and row["anonymous"] not in ("sign in", "401", "405")
    ]

    assert set(let_in) <= {"admin:logout"}


def test_an_auditor_changes_nothing() -> None:
    posts = {
        name.removeprefix("admin:")
        for (name, method), row in expected().items()
        if name.startswith("admin:") and method == "post" and row["auditor"] == "in"
    }

    assert [name for name in posts if not name.endswith(READS)] == []


# Pages that only show or export something, and those on one's own session.
READS = (
    "_changelist", "_history", "_export", "_export_trail", "_export_uses", "_show_clauses",
    "app_list", "index", "search", "logout", "password_change",
)  # fmt: skip


def test_a_stranger_finds_nothing_of_the_owner_s() -> None:
    found = {
        name
        for (name, method), row in expected().items()
        if row["owner"] == "in" and row["other person"] == "in"
        if any(kwarg.endswith("_id") for kwarg in _kwargs((name, method)))
    }

    assert found <= PUBLIC


# Strategies that are published can be looked at and followed by everybody. Asked for without a script, the
# state of an order and the review at the desk lead to their pages, which are checked.
PUBLIC = {
    "desk-review", "order_status", "strategy", "subscription-new", "subscription-preview",
    "api:copy_strategy", "api:copy_strategy_curve", "api:copy_strategy_trades",
}  # fmt: skip


def _kwargs(key: tuple[str, str]) -> tuple[str, ...]:
    return next(
        (route.kwargs for route in routes() if (route.name, route.method) == key),
        (),
    )


def _write(found: dict[tuple[str, str], dict[str, str]]) -> None:
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["route", "method", *ACTORS])
        for (name, method), words in found.items():
            writer.writerow([name, method, *(words.get(actor, "") for actor in ACTORS)])
