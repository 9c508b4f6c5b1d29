from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("compliance", "0015_reserves_asked_for")]

    operations = [
        migrations.AddField(
            model_name="erasurerequest",
            name="gives_up_tokens",
            field=models.BooleanField(
                db_default=False, default=False, verbose_name="gives up tokens"
            ),
        ),
    ]
