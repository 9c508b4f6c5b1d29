"""Anchors of the trail outside the database, and how long each kind of record is kept."""

from typing import Any

from django.db import migrations, models

KEPT = """
CREATE TRIGGER compliance_auditanchor_no_change BEFORE UPDATE OR DELETE ON compliance_auditanchor
    FOR EACH ROW EXECUTE FUNCTION agora_refuse_change();
CREATE TRIGGER compliance_auditanchor_no_truncate BEFORE TRUNCATE ON compliance_auditanchor
    FOR EACH STATEMENT EXECUTE FUNCTION agora_refuse_change();
"""
DROP = """
DROP TRIGGER compliance_auditanchor_no_change ON compliance_auditanchor;
DROP TRIGGER compliance_auditanchor_no_truncate ON compliance_auditanchor;
"""

# Days are Agora's own choice until counsel has named the law that sets them.
UNCONFIRMED = "Placeholder: chosen by Agora, to be confirmed by counsel"
DAYS = {
    "api_token": 365,
    "idempotency_key": 3,
    "notice": 730,
    "session": 1,
    "session_device": 90,
    "token_use": 365,
    "wallet_nonce": 90,
}


def fill_rules(apps: Any, schema_editor: Any) -> None:
    rules = apps.get_model("compliance", "RetentionRule")
    for kind, days in DAYS.items():
        rules.objects.get_or_create(kind=kind, defaults={"days": days, "legal_basis": UNCONFIRMED})


class Migration(migrations.Migration):
    dependencies = [("compliance", "0005_liabilities")]

    operations = [
        migrations.AlterModelOptions(
            name="auditrow",
            options={
                "permissions": [("export_auditrow", "Can export the audit trail")],
                "verbose_name": "audit row",
                "verbose_name_plural": "audit trail",
            },
        ),
        migrations.CreateModel(
            name="AuditAnchor",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("place", models.CharField(max_length=20, verbose_name="place")),
                ("position", models.BigIntegerField(verbose_name="position in the chain")),
                ("hash", models.BinaryField(max_length=32, verbose_name="head")),
                ("anchored_at", models.DateTimeField(verbose_name="anchored")),
                ("reference", models.CharField(max_length=300, verbose_name="found at")),
            ],
            options={
                "verbose_name": "anchor of the audit trail",
                "verbose_name_plural": "anchors of the audit trail",
                "ordering": ["-position", "place"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("place", "position"), name="compliance_anchor_once_a_place"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("position__gt", 0)),
                        name="compliance_anchor_of_a_row",
                    ),
                ],
            },
        ),
        migrations.RunSQL(KEPT, DROP),
        migrations.CreateModel(
            name="RetentionRule",
            fields=[
                (
                    "kind",
                    models.SlugField(
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                        verbose_name="kind of record",
                    ),
                ),
                ("days", models.PositiveIntegerField(verbose_name="days kept")),
                ("legal_basis", models.CharField(max_length=300, verbose_name="legal basis")),
                (
                    "changed_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="changed"),
                ),
            ],
            options={
                "verbose_name": "retention rule",
                "verbose_name_plural": "retention",
                "ordering": ["kind"],
                "permissions": [
                    ("propose_retention", "Can propose how long a kind of record is kept")
                ],
            },
        ),
        migrations.RunPython(fill_rules, migrations.RunPython.noop),
    ]
