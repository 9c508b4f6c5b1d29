"""One exchange account is entered once, whichever of its keys it is entered by."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("copytrade", "0004_carried_over"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="exchangeaccount",
            name="owner_index",
            field=models.CharField(blank=True, default="", editable=False, max_length=64),
        ),
        migrations.AddConstraint(
            model_name="exchangeaccount",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    models.Q(("state", "REMOVED"), _negated=True),
                    models.Q(("owner_index", ""), _negated=True),
                ),
                fields=("exchange", "owner_index"),
                name="copytrade_account_owner_once",
            ),
        ),
    ]
