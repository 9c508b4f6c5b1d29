"""When an account's nonce was made: it speaks of no tree that was built before."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("compliance", "0012_trail_by_action")]

    operations = [
        migrations.AddField(
            model_name="liabilitynonce",
            name="created_at",
            field=models.DateTimeField(db_default=Now(), editable=False),
        ),
        # Those there are belong to every tree so far.
        migrations.RunSQL(
            "UPDATE compliance_liabilitynonce SET created_at = '2000-01-01 00:00:00+00'",
            migrations.RunSQL.noop,
        ),
    ]
