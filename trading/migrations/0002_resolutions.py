"""A permission of its own for ending an order that needs a person."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("trading", "0001_initial")]

    operations = [
        migrations.AlterModelOptions(
            name="order",
            options={
                "ordering": ["-created_at", "-id"],
                "permissions": [
                    ("resolve_order", "Can propose how an order that needs a person ends")
                ],
                "verbose_name": "order",
                "verbose_name_plural": "orders",
            },
        ),
    ]
