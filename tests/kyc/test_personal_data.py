"""Personal data is unreadable in every table and never in the audit trail (ARCHITECTURE 3)."""

import json

import pytest
from django.db import connection
from django.utils import timezone

from compliance.models import AuditRow
from kyc.services import onboard
from tests.people import a_cpf, an_address, new_user

pytestmark = pytest.mark.django_db
NAME, NUMBER = "Canary Quillfeather", 71_717_171


@pytest.fixture(autouse=True)
def _someone_onboarded() -> None:
    onboard(
        user=new_user(email="plain.mail@example.com"),
        full_name=NAME,
        country="BR",
        tax_id=a_cpf(NUMBER),
        wallet_address=an_address(NUMBER),
        consent=True,
        now=timezone.now(),
    )


def whole_database() -> dict[str, str]:
    """Every table's rows as the database writes them, in lower case."""
    with connection.cursor() as cursor:
        dump = {}
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            dump[table] = "\n".join(row[0] for row in cursor.fetchall()).lower()
        return dump


def tables_with(text: str) -> set[str]:
    """Tables in which the text stands, plainly or as hexadecimal bytes."""
    forms = (text.lower(), text.encode().hex(), text.lower().encode().hex())
    return {table for table, rows in whole_database().items() if any(f in rows for f in forms)}


def test_the_scan_sees_what_is_plain() -> None:
    assert tables_with("plain.mail@example.com") == {"accounts_user"}


@pytest.mark.parametrize("secret", [*NAME.split(), NAME, a_cpf(NUMBER), a_cpf(NUMBER)[:9]])
def test_name_and_tax_id_stand_in_no_table(secret: str) -> None:
    assert tables_with(secret) == set()


def test_the_audit_trail_knows_people_by_their_id_alone() -> None:
    trail = json.dumps(list(AuditRow.objects.values("actor", "object_id", "evidence")))

    for personal in (*NAME.split(), a_cpf(NUMBER), "plain.mail"):
        assert personal.lower() not in trail.lower()
