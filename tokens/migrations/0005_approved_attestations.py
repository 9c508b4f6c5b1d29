"""An attestation, and its end, need the approved decision of two people: the database asks for it."""

from django.db import migrations

NEED_APPROVAL = """
CREATE TRIGGER tokens_attestation_approved BEFORE INSERT ON tokens_attestation
    FOR EACH ROW EXECUTE FUNCTION agora_need_approval('tokens.attestation', 'bytecode_sha256');
CREATE TRIGGER tokens_attestationwithdrawal_approved BEFORE INSERT ON tokens_attestationwithdrawal
    FOR EACH ROW
    EXECUTE FUNCTION agora_need_approval('tokens.attestation_withdrawn', 'attestation_id');
"""
DROP = """
DROP TRIGGER tokens_attestation_approved ON tokens_attestation;
DROP TRIGGER tokens_attestationwithdrawal_approved ON tokens_attestationwithdrawal;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("tokens", "0004_handed_in"),
        ("compliance", "0020_approvals_before_effects"),
    ]

    operations = [migrations.RunSQL(NEED_APPROVAL, DROP)]
