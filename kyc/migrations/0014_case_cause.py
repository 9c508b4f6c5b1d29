"""A case at onboarding need not be about a list: an officer may have asked for it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kyc", "0013_screening_more")]

    operations = [
        migrations.AlterField(
            model_name="case",
            name="cause",
            field=models.CharField(
                choices=[
                    ("TIER", "Wants a higher tier"),
                    ("AGAIN", "Applies again after a rejection"),
                    ("ONBOARDING", "At onboarding"),
                    ("SCREENING", "A match on a list later"),
                    ("OFFICER", "Asked for by an officer"),
                ],
                max_length=10,
                verbose_name="cause",
            ),
        ),
    ]
