"""KYC-light: a valid submission is approved at once, an invalid one stores nothing (RAT-001)."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from stdnum.py import ruc

from accounts.models import User, Wallet
from accounts.selectors import wallet_of
from compliance.models import AuditRow
from kyc.consent import ACCOUNT
from kyc.models import Application, DailyLimit
from kyc.selectors import application_of, is_approved
from kyc.services import OnboardingError, onboard
from tests.people import a_cpf, an_address, new_user

pytestmark = pytest.mark.django_db
FIRST, SECOND = 70_000_001, 70_000_002


def submit(user: User, **changes: Any) -> Application:
    return onboard(user=user, now=timezone.now(), **{**valid(FIRST), **changes})


def valid(number: int) -> dict[str, Any]:
    return {
        "full_name": "Ana Souza",
        "country": "BR",
        "tax_id": a_cpf(number),
        "wallet_address": an_address(number),
        "consent": True,
    }


def stored() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Application, DailyLimit, Wallet, AuditRow))


def assert_refused(call: Callable[[], object], *fields: str) -> OnboardingError:
    """The submission is refused with a message for exactly these fields, and nothing is stored."""
    before = stored()
    with pytest.raises(OnboardingError) as refusal:
        call()
    assert set(refusal.value.errors) == set(fields)
    assert all(str(message) for messages in refusal.value.errors.values() for message in messages)
    assert stored() == before
    return refusal.value


def test_a_valid_submission_is_approved_and_opens_the_buy_flow() -> None:
    user = new_user()
    assert not is_approved(user)

    application = submit(user)

    assert is_approved(user)
    assert application_of(user) == application
    assert (application.status, application.tier_id) == ("APPROVED", 1)
    assert application.decided_by == "system:kyc"
    assert application.decided_at is not None


def test_the_wallet_is_linked() -> None:
    user = new_user()
    submit(user)

    wallet = wallet_of(user)
    assert wallet is not None
    assert wallet.address.lower() == an_address(FIRST)


def test_the_limit_of_tier_one_is_a_thousand_dollars_unused() -> None:
    limit = submit(new_user()).daily_limit

    assert (str(limit.limit_usd), str(limit.used_usd)) == ("1000.00", "0")


def test_a_ruc_of_paraguay_is_onboarded_too() -> None:
    number = "1234567"

    application = submit(new_user(), country="PY", tax_id=number + ruc.calc_check_digit(number))

    assert (application.country, application.tax_id[:-1]) == ("PY", number)


def test_name_and_tax_id_read_back_from_their_ciphertext() -> None:
    pk = submit(new_user(), full_name="  Ana   Souza ").pk

    application = Application.objects.get(pk=pk)
    assert (application.full_name, application.tax_id) == ("Ana Souza", a_cpf(FIRST))


def test_the_consent_is_kept_with_version_hash_and_time() -> None:
    application = submit(new_user())

    assert application.consent_version == ACCOUNT.version
    assert application.consent_hash == hashlib.sha256(ACCOUNT.text.encode()).hexdigest()
    assert application.consented_at is not None


def test_submission_approval_and_wallet_are_audited() -> None:
    user = new_user()
    application = submit(user)

    rows = {row.action: row for row in AuditRow.objects.all()}
    assert set(rows) == {"wallet.linked", "kyc.submitted", "kyc.approved"}
    assert rows["kyc.submitted"].actor == f"user:{user.pk}"
    approved = rows["kyc.approved"]
    assert (approved.actor, approved.object_id) == ("system:kyc", str(application.pk))
    assert approved.evidence["status"] == "APPROVED"
    assert approved.evidence["consent_hash"] == application.consent_hash


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("full_name", ""),
        ("full_name", "Al"),
        ("full_name", "12345"),
        ("full_name", "x" * 121),
        ("full_name", "Ana\u202eSouza"),
        ("country", "AR"),
        ("tax_id", "111.111.111-11"),
        ("tax_id", "123"),
        ("wallet_address", "0x123"),
        ("wallet_address", "0x" + "0" * 40),
        ("consent", False),
        ("consent", "yes"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(field: str, value: object) -> None:
    user = new_user()

    assert_refused(lambda: submit(user, **{field: value}), field)


def test_all_wrong_fields_are_named_at_once() -> None:
    user = new_user()

    assert_refused(
        lambda: submit(user, full_name="", tax_id="1", wallet_address="me", consent=False),
        *("full_name", "tax_id", "wallet_address", "consent"),
    )


@pytest.mark.parametrize("written", [a_cpf(FIRST), f" {a_cpf(FIRST)[:3]}.{a_cpf(FIRST)[3:]}"])
def test_one_tax_id_is_one_account(written: str) -> None:
    submit(new_user())
    second = new_user()

    assert_refused(
        lambda: submit(second, tax_id=written, wallet_address=an_address(SECOND)), "tax_id"
    )


def test_one_wallet_is_one_account() -> None:
    submit(new_user())
    second = new_user()

    assert_refused(lambda: submit(second, tax_id=a_cpf(SECOND)), "wallet_address")


def test_an_account_is_onboarded_once() -> None:
    user = new_user()
    submit(user)

    assert_refused(lambda: submit(user, **valid(SECOND)), "__all__")


def test_the_database_itself_keeps_one_account_per_tax_id() -> None:
    first = submit(new_user())
    copy = Application.objects.get(pk=first.pk)
    copy.pk, copy.user = None, new_user()

    with pytest.raises(IntegrityError), transaction.atomic():
        copy.save(force_insert=True)
