"""Onboarding over the API (RAT-001)."""

from typing import Any

import pytest
from pytest_django import Settings

from agora.lib.models import IdempotencyKey
from compliance.models import AuditRow
from kyc.consent import ACCOUNT
from kyc.models import Application
from tests.api.conftest import Answer, Api, assert_problem, pointers
from tests.people import new_address, new_cpf

pytestmark = pytest.mark.django_db


def submission(**changes: Any) -> dict[str, Any]:
    values = {
        "full_name": "Ana Souza",
        "country": "BR",
        "tax_id": new_cpf(),
        "wallet_address": new_address(),
        "consent": True,
    }
    return {**values, **changes}


def onboard(api: Api, **changes: Any) -> Answer:
    return api.post("/api/v1/users/onboard", submission(**changes))


def assert_nothing_stored() -> None:
    assert not Application.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert not AuditRow.objects.filter(action__startswith="kyc.").exists()


def test_valid_submission_is_approved(api: Api) -> None:
    assert api.user is not None
    answer = onboard(api, email=api.user.email.upper())
    assert answer.status == 201
    assert (answer.body["status"], answer.body["tier"]) == ("APPROVED", 1)
    assert answer.body["user_id"] == str(api.user.pk)
    assert answer.body["daily_limit"]["left_usd"] == "1000.00"
    assert api.order("0.02").status == 201


def test_with_no_list_to_look_in_a_required_screening_leaves_it_pending_without_a_limit(
    api: Api, settings: Settings
) -> None:
    settings.SCREENING_REQUIRED = True

    answer = onboard(api)

    assert (answer.status, answer.body["status"]) == (201, "PENDING")
    assert answer.body["daily_limit"] is None
    assert assert_problem(api.order("0.02"), 403, "not_approved")


def test_personal_data_is_neither_sent_back_nor_kept_in_the_answer(api: Api) -> None:
    tax_id = new_cpf()
    answer = onboard(api, tax_id=tax_id)
    kept = IdempotencyKey.objects.get().body
    for text in (answer.raw.decode(), kept):
        assert tax_id not in text
        assert "Ana" not in text


def test_repeat_gets_the_same_answer(api: Api) -> None:
    sent = submission()
    first = api.post("/api/v1/users/onboard", sent, key="k")
    again = api.post("/api/v1/users/onboard", sent, key="k")
    assert (again.status, again.raw) == (201, first.raw)
    assert Application.objects.count() == 1


def test_key_is_needed(api: Api) -> None:
    answer = api.post("/api/v1/users/onboard", submission(), key=None)
    assert_problem(answer, 400, "idempotency_key_missing")


def test_twice_is_refused(api: Api) -> None:
    onboard(api)
    assert_problem(onboard(api), 409, "already_onboarded")
    assert Application.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("full_name", ""),
        ("full_name", "12"),
        ("full_name", None),
        ("full_name", 7),
        ("email", "somebody@else.example"),
        ("country", "AR"),
        ("country", ["BR"]),
        ("tax_id", "111.111.111-11"),
        ("tax_id", "123.456.789-00"),
        ("tax_id", 52998224725),
        ("wallet_address", "0x0"),
        ("wallet_address", "0x" + "0" * 40),
        ("consent", False),
        ("consent", "true"),
        ("consent", 1),
        ("consent_version", "1999-01"),
        ("favourite_colour", "red"),
    ],
)
def test_wrong_field_is_named_and_nothing_stored(api: Api, field: str, value: object) -> None:
    answer = onboard(api, **{field: value})
    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == [f"#/{field}"]
    assert_nothing_stored()


def test_tax_id_of_another_account(api: Api, stranger: Api) -> None:
    tax_id = Application.objects.get(user=stranger.user).tax_id
    answer = onboard(api, tax_id=tax_id)
    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == ["#/tax_id"]
    assert Application.objects.count() == 1


def test_consent_can_be_read_first(api: Api) -> None:
    answer = api.get("/api/v1/users/onboard")
    assert answer.body["consent_version"] == ACCOUNT.version
    assert len(answer.body["consent_text"]) > 100
