"""A decision by two people is stored as open before anybody can decide it."""

from django.db import migrations

OPEN_FIRST = """
CREATE FUNCTION agora_open_proposal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a decision by two people is proposed before it is taken'
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER compliance_proposal_open_first BEFORE INSERT ON compliance_proposal
    FOR EACH ROW WHEN (NEW.state <> 'OPEN') EXECUTE FUNCTION agora_open_proposal();
"""
DROP_OPEN_FIRST = """
DROP TRIGGER compliance_proposal_open_first ON compliance_proposal;
DROP FUNCTION agora_open_proposal();
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0017_rogue_mints")]

    operations = [migrations.RunSQL(OPEN_FIRST, DROP_OPEN_FIRST)]
