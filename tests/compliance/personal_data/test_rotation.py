"""`manage.py rotate_keys`: everything ends up under the first key, on a live installation (ADR 0012)."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import decrypt, encrypt
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import models
from pytest_django import Settings

from accounts.keys import key_for
from accounts.models import PersonKey, User
from agora.lib import crypto
from compliance.models import AuditRow
from compliance.personal_data import rotation
from compliance.personal_data.sealed_columns import COLUMNS
from copytrade.exchange.credentials import credentials_of
from copytrade.models import ExchangeAccount
from tests.copying import new_account
from tests.people import onboarded

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
OLD = "old:" + base64.b64encode(b"o" * 32).decode()
NEW = "new:" + base64.b64encode(b"n" * 32).decode()
BOTH = f"{NEW},{OLD}"
TOTP_SECRET = "JBSWY3DPEHPK3PXP"
KEY = ("k" * 64, "s" * 64)

pytestmark = pytest.mark.django_db


def someone() -> User:
    """Somebody with something in every sealed column, name and tax id as before there were keys."""
    user = onboarded()
    application = user.kyc_application
    key_for(user.pk)
    for column, text in (("full_name", "Ana Souza"), ("tax_id", "52998224725")):
        sealed = crypto.encrypt(text, table="kyc_application", column=column, row=application.pk)
        setattr(application, f"{column}_encrypted", sealed)
    application.save()
    new_account(user=user, key=(KEY[0][:-4] + user.pk.hex[:4], KEY[1]))
    kinds = Authenticator.Type
    Authenticator.objects.create(user=user, type=kinds.TOTP, data={"secret": encrypt(TOTP_SECRET)})
    Authenticator.objects.create(
        user=user, type=kinds.RECOVERY_CODES, data={"seed": encrypt("5" * 80), "used_mask": 3}
    )
    Authenticator.objects.create(user=user, type=kinds.WEBAUTHN, data={"name": "Passkey"})
    return user


@pytest.fixture
def person(settings: Settings) -> User:
    """Somebody whose data stands under an old key, while a new one seals already."""
    settings.FIELD_KEYS = OLD
    user = someone()
    settings.FIELD_KEYS = BOTH
    return user


def told(*options: str) -> dict[str, Any]:
    """What the command reports; raises CommandError unless all is done."""
    output = StringIO()
    call_command("rotate_keys", "--json", *options, stdout=output)
    found: dict[str, Any] = json.loads(output.getvalue())
    return found


def test_everything_is_readable_with_the_new_key_alone(person: User, settings: Settings) -> None:
    report = told()
    settings.FIELD_KEYS = NEW

    application = person.kyc_application
    application.refresh_from_db()
    account = ExchangeAccount.objects.get(user=person)
    assert (report["done"], report["unused"]) == (True, ["old"])
    assert (application.full_name, application.tax_id) == ("Ana Souza", "52998224725")
    assert credentials_of(account).secret == KEY[1]
    assert key_for(person.pk).person == person.pk
    data = {row.type: row.data for row in Authenticator.objects.filter(user=person)}
    assert decrypt(data["totp"]["secret"]) == TOTP_SECRET
    assert decrypt(data["recovery_codes"]["seed"]) == "5" * 80
    assert (data["recovery_codes"]["used_mask"], data["webauthn"]) == (3, {"name": "Passkey"})


def test_name_and_tax_id_move_under_the_persons_own_key(person: User) -> None:
    told()

    application = person.kyc_application
    application.refresh_from_db()
    assert crypto.is_personal(bytes(application.full_name_encrypted))
    assert crypto.is_personal(bytes(application.tax_id_encrypted))


def test_a_persons_key_itself_stays_the_same(person: User) -> None:
    before = key_for(person.pk)
    told()

    assert key_for(person.pk) == before


def test_a_dry_run_counts_and_changes_nothing(person: User) -> None:
    before = rotation.report()
    output = StringIO()

    with pytest.raises(CommandError) as refused:
        call_command("rotate_keys", "--dry-run", stdout=output)

    assert refused.value.returncode == 1
    assert "1  of accounts_personkey.sealed still under key old" in output.getvalue()
    assert rotation.report() == before
    assert before.keys == {"old": 7}


def test_a_second_run_finds_nothing_to_do(person: User) -> None:
    told()
    rows = AuditRow.objects.filter(action="keys.rotated").count()
    sealed = bytes(PersonKey.objects.get(user=person).sealed)

    assert told()["done"]
    assert AuditRow.objects.filter(action="keys.rotated").count() == rows
    assert bytes(PersonKey.objects.get(user=person).sealed) == sealed


def test_a_run_in_small_batches_reaches_every_row(settings: Settings) -> None:
    settings.FIELD_KEYS = OLD
    people = [someone() for _ in range(5)]
    settings.FIELD_KEYS = BOTH

    assert told("--batch=2")["keys"] == {"new": 5 * len(people), "person": 2 * len(people)}


def test_the_trail_tells_of_columns_and_numbers_and_of_no_value(person: User) -> None:
    told()

    rows = AuditRow.objects.filter(action="keys.rotated")
    assert {row.evidence["column"] for row in rows} == {column.title for column in COLUMNS}
    assert all(set(row.evidence) == {"column", "values"} for row in rows)


def test_a_value_under_a_key_that_is_gone_is_told_and_left(
    person: User, settings: Settings
) -> None:
    settings.FIELD_KEYS = NEW
    before = bytes(PersonKey.objects.get(user=person).sealed)

    with pytest.raises(CommandError, match="lacks the keys old") as refused:
        told()

    assert refused.value.returncode == 1
    assert bytes(PersonKey.objects.get(user=person).sealed) == before


def test_one_spoilt_value_does_not_keep_the_others_from_being_sealed(
    person: User, settings: Settings
) -> None:
    settings.FIELD_KEYS = OLD
    other = someone()
    settings.FIELD_KEYS = BOTH
    PersonKey.objects.filter(user=other).update(sealed=b"old\0spoilt")

    with pytest.raises(CommandError, match="doctor"):
        told()

    assert rotation.report().keys["old"] == 3  # the key, and what should move under it
    assert bytes(PersonKey.objects.get(user=person).sealed).startswith(b"new\0")


def test_what_was_changed_since_it_was_read_is_left_as_written(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = ExchangeAccount.objects.get(user=person)
    column = next(column for column in COLUMNS if column.title.endswith("exchangeaccount.secret"))

    def while_it_is_replaced(pk: object, owner: object, sealed: bytes) -> bytes:
        account.secret_encrypted = account.seal(column="secret", text="replaced")
        account.save(update_fields=["secret_encrypted"])
        return column.reseal(pk, owner, sealed)

    monkeypatch.setattr(rotation, "COLUMNS", [replace(column, reseal=while_it_is_replaced)])
    rotation.rotate(now=NOW)

    assert credentials_of(ExchangeAccount.objects.get(user=person)).secret == "replaced"


def test_a_destroyed_key_is_no_work(person: User) -> None:
    PersonKey.objects.filter(user=person).update(sealed=b"", shredded_at=NOW)
    application = person.kyc_application
    application.full_name_encrypted = application.tax_id_encrypted = b""
    application.save()

    assert told()["done"]


# What is sealed under people's own keys needs no rotation; the rest is no ciphertext.
PERSONAL = {
    "compliance.DataExportPart.sealed",
    "kyc.CaseEvent.text_encrypted",
    "kyc.Correction.answer_encrypted",
    "kyc.Correction.full_name_encrypted",
    "kyc.Correction.reason_encrypted",
    "kyc.Correction.tax_id_encrypted",
    "kyc.Document.note_encrypted",
}
NO_CIPHERTEXT = {
    "accounts.ApiToken.digest": "keyed digest",
    "compliance.AuditRow.row_hash": "hash",
    "compliance.AuditSeal.hash": "hash",
    "compliance.AuditAnchor.hash": "hash",
    "compliance.LiabilityChunk.nodes": "hashes",
    "compliance.LiabilityLeaf.account": "address on the chain",
    "compliance.LiabilityNonce.account": "address on the chain",
    "compliance.LiabilityNonce.nonce": "salt of a hash, shown to its owner",
    "compliance.LiabilityTree.root_hash": "hash",
    "kyc.Application.tax_id_index": "keyed digest",
}


def test_every_binary_column_is_rotated_or_needs_no_rotation() -> None:
    binary = {
        f"{model._meta.label}.{column.name}": (model._meta.db_table, column.name)
        for model in apps.get_models()
        for column in model._meta.get_fields()
        if isinstance(column, models.BinaryField)
    }
    rotated = {(column.table, column.read) for column in COLUMNS}

    unknown = {name for name, place in binary.items() if place not in rotated}
    assert unknown == PERSONAL | set(NO_CIPHERTEXT)
