"""The trail's actions are listed and filtered without reading the whole of it."""

from django.db import migrations, models

from agora.lib.indexes import AddIndexPatiently


class Migration(migrations.Migration):
    # The trail is long, and has to be written to meanwhile.
    atomic = False

    dependencies = [("compliance", "0011_signature_explanations")]

    operations = [
        AddIndexPatiently(
            model_name="auditrow",
            index=models.Index(fields=["action"], name="compliance_audit_action"),
        ),
    ]
