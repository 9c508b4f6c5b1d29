"""What officers wrote in decisions on a person goes once the person is erased, and only then."""

from django.db import migrations

KEPT = """
CREATE OR REPLACE FUNCTION agora_keep_proposal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
{erased}    IF OLD.state <> 'OPEN'
        OR (NEW.id, NEW.kind, NEW.object_type, NEW.object_id, NEW.payload, NEW.reason,
            NEW.maker_id, NEW.proposed_at, NEW.expires_at, NEW.subject_id)
        IS DISTINCT FROM
           (OLD.id, OLD.kind, OLD.object_type, OLD.object_id, OLD.payload, OLD.reason,
            OLD.maker_id, OLD.proposed_at, OLD.expires_at, OLD.subject_id)
    THEN
        RAISE EXCEPTION 'a decided proposal and what was proposed do not change'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
"""
ERASED = """    IF OLD.state <> 'OPEN'
        AND to_jsonb(NEW) - ARRAY['reason', 'note'] = to_jsonb(OLD) - ARRAY['reason', 'note']
        AND NEW.reason = '–' AND NEW.note = (CASE OLD.note WHEN '' THEN '' ELSE '–' END)
        AND EXISTS (
            SELECT FROM compliance_erasurerequest
            WHERE user_id = OLD.subject_id AND state = 'ERASED'
        )
    THEN
        RETURN NEW;
    END IF;
"""
# Of people who were erased before.
FORGET = """
UPDATE compliance_proposal AS p
SET reason = '–', note = CASE p.note WHEN '' THEN '' ELSE '–' END
FROM compliance_erasurerequest AS e
WHERE e.user_id = p.subject_id AND e.state = 'ERASED' AND p.state <> 'OPEN'
"""


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0020_approvals_before_effects"),
        ("kyc", "0012_subjects_of_proposals"),
    ]

    operations = [
        migrations.RunSQL(KEPT.format(erased=ERASED), KEPT.format(erased="")),
        migrations.RunSQL(FORGET, migrations.RunSQL.noop),
    ]
