"""Reserve snapshots, immutable once they are ready, and what the chain has told so far."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

# A snapshot is worked on while it is REQUESTED; ready, neither it nor what belongs to it changes.
KEPT = """
CREATE FUNCTION agora_keep_snapshot() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'READY' THEN
        RAISE EXCEPTION 'a reserve snapshot that is ready does not change'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION agora_keep_snapshot_parts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM compliance_reservesnapshot s
               WHERE s.id = NEW.snapshot_id AND s.state = 'READY') THEN
        RAISE EXCEPTION 'nothing is added to a reserve snapshot that is ready'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_reservesnapshot_kept BEFORE UPDATE ON compliance_reservesnapshot
    FOR EACH ROW EXECUTE FUNCTION agora_keep_snapshot();
CREATE TRIGGER compliance_reservesource_no_more BEFORE INSERT ON compliance_reservesource
    FOR EACH ROW EXECUTE FUNCTION agora_keep_snapshot_parts();
CREATE TRIGGER compliance_reserverow_no_more BEFORE INSERT ON compliance_reserverow
    FOR EACH ROW EXECUTE FUNCTION agora_keep_snapshot_parts();
"""
DROP_KEPT = """
DROP TRIGGER compliance_reserverow_no_more ON compliance_reserverow;
DROP TRIGGER compliance_reservesource_no_more ON compliance_reservesource;
DROP TRIGGER compliance_reservesnapshot_kept ON compliance_reservesnapshot;
DROP FUNCTION agora_keep_snapshot_parts();
DROP FUNCTION agora_keep_snapshot();
"""
TABLES = {
    "compliance_reservesnapshot": "DELETE",
    "compliance_reservesource": "UPDATE OR DELETE",
    "compliance_reserverow": "UPDATE OR DELETE",
    "compliance_reservesignature": "UPDATE OR DELETE",
}
TRIGGERS = "".join(
    f"""
    CREATE TRIGGER {table}_no_change BEFORE {changes} ON {table}
        FOR EACH ROW EXECUTE FUNCTION agora_refuse_change();
    CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION agora_refuse_change();
    """
    for table, changes in TABLES.items()
)
DROP_TRIGGERS = "".join(
    f"DROP TRIGGER {table}_no_change ON {table}; DROP TRIGGER {table}_no_truncate ON {table};"
    for table in TABLES
)


class Migration(migrations.Migration):
    dependencies = [("compliance", "0003_proposals")]

    operations = [
        migrations.CreateModel(
            name="ChainCheckpoint",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("chain_id", models.BigIntegerField()),
                ("contract", models.CharField(max_length=42)),
                ("block_number", models.BigIntegerField()),
                ("block_hash", models.CharField(max_length=66)),
            ],
        ),
        migrations.CreateModel(
            name="ChainMint",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("chain_id", models.BigIntegerField()),
                ("contract", models.CharField(max_length=42)),
                ("block_number", models.BigIntegerField()),
                ("log_index", models.PositiveIntegerField()),
                ("tx_hash", models.CharField(max_length=66)),
                ("to_address", models.CharField(max_length=42)),
                ("units", models.DecimalField(decimal_places=0, max_digits=78)),
                ("broker_trade_id", models.CharField(max_length=128)),
            ],
        ),
        migrations.CreateModel(
            name="ChainTransfer",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("chain_id", models.BigIntegerField()),
                ("contract", models.CharField(max_length=42)),
                ("block_number", models.BigIntegerField()),
                ("log_index", models.PositiveIntegerField()),
                ("tx_hash", models.CharField(max_length=66)),
                ("from_address", models.CharField(max_length=42)),
                ("to_address", models.CharField(max_length=42)),
                ("units", models.DecimalField(decimal_places=0, max_digits=78)),
            ],
        ),
        migrations.CreateModel(
            name="ReserveRow",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("number", models.PositiveIntegerField(verbose_name="number")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("fill_not_read", "Filled at the broker, not read by us yet"),
                            ("between_reads", "Filled while the sources were read"),
                            ("to_custody", "Bought, on its way into custody"),
                            ("custody_not_read", "In custody, not read by us yet"),
                            ("to_mint", "In custody, on its way to the mint"),
                            ("after_block", "Minted after the block of the snapshot"),
                            ("mint_not_read", "Minted, not confirmed by us yet"),
                            ("not_minted", "Bought and never to be minted, by a decision"),
                            ("unknown_broker", "At the broker, unknown to us"),
                            ("missing_broker", "Missing at the broker"),
                            ("unknown_custody", "At the custodian, unknown to us"),
                            ("missing_custody", "Missing at the custodian"),
                            ("unknown_chain", "Minted, unknown to us"),
                            ("missing_chain", "Missing on the chain"),
                            ("unequal", "The legs tell different quantities"),
                            ("without_order", "A record without an order"),
                            ("holders", "Balances do not add up to the supply"),
                            ("rest_broker", "Rest at the broker that no order explains"),
                            ("rest_custody", "Rest at the custodian that no record explains"),
                            ("rest_chain", "Rest of the supply that no mint explains"),
                        ],
                        max_length=20,
                        verbose_name="kind",
                    ),
                ),
                ("is_break", models.BooleanField(verbose_name="a break")),
                ("order_id", models.UUIDField(blank=True, null=True, verbose_name="order")),
                (
                    "leg",
                    models.CharField(blank=True, max_length=20, verbose_name="state of the order"),
                ),
                (
                    "reference",
                    models.CharField(blank=True, max_length=80, verbose_name="outside id"),
                ),
                (
                    "ordered",
                    models.DecimalField(decimal_places=18, max_digits=38, verbose_name="our order"),
                ),
                (
                    "broker",
                    models.DecimalField(decimal_places=18, max_digits=38, verbose_name="broker"),
                ),
                (
                    "recorded",
                    models.DecimalField(
                        decimal_places=18, max_digits=38, verbose_name="our custody record"
                    ),
                ),
                (
                    "custody",
                    models.DecimalField(decimal_places=18, max_digits=38, verbose_name="custodian"),
                ),
                (
                    "minted",
                    models.DecimalField(decimal_places=18, max_digits=38, verbose_name="our mint"),
                ),
                (
                    "chain",
                    models.DecimalField(decimal_places=18, max_digits=38, verbose_name="chain"),
                ),
            ],
            options={
                "verbose_name": "difference of a snapshot",
                "verbose_name_plural": "differences of snapshots",
                "ordering": ["snapshot", "number"],
            },
        ),
        migrations.CreateModel(
            name="ReserveSnapshot",
            fields=[
                ("next_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("lease_token", models.UUIDField(blank=True, null=True)),
                ("last_error", models.TextField(blank=True)),
                ("attention", models.BooleanField(default=False)),
                ("asked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("missed_lookups", models.PositiveSmallIntegerField(default=0, editable=False)),
                ("sends", models.PositiveSmallIntegerField(default=0, editable=False)),
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("symbol", models.CharField(default="AAPL", max_length=12, verbose_name="asset")),
                (
                    "state",
                    models.CharField(
                        choices=[("REQUESTED", "Requested"), ("READY", "Ready")],
                        default="REQUESTED",
                        max_length=12,
                        verbose_name="state",
                    ),
                ),
                (
                    "day",
                    models.DateField(
                        blank=True, null=True, unique=True, verbose_name="scheduled for"
                    ),
                ),
                ("requested_by", models.CharField(max_length=80, verbose_name="requested by")),
                ("requested_at", models.DateTimeField(verbose_name="requested")),
                ("built_at", models.DateTimeField(blank=True, null=True, verbose_name="built")),
                ("chain_id", models.BigIntegerField(blank=True, null=True, verbose_name="chain")),
                ("contract", models.CharField(blank=True, max_length=42, verbose_name="contract")),
                (
                    "block_number",
                    models.BigIntegerField(blank=True, null=True, verbose_name="block"),
                ),
                (
                    "block_hash",
                    models.CharField(blank=True, max_length=66, verbose_name="block hash"),
                ),
                (
                    "block_time",
                    models.DateTimeField(blank=True, null=True, verbose_name="block's time"),
                ),
                (
                    "finality",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("finalized", "told as final by the chain"),
                            ("depth", "deep enough: the chain does not tell what is final"),
                        ],
                        max_length=10,
                        verbose_name="finality",
                    ),
                ),
                ("figures", models.JSONField(default=dict, verbose_name="figures")),
                (
                    "difference",
                    models.DecimalField(
                        blank=True,
                        decimal_places=18,
                        max_digits=38,
                        null=True,
                        verbose_name="difference",
                    ),
                ),
                (
                    "breaks",
                    models.PositiveIntegerField(
                        default=0, verbose_name="differences not explained by time"
                    ),
                ),
                (
                    "tree_root",
                    models.CharField(blank=True, max_length=64, verbose_name="root of the tree"),
                ),
                (
                    "tree_sum",
                    models.DecimalField(
                        blank=True,
                        decimal_places=0,
                        max_digits=78,
                        null=True,
                        verbose_name="sum of the tree, base units",
                    ),
                ),
                ("content_hash", models.CharField(blank=True, max_length=64, verbose_name="hash")),
            ],
            options={
                "verbose_name": "reserve snapshot",
                "verbose_name_plural": "proof of reserve",
                "ordering": ["-requested_at", "-id"],
                "permissions": [
                    (
                        "sign_reservesnapshot",
                        "Can propose and approve the sign-off of a reserve snapshot",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ReserveSource",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=24, verbose_name="source")),
                ("asked_at", models.DateTimeField(verbose_name="asked")),
                ("answered_at", models.DateTimeField(verbose_name="answered")),
                ("evidence", models.JSONField(verbose_name="evidence")),
            ],
            options={
                "verbose_name": "source of a snapshot",
                "verbose_name_plural": "sources of snapshots",
            },
        ),
        migrations.DeleteModel(
            name="ReserveReport",
        ),
        migrations.AddConstraint(
            model_name="chaincheckpoint",
            constraint=models.UniqueConstraint(
                fields=("chain_id", "contract", "block_number"), name="compliance_checkpoint_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="chainmint",
            constraint=models.UniqueConstraint(
                fields=("chain_id", "contract", "block_number", "log_index"),
                name="compliance_mint_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="chaintransfer",
            constraint=models.UniqueConstraint(
                fields=("chain_id", "contract", "block_number", "log_index"),
                name="compliance_transfer_once",
            ),
        ),
        migrations.CreateModel(
            name="ReserveSignature",
            fields=[
                (
                    "snapshot",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="signature",
                        serialize=False,
                        to="compliance.reservesnapshot",
                    ),
                ),
                ("proposal_id", models.UUIDField(unique=True)),
                ("content_hash", models.CharField(max_length=64, verbose_name="hash")),
                ("statement", models.TextField(verbose_name="statement")),
                ("maker_id", models.UUIDField(verbose_name="proposed by")),
                ("checker_id", models.UUIDField(verbose_name="approved by")),
                ("signed_at", models.DateTimeField(db_index=True, verbose_name="signed")),
            ],
            options={
                "verbose_name": "signature of a snapshot",
                "verbose_name_plural": "signatures of snapshots",
            },
        ),
        migrations.AddIndex(
            model_name="reservesnapshot",
            index=models.Index(fields=["-requested_at", "-id"], name="compliance_snapshot_newest"),
        ),
        migrations.AddIndex(
            model_name="reservesnapshot",
            index=models.Index(
                condition=models.Q(("next_attempt_at__isnull", False)),
                fields=["next_attempt_at"],
                name="compliance_snapshot_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="reservesnapshot",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "REQUESTED"),
                    models.Q(
                        ("block_number__isnull", False),
                        ("built_at__isnull", False),
                        ("difference__isnull", False),
                        ("state", "READY"),
                        models.Q(("content_hash", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="compliance_snapshot_ready_is_whole",
            ),
        ),
        migrations.AddField(
            model_name="reserverow",
            name="snapshot",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="rows",
                to="compliance.reservesnapshot",
            ),
        ),
        migrations.AddField(
            model_name="reservesource",
            name="snapshot",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="sources",
                to="compliance.reservesnapshot",
            ),
        ),
        migrations.AddConstraint(
            model_name="reservesignature",
            constraint=models.CheckConstraint(
                condition=models.Q(("maker_id", models.F("checker_id")), _negated=True),
                name="compliance_signature_two_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="reserverow",
            constraint=models.UniqueConstraint(
                fields=("snapshot", "number"), name="compliance_row_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="reservesource",
            constraint=models.UniqueConstraint(
                fields=("snapshot", "name"), name="compliance_source_once"
            ),
        ),
        migrations.RunSQL(KEPT, DROP_KEPT),
        migrations.RunSQL(TRIGGERS, DROP_TRIGGERS),
    ]
