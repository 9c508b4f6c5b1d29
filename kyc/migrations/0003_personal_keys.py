"""Consents with their texts. Personal fields move under the person's own key by rotate_keys."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

KEPT = """
CREATE TRIGGER kyc_consenttext_no_change BEFORE UPDATE OR DELETE ON kyc_consenttext
    FOR EACH ROW EXECUTE FUNCTION agora_refuse_change();
CREATE TRIGGER kyc_consenttext_no_truncate BEFORE TRUNCATE ON kyc_consenttext
    FOR EACH STATEMENT EXECUTE FUNCTION agora_refuse_change();
"""
DROP = """
DROP TRIGGER kyc_consenttext_no_change ON kyc_consenttext;
DROP TRIGGER kyc_consenttext_no_truncate ON kyc_consenttext;
"""

# The one text until this migration, by which earlier applications stand.
VERSION = "2026-11"
SHA256 = "34dbc64a0c6c9eefe3674910ca65973eba9756d3d0604bf1af404ad6322862c2"
TEXT = (
    "I ask Agora to open a tier 1 account for me. I agree that Agora stores my name, e-mail address, "
    "country, tax id and wallet address, encrypted, to check who I am, to keep to my daily limit and "
    "to meet its legal duties of record keeping. I may ask for a copy, a correction or the erasure of "
    "my data, as far as the law allows. I understand that this is a test service: shares are bought "
    "in a paper account, tokens are minted on a test network, and neither has any monetary value."
)


def consents_of_applications(apps, schema_editor):
    """Give each application from before its row, so that all consents are found in one place."""
    application, consent, text = (
        apps.get_model("kyc", name) for name in ("Application", "Consent", "ConsentText")
    )
    earlier = application.objects.filter(consent_version=VERSION, consent_hash=SHA256)
    if earlier.exists():
        text.objects.create(sha256=SHA256, document="account", version=VERSION, text=TEXT)
    consent.objects.bulk_create(
        (
            consent(
                user_id=row.user_id, text_id=SHA256, language="en", accepted_at=row.consented_at
            )
            for row in earlier.only("user_id", "consented_at").iterator()
        ),
        batch_size=1000,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("kyc", "0002_first_tier"),
        ("compliance", "0002_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ConsentText",
            fields=[
                (
                    "sha256",
                    models.CharField(
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                        verbose_name="text, SHA-256",
                    ),
                ),
                ("document", models.CharField(max_length=20, verbose_name="document")),
                ("version", models.CharField(max_length=20, verbose_name="version")),
                ("text", models.TextField(verbose_name="text")),
            ],
            options={
                "verbose_name": "consent text",
                "verbose_name_plural": "consent texts",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("document", "version"), name="kyc_consenttext_version"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("sha256__regex", "^[0-9a-f]{64}$")),
                        name="kyc_consenttext_sha256",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Consent",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("language", models.CharField(max_length=10, verbose_name="language")),
                ("accepted_at", models.DateTimeField(verbose_name="agreed")),
                (
                    "withdrawn_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="withdrawn"),
                ),
                (
                    "text",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="kyc.consenttext",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="consents",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "consent",
                "verbose_name_plural": "consents",
                "ordering": ["-accepted_at", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("withdrawn_at", None)),
                        fields=("user", "text"),
                        name="kyc_consent_once_in_force",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("withdrawn_at", None),
                            ("withdrawn_at__gte", models.F("accepted_at")),
                            _connector="OR",
                        ),
                        name="kyc_consent_withdrawn_later",
                    ),
                ],
            },
        ),
        migrations.RunPython(consents_of_applications, migrations.RunPython.noop),
        migrations.RunSQL(KEPT, DROP),
    ]
