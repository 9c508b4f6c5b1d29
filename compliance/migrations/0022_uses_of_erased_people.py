"""Uses of API tokens that were written after their owner was erased go, and are accounted for.

Until now a process wrote what it had counted before an erasure, and what was shown after it, network
addresses included. The row in the trail is the one an erasure writes (compliance.trail.usage), so
that a day whose digest stands there is not taken for changed.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.utils import timezone

from compliance import audit

REMOVE = """
WITH gone AS (
    DELETE FROM accounts_tokenuse AS u USING accounts_apitoken AS t, accounts_user AS person
    WHERE t.id = u.token_id AND person.id = t.user_id AND person.email LIKE '%@erased.invalid'
    RETURNING (u.minute AT TIME ZONE 'UTC')::date AS day
)
SELECT day, count(*) FROM gone GROUP BY day ORDER BY day
"""


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(REMOVE)
        days = {day.isoformat(): rows for day, rows in cursor.fetchall()}
    if days:
        # Not audit.record, which writes the columns that the table has in the newest release.
        row = apps.get_model("compliance", "AuditRow")(
            at=timezone.now(),
            actor="system:personal_data",
            action="usage.erased",
            object_type="usage",
            object_id="token-uses",
            evidence={"days": days},
        )
        row.row_hash = audit.row_digest(row)
        row.save()


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0021_words_about_erased_people"),
        ("accounts", "0008_disputed_wallets"),
    ]

    operations = [migrations.RunPython(remove, migrations.RunPython.noop)]
