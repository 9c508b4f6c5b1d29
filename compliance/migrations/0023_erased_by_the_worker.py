"""Only who may remove a person's rows says that a person is closed or erased: not the web.

What officers wrote about the erased may be blanked, and their addresses are nobody's any more.
"""

from django.db import migrations

CREATE = """
CREATE FUNCTION agora_erased_by_worker() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state IN ('CLOSED', 'ERASED')
        AND (TG_OP = 'INSERT'
            OR (NEW.state, NEW.user_id) IS DISTINCT FROM (OLD.state, OLD.user_id))
        AND NOT has_table_privilege('accounts_tokenuse', 'DELETE')
    THEN
        RAISE EXCEPTION 'an erasure is carried out by the worker'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER compliance_erasurerequest_by_worker
    BEFORE INSERT OR UPDATE ON compliance_erasurerequest
    FOR EACH ROW EXECUTE FUNCTION agora_erased_by_worker();
"""
DROP = """
DROP TRIGGER compliance_erasurerequest_by_worker ON compliance_erasurerequest;
DROP FUNCTION agora_erased_by_worker();
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0022_uses_of_erased_people")]

    operations = [migrations.RunSQL(CREATE, DROP)]
