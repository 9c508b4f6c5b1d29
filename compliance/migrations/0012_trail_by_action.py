from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("compliance", "0011_signature_explanations")]

    operations = [
        migrations.AddIndex(
            model_name="auditrow",
            index=models.Index(fields=["action"], name="compliance_audit_action"),
        ),
    ]
