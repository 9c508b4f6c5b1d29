"""How far masters' accounts were read, and when a subscription was last compared."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("copytrade", "0005_account_owner")]

    operations = [
        migrations.CreateModel(
            name="AccountWatch",
            fields=[
                (
                    "strategy",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="watch",
                        serialize=False,
                        to="copytrade.strategy",
                    ),
                ),
                ("trade_ids", models.JSONField(default=dict)),
                ("balances", models.JSONField(default=dict)),
                ("began_at", models.DateTimeField(verbose_name="first read")),
            ],
            options={
                "verbose_name": "watermark of an account",
                "verbose_name_plural": "watermarks of accounts",
            },
        ),
        migrations.AddField(
            model_name="subscription",
            name="reconciled_at",
            field=models.DateTimeField(
                blank=True, null=True, verbose_name="compared with the exchange"
            ),
        ),
    ]
