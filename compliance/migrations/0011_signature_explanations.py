from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("compliance", "0010_trail_of_a_person")]

    operations = [
        migrations.AddField(
            model_name="reservesignature",
            name="explanations",
            field=models.JSONField(default=list, verbose_name="explanations"),
        ),
    ]
