"""Rows that only approvals write need their approved decision: the database asks for it.

For tables with the column `proposal_id`. A trigger names the kind of decision, and the column with
the id of what it is about.
"""

from django.db import migrations

NEED_APPROVAL = """
CREATE FUNCTION agora_need_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM compliance_proposal
    WHERE id = NEW.proposal_id AND state = 'APPROVED' AND kind = TG_ARGV[0]
        AND object_id = to_jsonb(NEW) ->> TG_ARGV[1];
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a row of % needs the approved decision % about it', TG_TABLE_NAME, TG_ARGV[0]
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_reservesignature_approved BEFORE INSERT ON compliance_reservesignature
    FOR EACH ROW EXECUTE FUNCTION agora_need_approval('reserves.sign_off', 'snapshot_id');
"""
DROP = """
DROP TRIGGER compliance_reservesignature_approved ON compliance_reservesignature;
DROP FUNCTION agora_need_approval();
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0019_repaid_orders")]

    operations = [migrations.RunSQL(NEED_APPROVAL, DROP)]
