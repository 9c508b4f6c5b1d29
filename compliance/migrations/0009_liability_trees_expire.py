"""Trees of holders may be removed once they are old: how old is a retention rule (docs/liabilities-tree.md)."""

from typing import Any

from django.db import migrations

DAYS = 90
UNCONFIRMED = "Placeholder: chosen by Agora, to be confirmed by counsel"
TREE = "compliance_liabilitytree"
PARTS = ["compliance_liabilitychunk", "compliance_liabilityleaf"]

# The rule decides; this holds whatever it says: nothing of the last thirty days goes. Looked at once
# for each statement, because a tree may have a million leaves.
FUNCTION = """
CREATE FUNCTION agora_keep_young_tree() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT snapshot_id FROM gone) AS of
        LEFT JOIN compliance_liabilitytree t USING (snapshot_id)
        WHERE t.built_at IS NULL OR t.built_at > now() - interval '30 days'
    ) THEN
        RAISE EXCEPTION 'DELETE on % is refused: the table is append-only for thirty days',
            TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION agora_keep_young_tree_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.built_at > now() - interval '30 days' THEN
        RAISE EXCEPTION 'DELETE on % is refused: the table is append-only for thirty days',
            TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN OLD;
END $$;
"""

TRIGGERS = "".join(
    f"""
    DROP TRIGGER {table}_no_change ON {table};
    CREATE TRIGGER {table}_no_change BEFORE UPDATE ON {table}
        FOR EACH ROW EXECUTE FUNCTION agora_refuse_change();
    """
    for table in [TREE, *PARTS]
)
TRIGGERS += f"""
    CREATE TRIGGER {TREE}_kept BEFORE DELETE ON {TREE}
        FOR EACH ROW EXECUTE FUNCTION agora_keep_young_tree_row();
"""
TRIGGERS += "".join(
    f"""
    CREATE TRIGGER {table}_kept AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone
        FOR EACH STATEMENT EXECUTE FUNCTION agora_keep_young_tree();
    """
    for table in PARTS
)

BACK = "".join(
    f"""
    DROP TRIGGER {table}_kept ON {table};
    DROP TRIGGER {table}_no_change ON {table};
    CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION agora_refuse_change();
    """
    for table in [TREE, *PARTS]
)


def fill_rule(apps: Any, schema_editor: Any) -> None:
    apps.get_model("compliance", "RetentionRule").objects.get_or_create(
        kind="liability_tree", defaults={"days": DAYS, "legal_basis": UNCONFIRMED}
    )


class Migration(migrations.Migration):
    dependencies = [("compliance", "0008_proposal_subjects")]

    operations = [
        migrations.RunSQL(
            FUNCTION,
            "DROP FUNCTION agora_keep_young_tree(); DROP FUNCTION agora_keep_young_tree_row()",
        ),
        migrations.RunSQL(TRIGGERS, BACK),
        migrations.RunPython(fill_rule, migrations.RunPython.noop),
    ]
