"""A person's rows of the audit trail are found without reading the whole of it."""

from django.db import migrations, models

from agora.lib.indexes import AddIndexPatiently


class Migration(migrations.Migration):
    # The trail is long, and has to be written to meanwhile.
    atomic = False

    dependencies = [("compliance", "0009_liability_trees_expire")]

    operations = [
        AddIndexPatiently(
            model_name="auditrow",
            index=models.Index(fields=["actor"], name="compliance_audit_actor"),
        ),
        AddIndexPatiently(
            model_name="auditrow",
            index=models.Index(
                models.F("evidence__user"),
                condition=models.Q(("evidence__has_key", "user")),
                name="compliance_audit_person",
            ),
        ),
    ]
