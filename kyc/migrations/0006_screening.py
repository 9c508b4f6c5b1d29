"""Sanctions and PEP lists, and matches."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("kyc", "0005_cases")]

    operations = []
