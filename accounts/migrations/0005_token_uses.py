"""Where a token may be used from, and each use of it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_wallet_proofs")]

    operations = [
        migrations.CreateModel(
            name="TokenUse",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("minute", models.DateTimeField(verbose_name="minute")),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("used", "Used"),
                            ("wrong_secret", "Wrong secret"),
                            ("revoked", "Revoked token"),
                            ("expired", "Expired token"),
                            ("inactive", "Account not active"),
                            ("network", "Address not allowed"),
                        ],
                        max_length=12,
                        verbose_name="outcome",
                    ),
                ),
                (
                    "address",
                    models.GenericIPAddressField(
                        blank=True, null=True, verbose_name="network address"
                    ),
                ),
                ("count", models.PositiveIntegerField(verbose_name="times")),
                ("method", models.CharField(max_length=10, verbose_name="method")),
                ("route", models.CharField(max_length=80, verbose_name="endpoint")),
                ("status", models.PositiveSmallIntegerField(verbose_name="status")),
                ("last_at", models.DateTimeField(verbose_name="last")),
                (
                    "token",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="uses",
                        to="accounts.apitoken",
                    ),
                ),
            ],
            options={
                "verbose_name": "use of a token",
                "verbose_name_plural": "uses of tokens",
                "ordering": ["-last_at", "-id"],
            },
        ),
        migrations.AddField(
            model_name="apitoken",
            name="networks",
            field=models.JSONField(blank=True, default=list, verbose_name="network addresses"),
        ),
        migrations.AddIndex(
            model_name="tokenuse",
            index=models.Index(
                fields=["token", "-last_at", "-id"], name="accounts_tokenuse_of_token"
            ),
        ),
        migrations.AddIndex(
            model_name="tokenuse",
            index=models.Index(fields=["minute"], name="accounts_tokenuse_minute"),
        ),
        migrations.AddConstraint(
            model_name="tokenuse",
            constraint=models.UniqueConstraint(
                fields=("token", "minute", "outcome", "address"),
                name="accounts_tokenuse_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="tokenuse",
            constraint=models.CheckConstraint(
                condition=models.Q(("count__gt", 0)), name="accounts_tokenuse_count"
            ),
        ),
    ]
