"""A repayment, a sale and its withdrawal need their approved decision: the database asks for it."""

from django.db import migrations

NEED_APPROVAL = """
CREATE TRIGGER trading_repayment_approved BEFORE INSERT ON trading_repayment
    FOR EACH ROW EXECUTE FUNCTION agora_need_approval('trading.repay_order', 'order_id');
CREATE TRIGGER trading_sale_approved BEFORE INSERT ON trading_sale
    FOR EACH ROW EXECUTE FUNCTION agora_need_approval('trading.record_sale', 'repayment_id');
CREATE TRIGGER trading_salewithdrawal_approved BEFORE INSERT ON trading_salewithdrawal
    FOR EACH ROW EXECUTE FUNCTION agora_need_approval('trading.withdraw_sale', 'sale_id');
"""
DROP = """
DROP TRIGGER trading_repayment_approved ON trading_repayment;
DROP TRIGGER trading_sale_approved ON trading_sale;
DROP TRIGGER trading_salewithdrawal_approved ON trading_salewithdrawal;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0003_repayments"),
        ("compliance", "0020_approvals_before_effects"),
    ]

    operations = [migrations.RunSQL(NEED_APPROVAL, DROP)]
