"""Each consent is kept with the hash of the very text, and the text with it (LGPD art. 8)."""

import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, connection

from accounts.models import User, Wallet
from compliance.personal_data.sealed_columns import COLUMNS
from kyc import consent, services
from kyc.models import Application, Consent, ConsentText
from kyc.services import OnboardingError, onboard
from tests.people import new_address, new_cpf, new_user, onboarded

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> User:
    user = new_user()
    onboard(
        user=user,
        full_name="Ana Souza",
        country="BR",
        tax_id=new_cpf(),
        wallet_address=new_address(),
        consent=True,
        now=NOW,
        language="pt-br",
    )
    return user


def test_onboarding_records_time_language_and_hash_of_the_text(person: User) -> None:
    row = Consent.objects.get(user=person)

    assert (row.accepted_at, row.language, row.withdrawn_at) == (NOW, "pt-br", None)
    assert row.text_id == Application.objects.get(user=person).consent_hash


def test_the_hash_leads_to_the_text_though_the_text_in_force_has_changed(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed_to = consent.ACCOUNT.text
    later_terms = replace(consent.ACCOUNT, version="2027-01", text="Another text.")
    monkeypatch.setattr(services, "ACCOUNT", later_terms)
    later = onboarded(now=NOW)

    first, second = (Consent.objects.get(user=user).text for user in (person, later))

    assert (first.text, second.text) == (agreed_to, "Another text.")
    for text in (first, second):
        assert hashlib.sha256(text.text.encode()).hexdigest() == text.sha256


def test_a_refused_application_leaves_no_consent() -> None:
    with pytest.raises(OnboardingError):
        onboard(
            user=new_user(),
            full_name="Ana Souza",
            country="BR",
            tax_id="1",
            wallet_address=new_address(),
            consent=True,
            now=NOW,
        )

    assert not Consent.objects.exists()


@pytest.mark.parametrize(
    "change", ["UPDATE kyc_consenttext SET text = ''", "DELETE FROM kyc_consenttext"]
)
def test_the_database_keeps_the_text_as_it_was(person: User, change: str) -> None:
    assert ConsentText.objects.exists()

    with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
        cursor.execute(change)


# Where each thing that the text names is stored.
STORED = {
    "name": (Application, "full_name_encrypted"),
    "tax id": (Application, "tax_id_encrypted"),
    "e-mail address": (User, "email"),
    "country": (Application, "country"),
    "wallet address": (Wallet, "address"),
}


def named(pattern: str) -> list[str]:
    """The things that a sentence of the account's text lists."""
    found = re.search(pattern, consent.ACCOUNT.text)
    assert found is not None, pattern
    return re.split(r", | and ", found[1])


def test_what_the_text_calls_encrypted_is_a_sealed_column_and_the_rest_is_none() -> None:
    encrypted = named(r"My ([^.]+?) are stored encrypted")
    readable = named(r"My ([^.]+?) are stored readable")

    assert (
        set(encrypted) | set(readable) == set(named(r"stores my ([^.]+?), to check")) == set(STORED)
    )
    sealed = {f"{column.table}.{column.read}" for column in COLUMNS if column.personal}
    for name, (model, field) in STORED.items():
        column = f"{model._meta.db_table}.{field}"
        assert (column in sealed) == (name in encrypted), name
        assert (name in encrypted) != (name in readable), name
