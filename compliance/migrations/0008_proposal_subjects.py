from django.db import migrations, models

KEPT = """
CREATE OR REPLACE FUNCTION agora_keep_proposal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'OPEN'
        OR (NEW.id, NEW.kind, NEW.object_type, NEW.object_id, NEW.payload, NEW.reason,
            NEW.maker_id, NEW.proposed_at, NEW.expires_at{new})
        IS DISTINCT FROM
           (OLD.id, OLD.kind, OLD.object_type, OLD.object_id, OLD.payload, OLD.reason,
            OLD.maker_id, OLD.proposed_at, OLD.expires_at{old})
    THEN
        RAISE EXCEPTION 'a decided proposal and what was proposed do not change'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0007_personal_data")]

    operations = [
        migrations.AddField(
            model_name="proposal",
            name="subject_id",
            field=models.UUIDField(blank=True, db_index=True, null=True, verbose_name="about whom"),
        ),
        migrations.AddConstraint(
            model_name="proposal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("subject_id", None),
                    models.Q(
                        models.Q(("subject_id", models.F("maker_id")), _negated=True),
                        models.Q(
                            ("checker_id", None),
                            models.Q(("subject_id", models.F("checker_id")), _negated=True),
                            _connector="OR",
                        ),
                    ),
                    _connector="OR",
                ),
                name="compliance_proposal_not_by_whom_it_is_about",
            ),
        ),
        migrations.RunSQL(
            KEPT.format(new=", NEW.subject_id", old=", OLD.subject_id"), KEPT.format(new="", old="")
        ),
    ]
