"""Attestations of a contract's audit; the database refuses to change or remove one."""

import uuid

from django.db import migrations, models

APPEND_ONLY = """
CREATE TRIGGER tokens_attestation_no_change BEFORE UPDATE OR DELETE ON tokens_attestation
    FOR EACH ROW EXECUTE FUNCTION agora_refuse_change();
CREATE TRIGGER tokens_attestation_no_truncate BEFORE TRUNCATE ON tokens_attestation
    FOR EACH STATEMENT EXECUTE FUNCTION agora_refuse_change();
"""
DROP = """
DROP TRIGGER tokens_attestation_no_change ON tokens_attestation;
DROP TRIGGER tokens_attestation_no_truncate ON tokens_attestation;
"""


class Migration(migrations.Migration):
    dependencies = [("tokens", "0001_initial"), ("compliance", "0002_append_only")]

    operations = [
        migrations.CreateModel(
            name="Attestation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "bytecode_sha256",
                    models.CharField(
                        db_index=True, max_length=64, verbose_name="bytecode, SHA-256"
                    ),
                ),
                ("auditor", models.CharField(max_length=120, verbose_name="auditor")),
                ("report_url", models.URLField(max_length=500, verbose_name="report")),
                ("report_sha256", models.CharField(max_length=64, verbose_name="report, SHA-256")),
                ("audited_on", models.DateField(verbose_name="date of the report")),
                (
                    "proposal_id",
                    models.UUIDField(unique=True, verbose_name="decision by two people"),
                ),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
            ],
            options={
                "verbose_name": "audit attestation",
                "verbose_name_plural": "audit attestations",
                "ordering": ["-recorded_at"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("bytecode_sha256__regex", "^[0-9a-f]{64}$"),
                            ("report_sha256__regex", "^[0-9a-f]{64}$"),
                        ),
                        name="tokens_attestation_names_hashes",
                    )
                ],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, DROP),
    ]
