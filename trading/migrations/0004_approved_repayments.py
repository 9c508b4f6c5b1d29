"""A repayment needs its approved decision: the database asks for it."""

from django.db import migrations

NEED_APPROVAL = """
CREATE TRIGGER trading_repayment_approved BEFORE INSERT ON trading_repayment
    FOR EACH ROW EXECUTE FUNCTION agora_need_approval('trading.repay_order', 'order_id');
"""
DROP = "DROP TRIGGER trading_repayment_approved ON trading_repayment;"


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0003_repayments"),
        ("compliance", "0020_approvals_before_effects"),
    ]

    operations = [migrations.RunSQL(NEED_APPROVAL, DROP)]
