"""Statements built once give the same rows as the ORM's own."""

import uuid
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.forms.models import model_to_dict
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import ApiToken, User
from accounts.token_store import issue_token
from agora.lib.prepared import Insert, Lookup
from compliance.models import AuditRow
from tests.people import onboarded

pytestmark = pytest.mark.django_db


@pytest.fixture
def token() -> ApiToken:
    made, _secret = issue_token(
        user=onboarded(), name="a token", scopes=("read",), expires_at=None, now=timezone.now()
    )
    return made


def fields(row: Any) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_a_look_up_gives_the_row_that_the_orm_gives(token: ApiToken) -> None:
    found = Lookup(ApiToken.objects.all(), by="prefix").get(token.prefix)

    assert found is not None
    assert fields(found) == fields(ApiToken.objects.get(pk=token.pk))


def test_joined_rows_come_with_it_in_one_query(
    token: ApiToken, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    joined = ApiToken.objects.select_related("user__kyc_application", "user__wallet")
    look_up = Lookup(joined, by="prefix")

    with django_assert_num_queries(1):
        found = look_up.get(token.prefix)
        assert found is not None
        assert found.user.kyc_application.is_approved
        assert found.user.wallet.address
    assert fields(found.user) == fields(User.objects.get(pk=token.user_id))


def test_a_look_up_of_what_is_not_there_gives_none() -> None:
    assert Lookup(ApiToken.objects.all(), by="prefix").get("nobody") is None


def test_a_missing_related_row_is_missing(token: ApiToken) -> None:
    stranger = User.objects.create_user("stranger@example.com")
    ApiToken.objects.filter(pk=token.pk).update(user=stranger)

    found = Lookup(ApiToken.objects.select_related("user__wallet"), by="prefix").get(token.prefix)

    assert found is not None
    assert getattr(found.user, "wallet", None) is None


def an_audit_row() -> AuditRow:
    return AuditRow(
        at=timezone.now(),
        actor="system:test",
        action="test.done",
        object_type="test",
        object_id="1",
        evidence={"text": 'quote " and %s', "number": 1, "nothing": None},
        row_hash=b"\x00\xff" * 16,
    )


def test_an_insert_stores_the_row_and_gives_it_its_key() -> None:
    row = an_audit_row()

    Insert(AuditRow)(row)

    stored = AuditRow.objects.get(pk=row.pk)
    assert model_to_dict(stored) == model_to_dict(row)
    assert bytes(stored.row_hash) == row.row_hash
    assert (stored.uid, stored.at) == (row.uid, row.at)
    assert not row._state.adding


def test_an_insert_of_a_key_that_is_taken_is_refused() -> None:
    first, second = an_audit_row(), an_audit_row()
    first.uid = second.uid = uuid.uuid4()
    Insert(AuditRow)(first)

    with pytest.raises(IntegrityError), transaction.atomic():
        Insert(AuditRow)(second)


def test_a_model_with_database_defaults_is_refused() -> None:
    with pytest.raises(ValueError, match="save it instead"):
        Insert(User)
