"""Personal fields under the person's own key."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("kyc", "0002_first_tier")]

    operations = []
