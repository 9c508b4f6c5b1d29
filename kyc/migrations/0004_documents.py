"""Documents that people have shown, and who looked at them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("kyc", "0003_personal_keys")]

    operations = []
