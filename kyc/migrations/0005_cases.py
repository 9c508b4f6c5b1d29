"""Cases that officers work on."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("kyc", "0004_documents")]

    operations = []
