"""Make the rule again that one order of an account is on its way at a time.

0007 took the index off the foreign key to the account, and Django dropped every index on that
column alone with it, this one included.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("copytrade", "0007_lean_indexes")]

    operations = [
        migrations.RunSQL(
            """
            CREATE UNIQUE INDEX IF NOT EXISTS copytrade_leg_serial
                ON copytrade_copyorder (account_id) WHERE state = 'SENDING';
            """,
            migrations.RunSQL.noop,
        ),
    ]
