"""Indexes on a trail of any length are built within the limits of time that every connection has."""

from collections.abc import Callable
from contextlib import closing
from threading import Event
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.faults.worker import wait_until
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT_MS = 100
_TRAIL = [
    (
        ("compliance", "0009_liability_trees_expire"),
        ("compliance", "0010_trail_of_a_person"),
        ["compliance_audit_actor", "compliance_audit_person"],
    ),
    (
        ("compliance", "0011_signature_explanations"),
        ("compliance", "0012_trail_by_action"),
        ["compliance_audit_action"],
    ),
]


def migrate(before: tuple[str, str], migration: tuple[str, str]) -> None:
    """Apply one migration by a connection whose limits are shorter than in production."""
    try:
        loader = MigrationExecutor(connection).loader
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {LIMIT_MS}")
            cursor.execute(f"SET lock_timeout = {LIMIT_MS}")
        with connection.schema_editor(atomic=False) as editor:
            loader.get_migration(*migration).apply(loader.project_state(before), editor)
    finally:
        connection.close()


def while_an_old_transaction_is_open(build: Callable[[], None]) -> None:
    """Build what has to wait for it; it ends once that has waited for longer than the limits."""

    def waits_too_long() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%%'"
                " AND query_start < clock_timestamp() - make_interval(secs => %s))",
                [3 * LIMIT_MS / 1000],
            )
            return bool(cursor.fetchone()[0])

    begun = Event()

    def run(number: int) -> None:
        if number:
            assert begun.wait(20)
            build()
            return
        old = connection.copy()
        with closing(old), old.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT count(*) FROM django_migrations")
            begun.set()
            wait_until(waits_too_long, limit=20, what="the building of the index waits")

    outcomes = at_once(2, run)
    assert outcomes == [None, None], outcomes


def valid(names: list[str]) -> list[bool]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = ANY(%s::regclass[])", [names]
        )
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.parametrize(("before", "migration", "names"), _TRAIL)
def test_an_index_of_the_trail_is_built_however_long_it_waits_and_built_anew_after_a_failure(
    before: Any, migration: Any, names: list[str]
) -> None:
    with connection.cursor() as cursor:
        # What an earlier release's try left: it cannot be used, and its name is taken.
        for name in names:
            cursor.execute(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [name]
            )

    while_an_old_transaction_is_open(lambda: migrate(before, migration))

    assert valid(names) == [True] * len(names)
