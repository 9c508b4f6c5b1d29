"""A permission of its own for proposing roles."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_personal_keys")]

    operations = [
        migrations.AlterModelOptions(
            name="user",
            options={
                "permissions": [("assign_role", "Can propose roles of the back office")],
                "verbose_name": "user",
                "verbose_name_plural": "users",
            },
        ),
    ]
