"""E-mails that wait for a person are counted without reading every notice."""

from django.db import migrations, models

from agora.lib.indexes import AddIndexPatiently


class Migration(migrations.Migration):
    # There may be many notices, and more are written meanwhile.
    atomic = False

    dependencies = [("accounts", "0008_disputed_wallets")]

    operations = [
        AddIndexPatiently(
            model_name="notice",
            index=models.Index(
                fields=["created_at"],
                condition=models.Q(attention=True),
                name="accounts_notice_stuck",
            ),
        ),
    ]
