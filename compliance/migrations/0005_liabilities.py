"""The tree of liabilities of a snapshot."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("compliance", "0004_reserve_snapshots")]

    operations = []
