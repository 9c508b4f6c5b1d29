"""Orders that need a person are counted without reading every order."""

from django.db import migrations, models

from agora.lib.indexes import AddIndexPatiently


class Migration(migrations.Migration):
    # There may be many orders, and more are placed meanwhile.
    atomic = False

    dependencies = [("trading", "0004_approved_repayments")]

    operations = [
        AddIndexPatiently(
            model_name="order",
            index=models.Index(
                fields=["created_at"],
                condition=models.Q(attention=True),
                name="trading_order_attention",
            ),
        ),
    ]
