"""Attestations of a contract's audit."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tokens", "0001_initial")]

    operations = []
