"""A second tier, and limits of a person's own below that of their tier."""

from decimal import Decimal

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def add_tier(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("kyc", "Tier").objects.create(number=2, daily_limit_usd=Decimal("5000.00"))


def remove_tier(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("kyc", "Tier").objects.filter(number=2).delete()


class Migration(migrations.Migration):
    dependencies = [("kyc", "0006_screening")]

    operations = [
        migrations.AddField(
            model_name="dailylimit",
            name="is_personal",
            field=models.BooleanField(default=False, verbose_name="own limit"),
        ),
        migrations.AddConstraint(
            model_name="tier",
            constraint=models.CheckConstraint(
                condition=models.Q(("number", 1), _negated=True)
                | models.Q(("daily_limit_usd__lte", Decimal("1000"))),
                name="kyc_tier_1_at_most_1000",
            ),
        ),
        migrations.RunPython(add_tier, remove_tier),
    ]
