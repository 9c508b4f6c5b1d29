"""How many people a run could not look up."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kyc", "0007_limits")]

    operations = [
        migrations.AddField(
            model_name="screeningrun",
            name="failed",
            field=models.PositiveIntegerField(db_default=0, verbose_name="could not be looked up"),
        ),
    ]
