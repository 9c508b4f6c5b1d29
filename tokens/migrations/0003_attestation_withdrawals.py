import django.db.models.deletion
from django.db import migrations, models

APPEND_ONLY = """
CREATE TRIGGER tokens_attestationwithdrawal_no_change
    BEFORE UPDATE OR DELETE ON tokens_attestationwithdrawal
    FOR EACH ROW EXECUTE FUNCTION agora_refuse_change();
CREATE TRIGGER tokens_attestationwithdrawal_no_truncate
    BEFORE TRUNCATE ON tokens_attestationwithdrawal
    FOR EACH STATEMENT EXECUTE FUNCTION agora_refuse_change();
"""
DROP = """
DROP TRIGGER tokens_attestationwithdrawal_no_change ON tokens_attestationwithdrawal;
DROP TRIGGER tokens_attestationwithdrawal_no_truncate ON tokens_attestationwithdrawal;
"""


class Migration(migrations.Migration):
    dependencies = [("tokens", "0002_attestations")]

    operations = [
        migrations.CreateModel(
            name="AttestationWithdrawal",
            fields=[
                (
                    "attestation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="withdrawal",
                        serialize=False,
                        to="tokens.attestation",
                    ),
                ),
                (
                    "proposal_id",
                    models.UUIDField(unique=True, verbose_name="decision by two people"),
                ),
                ("withdrawn_at", models.DateTimeField(verbose_name="withdrawn")),
            ],
            options={
                "verbose_name": "withdrawal of an attestation",
                "verbose_name_plural": "withdrawals of attestations",
            },
        ),
        migrations.RunSQL(APPEND_ONLY, DROP),
    ]
