"""How many matches by name were not kept, as too many wait for officers already."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kyc", "0012_subjects_of_proposals")]

    operations = [
        migrations.AddField(
            model_name="screening",
            name="more",
            field=models.PositiveIntegerField(db_default=0, verbose_name="matches not kept"),
        ),
    ]
