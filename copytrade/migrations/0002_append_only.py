"""The database itself refuses to change or remove trades, ledger entries and comparisons."""

from django.db import migrations

TABLES = ["copytrade_fill", "copytrade_ledgerentry", "copytrade_ledgerproof"]

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
    dependencies = [
        ("copytrade", "0001_initial"),
        ("compliance", "0002_append_only"),
    ]

    operations = [migrations.RunSQL(TRIGGERS, DROP)]
