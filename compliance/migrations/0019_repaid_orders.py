"""One kind of row more: what Agora keeps of an order that was paid back."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0018_proposals_before_decisions"),
    ]

    operations = [
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
                    ("kept", "Kept by Agora: the buyer was paid back"),
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
                    ("too_many_tokens", "More tokens than the tree of holders can sum"),
                    ("rest_broker", "Rest at the broker that no order explains"),
                    ("rest_custody", "Rest at the custodian that no record explains"),
                    ("rest_chain", "Rest of the supply that no mint explains"),
                ],
                max_length=20,
                verbose_name="kind",
            ),
        ),
    ]
