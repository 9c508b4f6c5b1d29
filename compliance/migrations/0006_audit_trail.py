"""Anchors, retention and exports of the trail."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("compliance", "0005_liabilities")]

    operations = []
