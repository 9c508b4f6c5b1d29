"""Which persons on lists have names of few parts, and indexes that are whole right after a load.

Of entries loaded before every one counts as such: more candidates until the list is loaded again.
"""

import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kyc", "0009_corrections")]

    operations = [
        migrations.AddField(
            model_name="screeningentry",
            name="few_keys",
            field=models.BooleanField(default=True),
            preserve_default=False,
        ),
        migrations.RemoveIndex("screeningentry", "kyc_screeningentry_keys"),
        migrations.RemoveIndex("screeningentry", "kyc_screeningentry_identifiers"),
        migrations.AddIndex(
            "screeningentry",
            django.contrib.postgres.indexes.GinIndex(
                fastupdate=False, fields=["keys"], name="kyc_screeningentry_keys"
            ),
        ),
        migrations.AddIndex(
            "screeningentry",
            django.contrib.postgres.indexes.GinIndex(
                condition=models.Q(("few_keys", True)),
                fastupdate=False,
                fields=["keys"],
                name="kyc_screeningentry_few_keys",
            ),
        ),
        migrations.AddIndex(
            "screeningentry",
            django.contrib.postgres.indexes.GinIndex(
                fastupdate=False, fields=["identifiers"], name="kyc_screeningentry_identifiers"
            ),
        ),
    ]
