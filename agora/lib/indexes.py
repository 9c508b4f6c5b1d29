"""Indexes on tables that are long and written to all the time."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState


class AddIndexPatiently(AddIndexConcurrently):
    """Builds an index while rows are written, however long it takes; for migrations with `atomic = False`.

    It waits for every older transaction and nobody waits for it, so the limits of time that
    connections have would only break it off. What a build leaves that broke off can never be used
    and keeps the name (PostgreSQL, CREATE INDEX, "Building Indexes Concurrently"): it goes first, so
    that `migrate` is simply run again.
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        name = schema_editor.quote_name(self.index.name)
        schema_editor.execute("SET statement_timeout = 0")
        schema_editor.execute("SET lock_timeout = 0")
        try:
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        finally:
            schema_editor.execute("RESET statement_timeout")
            schema_editor.execute("RESET lock_timeout")
