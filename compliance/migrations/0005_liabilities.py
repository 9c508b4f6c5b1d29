"""The tree of liabilities of a snapshot: what is stored of it never changes."""

from django.db import migrations, models

TABLES = ["compliance_liabilitytree", "compliance_liabilitychunk", "compliance_liabilityleaf"]

TRIGGERS = "".join(
    f"""
    CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION agora_refuse_change();
    CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION agora_refuse_change();
    """
    for table in TABLES
)

DROP = "".join(
    f"DROP TRIGGER {table}_no_change ON {table}; DROP TRIGGER {table}_no_truncate ON {table};"
    for table in TABLES
)


class Migration(migrations.Migration):
    dependencies = [("compliance", "0004_reserve_snapshots")]

    operations = [
        migrations.CreateModel(
            name="LiabilityTree",
            fields=[
                (
                    "snapshot_id",
                    models.UUIDField(
                        editable=False, primary_key=True, serialize=False, verbose_name="snapshot"
                    ),
                ),
                ("built_at", models.DateTimeField(verbose_name="built")),
                ("holders", models.BigIntegerField(verbose_name="holders")),
                ("depth", models.PositiveSmallIntegerField(verbose_name="levels above the leaves")),
                ("root_hash", models.BinaryField(max_length=32, verbose_name="root")),
                (
                    "total",
                    models.DecimalField(
                        decimal_places=0, max_digits=39, verbose_name="owed, base units"
                    ),
                ),
            ],
            options={
                "verbose_name": "liabilities tree",
                "verbose_name_plural": "liabilities trees",
                "ordering": ["-built_at"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(total__gte=0, holders__gte=0),
                        name="compliance_liabilitytree_not_negative",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LiabilityChunk",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "snapshot_id",
                        "level",
                        "number",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("snapshot_id", models.UUIDField()),
                ("level", models.PositiveSmallIntegerField()),
                ("number", models.IntegerField()),
                ("nodes", models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name="LiabilityLeaf",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "snapshot_id",
                        "account",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("snapshot_id", models.UUIDField()),
                ("account", models.BinaryField(max_length=20)),
                ("position", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="LiabilityNonce",
            fields=[
                ("account", models.BinaryField(max_length=20, primary_key=True, serialize=False)),
                ("user_id", models.UUIDField(blank=True, db_index=True, null=True)),
                ("nonce", models.BinaryField(max_length=32)),
            ],
        ),
        migrations.RunSQL(TRIGGERS, DROP),
    ]
