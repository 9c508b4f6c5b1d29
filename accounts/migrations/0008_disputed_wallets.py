from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_roles")]

    operations = [
        migrations.AddField(
            model_name="wallet",
            name="disputed_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="disputed"),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(
                condition=models.Q(("disputed_at", None), ("verified_at", None), _connector="OR"),
                name="accounts_wallet_proved_is_not_disputed",
            ),
        ),
    ]
