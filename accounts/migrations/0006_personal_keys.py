"""A data key for each person."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_token_uses")]

    operations = [
        migrations.CreateModel(
            name="PersonKey",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="personal_key",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("sealed", models.BinaryField(max_length=200)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="created",
                    ),
                ),
                (
                    "shredded_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="destroyed"),
                ),
            ],
            options={
                "verbose_name": "person's key",
                "verbose_name_plural": "people's keys",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("sealed", b""), ("shredded_at__isnull", False)),
                            models.Q(
                                models.Q(("sealed", b""), _negated=True), ("shredded_at", None)
                            ),
                            _connector="OR",
                        ),
                        name="accounts_personkey_empty_once_destroyed",
                    )
                ],
            },
        ),
    ]
