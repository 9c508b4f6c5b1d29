"""Tiers and limits as decided by two people."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("kyc", "0006_screening")]

    operations = []
