"""Requests for one's own data and for erasure."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("compliance", "0006_audit_trail")]

    operations = []
