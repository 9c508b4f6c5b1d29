"""Where a token may be used from, and each use of it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_wallet_proofs")]

    operations = []
