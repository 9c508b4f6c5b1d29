"""A reserve snapshot is asked for before it is built; a kind for what is on its way for too long."""

from django.db import migrations, models

# Who may add snapshots and not change them (agora.database_roles) can then only ask for one.
ASKED_FOR = """
CREATE FUNCTION agora_ask_for_snapshot() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a reserve snapshot is asked for before it is built'
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER compliance_reservesnapshot_asked_for BEFORE INSERT ON compliance_reservesnapshot
    FOR EACH ROW WHEN (NEW.state <> 'REQUESTED') EXECUTE FUNCTION agora_ask_for_snapshot();
"""
DROP_ASKED_FOR = """
DROP TRIGGER compliance_reservesnapshot_asked_for ON compliance_reservesnapshot;
DROP FUNCTION agora_ask_for_snapshot();
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0014_name_of_reserve_snapshots")]

    operations = [
        migrations.RunSQL(ASKED_FOR, DROP_ASKED_FOR),
        migrations.AlterField(
            model_name="reserverow",
            name="kind",
            field=models.CharField(
                choices=[
                    ("fill_not_read", "Filled at the broker, not read by us yet"),
                    ("between_reads", "Filled while the sources were read"),
                    ("to_custody", "Bought, on its way into custody"),
                    ("custody_not_read", "In custody, not read by us yet"),
                    ("to_mint", "In custody, on its way to the mint"),
                    ("after_block", "Minted after the block of the snapshot"),
                    ("mint_not_read", "Minted, not confirmed by us yet"),
                    ("not_minted", "Bought and never to be minted, by a decision"),
                    ("overdue", "On its way for too long"),
                    ("unknown_broker", "At the broker, unknown to us"),
                    ("missing_broker", "Missing at the broker"),
                    ("unknown_custody", "At the custodian, unknown to us"),
                    ("missing_custody", "Missing at the custodian"),
                    ("unknown_chain", "Minted, unknown to us"),
                    ("missing_chain", "Missing on the chain"),
                    ("unequal", "The legs tell different quantities"),
                    ("without_order", "A record without an order"),
                    ("holders", "Balances by events are not what the contract tells"),
                    ("rest_broker", "Rest at the broker that no order explains"),
                    ("rest_custody", "Rest at the custodian that no record explains"),
                    ("rest_chain", "Rest of the supply that no mint explains"),
                ],
                max_length=20,
                verbose_name="kind",
            ),
        ),
    ]
