"""Corrections of one's own data over the API."""

from uuid import uuid4

import pytest

from kyc.models import Correction
from tests.api.conftest import Api, assert_problem

pytestmark = pytest.mark.django_db
BODY = {"full_name": "Another Name", "reason": "I typed it wrong."}


def path(api: Api, user_id: object | None = None) -> str:
    assert api.user is not None
    return f"/api/v1/users/{user_id or api.user.pk}/corrections"


def test_a_correction_is_asked_for_listed_and_taken_back(buyer: Api) -> None:
    answer = buyer.post(path(buyer), BODY)

    assert answer.status == 202
    assert (answer.body["state"], answer.body["corrects"]) == ("OPEN", ["full_name"])
    assert b"Another Name" not in answer.raw
    assert buyer.get(path(buyer)).body["results"] == [answer.body]
    assert buyer.call("DELETE", path(buyer)).body["state"] == "WITHDRAWN"
    problem = buyer.call("DELETE", path(buyer))
    assert_problem(problem, 409, "correction_refused")
    assert problem.body["reason"] == "decided"


def test_what_is_wrong_is_named_at_its_field(buyer: Api) -> None:
    answer = buyer.post(path(buyer), {**BODY, "tax_id": "1"})

    assert_problem(answer, 422, "invalid")
    assert answer.body["errors"][0]["pointer"] == "#/tax_id"
    assert not Correction.objects.exists()


def test_before_onboarding_there_is_nothing_to_correct(api: Api) -> None:
    assert_problem(api.post(path(api), BODY), 409, "correction_refused")


def test_others_are_not_found(buyer: Api, stranger: Api) -> None:
    assert stranger.user is not None
    for user_id in (stranger.user.pk, uuid4()):
        assert_problem(buyer.get(path(buyer, user_id)), 404, "not_found")
        assert_problem(buyer.post(path(buyer, user_id), BODY), 404, "not_found")
        assert_problem(buyer.call("DELETE", path(buyer, user_id)), 404, "not_found")
