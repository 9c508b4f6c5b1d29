from django.db import migrations, models
from django.db.models.functions import Coalesce


def _what_was_signed_was_handed_in(apps, schema_editor):
    """The answer may have been lost, so whatever could be sent counts as sent."""
    signed = apps.get_model("tokens", "MintAttempt").objects.exclude(raw_transaction="")
    signed.update(asked_at=Coalesce("broadcast_at", "created_at"))


class Migration(migrations.Migration):
    dependencies = [("tokens", "0003_attestation_withdrawals")]

    operations = [
        migrations.RemoveField("mintattempt", "signing_sent_at"),
        migrations.AddField(
            "mintattempt",
            "asked_at",
            models.DateTimeField(blank=True, null=True, verbose_name="handed in"),
        ),
        migrations.RunPython(_what_was_signed_was_handed_in, migrations.RunPython.noop),
    ]
