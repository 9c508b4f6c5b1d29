"""Indexes of the marketplace, names once a master, and what a unit value consisted of."""

import django.db.models.functions.comparison
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("copytrade", "0002_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="trackrecord",
            name="copytrade_record_sharpe",
        ),
        migrations.AddField(
            model_name="navpoint",
            name="holdings",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="trackrecord",
            name="sharpe_order",
            field=models.GeneratedField(
                db_persist=True,
                expression=django.db.models.functions.comparison.Coalesce(
                    "sharpe", models.Value(-1000000000), output_field=models.DecimalField()
                ),
                output_field=models.DecimalField(decimal_places=6, max_digits=18),
            ),
        ),
        migrations.AddIndex(
            model_name="strategy",
            index=models.Index(
                condition=models.Q(("is_public", True), ("state", "ACTIVE")),
                fields=["-copiers", "-id"],
                name="copytrade_strategy_copiers",
            ),
        ),
        migrations.AddIndex(
            model_name="strategy",
            index=models.Index(
                condition=models.Q(("is_public", True), ("state", "ACTIVE")),
                fields=["-aum", "-id"],
                name="copytrade_strategy_aum",
            ),
        ),
        migrations.AddIndex(
            model_name="trackrecord",
            index=models.Index(
                fields=["period", "-sharpe_order", "-strategy"],
                name="copytrade_record_sharpe_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="strategy",
            constraint=models.UniqueConstraint(
                models.F("master"),
                django.db.models.functions.text.Lower("name"),
                condition=models.Q(("state", "DELETED"), _negated=True),
                name="copytrade_strategy_name",
            ),
        ),
    ]
