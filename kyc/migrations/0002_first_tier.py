"""Tier 1: KYC-light, at most 1,000 USD a day (RAT-002)."""

from decimal import Decimal

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def add_tier(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("kyc", "Tier").objects.create(number=1, daily_limit_usd=Decimal("1000.00"))


def remove_tier(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("kyc", "Tier").objects.filter(number=1).delete()


class Migration(migrations.Migration):
    dependencies = [("kyc", "0001_initial")]

    operations = [migrations.RunPython(add_tier, remove_tier)]
