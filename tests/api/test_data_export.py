"""Copies of one's own data over the API: asked for and watched, never downloaded by a token alone."""

from uuid import uuid4

import pytest

from compliance.models import DataExport
from tests.api.conftest import Api, assert_problem

pytestmark = pytest.mark.django_db


def path(api: Api, user_id: object | None = None) -> str:
    assert api.user is not None
    return f"/api/v1/users/{user_id or api.user.pk}/data-export"


def test_a_copy_is_asked_for_and_then_listed(buyer: Api) -> None:
    answer = buyer.post(path(buyer), {})

    assert answer.status == 202
    assert (answer.body["state"], answer.body["size"]) == ("REQUESTED", None)
    assert answer.body["page"].endswith("/account/privacy/")
    assert [each["id"] for each in buyer.get(path(buyer)).body["results"]] == [answer.body["id"]]


def test_a_second_one_meanwhile_is_refused(buyer: Api) -> None:
    buyer.post(path(buyer), {})

    assert_problem(buyer.post(path(buyer), {}), 409, "export_refused")
    assert DataExport.objects.count() == 1


def test_others_are_not_found(buyer: Api, stranger: Api) -> None:
    assert stranger.user is not None
    for user_id in (stranger.user.pk, uuid4()):
        assert_problem(buyer.get(path(buyer, user_id)), 404, "not_found")
        assert_problem(buyer.post(path(buyer, user_id), {}), 404, "not_found")
    assert not DataExport.objects.exists()
