from django.db import migrations, models
from django.db.models import F


def _what_was_sent_was_handed_in(apps, schema_editor):
    attempts = apps.get_model("tokens", "MintAttempt").objects
    attempts.filter(broadcast_at__isnull=False).update(asked_at=F("broadcast_at"))


class Migration(migrations.Migration):
    dependencies = [("tokens", "0003_attestation_withdrawals")]

    operations = [
        migrations.RemoveField("mintattempt", "signing_sent_at"),
        migrations.AddField(
            "mintattempt",
            "asked_at",
            models.DateTimeField(blank=True, null=True, verbose_name="handed in"),
        ),
        migrations.RunPython(_what_was_sent_was_handed_in, migrations.RunPython.noop),
    ]
