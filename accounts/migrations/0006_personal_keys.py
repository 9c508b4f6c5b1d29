"""A data key for each person, and their consents."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_token_uses")]

    operations = []
