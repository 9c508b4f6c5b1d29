"""Proposals from before compliance 0008 get the person they are about, decided ones as well.

By that, people neither read nor decide what is about themselves, and do not find it in the trail. It
adds what was not noted then and changes nothing of what was proposed, so the trigger that keeps
proposals rests meanwhile. Left out is what the person proposed or decided themselves: it happened.
"""

from django.db import migrations

NAME_SUBJECTS = """
ALTER TABLE compliance_proposal DISABLE TRIGGER compliance_proposal_kept;
UPDATE compliance_proposal AS proposal SET subject_id = whom.user_id
FROM (
    SELECT 'user' AS object_type, id::text AS object_id, id AS user_id FROM accounts_user
    UNION ALL
    SELECT 'kyc_application', id::text, user_id FROM kyc_application
    UNION ALL
    SELECT 'kyc_case', c.id::text, a.user_id
    FROM kyc_case c JOIN kyc_application a ON a.id = c.application_id
    UNION ALL
    SELECT 'screening_match', m.id::text, a.user_id
    FROM kyc_screeningmatch m JOIN kyc_application a ON a.id = m.application_id
    UNION ALL
    SELECT 'kyc_correction', c.id::text, a.user_id
    FROM kyc_correction c JOIN kyc_application a ON a.id = c.application_id
) AS whom
WHERE proposal.subject_id IS NULL
    AND proposal.object_type = whom.object_type AND proposal.object_id = whom.object_id
    AND whom.user_id <> proposal.maker_id
    AND whom.user_id IS DISTINCT FROM proposal.checker_id;
ALTER TABLE compliance_proposal ENABLE TRIGGER compliance_proposal_kept;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("kyc", "0011_case_endings"),
        ("accounts", "0008_disputed_wallets"),
        ("compliance", "0013_age_of_nonces"),
    ]

    operations = [migrations.RunSQL(NAME_SUBJECTS, migrations.RunSQL.noop)]
