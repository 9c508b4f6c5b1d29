import django.db.models.deletion
from django.db import migrations, models

APPEND_ONLY = """
CREATE TRIGGER trading_repayment_no_change
    BEFORE UPDATE OR DELETE ON trading_repayment
    FOR EACH ROW EXECUTE FUNCTION agora_refuse_change();
CREATE TRIGGER trading_repayment_no_truncate
    BEFORE TRUNCATE ON trading_repayment
    FOR EACH STATEMENT EXECUTE FUNCTION agora_refuse_change();
"""
DROP = """
DROP TRIGGER trading_repayment_no_change ON trading_repayment;
DROP TRIGGER trading_repayment_no_truncate ON trading_repayment;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0002_resolutions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Repayment",
            fields=[
                (
                    "order",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="repayment",
                        serialize=False,
                        to="trading.order",
                    ),
                ),
                (
                    "proposal_id",
                    models.UUIDField(unique=True, verbose_name="decision by two people"),
                ),
                (
                    "amount_usd",
                    models.DecimalField(
                        decimal_places=2, max_digits=12, verbose_name="paid back, USD"
                    ),
                ),
                ("paid_on", models.DateField(verbose_name="day of the payment")),
                (
                    "payment_reference",
                    models.CharField(max_length=64, verbose_name="number of the payment"),
                ),
                (
                    "sold_quantity",
                    models.DecimalField(
                        decimal_places=9, max_digits=18, verbose_name="shares sold"
                    ),
                ),
                (
                    "sale_order_id",
                    models.CharField(
                        blank=True,
                        max_length=64,
                        null=True,
                        unique=True,
                        verbose_name="broker's id of the sale",
                    ),
                ),
                (
                    "custody_tx_id",
                    models.CharField(
                        blank=True,
                        max_length=64,
                        null=True,
                        unique=True,
                        verbose_name="custodian's id of the transfer",
                    ),
                ),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
            ],
            options={
                "verbose_name": "repayment",
                "verbose_name_plural": "repayments",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("amount_usd__gt", 0)), name="trading_repayment_amount"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("custody_tx_id", None),
                                ("sale_order_id", None),
                                ("sold_quantity", 0),
                            ),
                            models.Q(("sale_order_id__isnull", False), ("sold_quantity__gt", 0)),
                            _connector="OR",
                        ),
                        name="trading_repayment_names_the_sale",
                    ),
                ],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, DROP),
    ]
