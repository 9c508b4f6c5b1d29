"""The database has every index and constraint that the models name.

Django's migrations can lose one: taking the index off a foreign key drops a partial unique
constraint on the same column along with it.
"""

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddIndex

pytestmark = pytest.mark.django_db


def named_by_models() -> set[str]:
    own = [m for m in apps.get_models() if not m.__module__.startswith(("django.", "allauth."))]
    return {rule.name for model in own for rule in (*model._meta.indexes, *model._meta.constraints)}


def test_every_index_and_constraint_of_the_models_is_in_the_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'i'"
            " UNION SELECT conname FROM pg_constraint UNION SELECT tgname FROM pg_trigger"
        )
        there = {row[0] for row in cursor.fetchall()}

    assert named_by_models() - there == set()


def test_no_index_is_built_that_stops_writing_to_the_trail() -> None:
    migrations = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    blocking = [
        (app, name, operation.index.name)
        for (app, name), migration in migrations.items()
        for operation in migration.operations
        # AddIndexConcurrently is a subclass.
        if type(operation) is AddIndex and (app, operation.model_name) == ("compliance", "auditrow")
    ]

    assert blocking == []
