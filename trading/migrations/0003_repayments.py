import django.db.models.deletion
from django.db import migrations, models

TABLES = ("trading_repayment", "trading_sale", "trading_salewithdrawal")
APPEND_ONLY = """
CREATE TRIGGER {table}_no_change
    BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION agora_refuse_change();
CREATE TRIGGER {table}_no_truncate
    BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION agora_refuse_change();
"""
DROP = """
DROP TRIGGER {table}_no_change ON {table};
DROP TRIGGER {table}_no_truncate ON {table};
"""
# Sales are stored one after the other, so that each sees those before it.
ONCE = """
CREATE FUNCTION trading_sale_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('trading_sale'));
    PERFORM FROM trading_sale AS s
    WHERE (s.sale_order_id = NEW.sale_order_id OR s.custody_tx_id = NEW.custody_tx_id)
        AND NOT EXISTS (SELECT FROM trading_salewithdrawal WHERE sale_id = s.proposal_id);
    IF FOUND THEN
        RAISE EXCEPTION 'this sale or this transfer is recorded already'
            USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trading_sale_once BEFORE INSERT ON trading_sale
    FOR EACH ROW EXECUTE FUNCTION trading_sale_once();
"""
DROP_ONCE = """
DROP TRIGGER trading_sale_once ON trading_sale;
DROP FUNCTION trading_sale_once();
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
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
            ],
            options={
                "verbose_name": "repayment",
                "verbose_name_plural": "repayments",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("amount_usd__gt", 0)), name="trading_repayment_amount"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Sale",
            fields=[
                (
                    "proposal_id",
                    models.UUIDField(
                        primary_key=True,
                        serialize=False,
                        verbose_name="decision by two people",
                    ),
                ),
                (
                    "quantity",
                    models.DecimalField(
                        decimal_places=9, max_digits=18, verbose_name="shares sold"
                    ),
                ),
                (
                    "sale_order_id",
                    models.CharField(
                        db_index=True, max_length=64, verbose_name="broker's id of the sale"
                    ),
                ),
                (
                    "custody_tx_id",
                    models.CharField(
                        blank=True,
                        db_index=True,
                        max_length=64,
                        null=True,
                        verbose_name="custodian's id of the transfer",
                    ),
                ),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                (
                    "repayment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sales",
                        to="trading.repayment",
                    ),
                ),
            ],
            options={
                "verbose_name": "sale of kept shares",
                "verbose_name_plural": "sales of kept shares",
                "ordering": ["recorded_at", "proposal_id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("quantity__gt", 0)), name="trading_sale_quantity"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SaleWithdrawal",
            fields=[
                (
                    "sale",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="withdrawal",
                        serialize=False,
                        to="trading.sale",
                    ),
                ),
                (
                    "proposal_id",
                    models.UUIDField(unique=True, verbose_name="decision by two people"),
                ),
                ("withdrawn_at", models.DateTimeField(verbose_name="withdrawn")),
            ],
            options={
                "verbose_name": "withdrawal of a sale",
                "verbose_name_plural": "withdrawals of sales",
            },
        ),
        *(
            migrations.RunSQL(APPEND_ONLY.format(table=table), DROP.format(table=table))
            for table in TABLES
        ),
        migrations.RunSQL(ONCE, DROP_ONCE),
    ]
