"""A person's proofs over the API."""

from uuid import uuid4

import pytest

from accounts.models import User
from tests.api.conftest import Answer, Api, assert_problem
from tests.proofs import a_published_snapshot

pytestmark = pytest.mark.django_db


def me(api: Api) -> User:
    assert api.user is not None
    return api.user


def read(api: Api, user_id: object | None = None, **query: object) -> Answer:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return api.get(f"/api/v1/users/{user_id or me(api).pk}/reserve-proof?{asked}")


def test_the_newest_published_proof_is_given(buyer: Api) -> None:
    a_published_snapshot(me(buyer), units=1)
    newest = a_published_snapshot(me(buyer), units=2)

    answer = read(buyer)

    assert answer.status == 200
    (proof,) = answer.body["proofs"]
    assert (proof["snapshot"], proof["leaf"]["units"]) == (str(newest.pk), "2")
    assert proof["root"]["hash"] == newest.tree_root
    assert answer.body["block_number"] == newest.block_number


def test_a_snapshot_can_be_named(buyer: Api) -> None:
    older = a_published_snapshot(me(buyer), units=1)
    a_published_snapshot(me(buyer), units=2)

    assert read(buyer, snapshot=older.pk).body["proofs"][0]["leaf"]["units"] == "1"


def test_others_are_not_found(buyer: Api, stranger: Api) -> None:
    snapshot = a_published_snapshot(me(stranger))

    assert_problem(read(buyer, me(stranger).pk), 404, "not_found")
    assert_problem(read(buyer, uuid4()), 404, "not_found")
    assert_problem(read(buyer, snapshot=snapshot.pk), 404, "not_found")


def test_what_two_people_have_not_signed_is_not_given(buyer: Api) -> None:
    unsigned = a_published_snapshot(me(buyer), signed=False)

    assert_problem(read(buyer), 404, "not_found")
    assert_problem(read(buyer, snapshot=unsigned.pk), 404, "not_found")


def test_a_snapshot_that_is_no_uuid_is_refused(buyer: Api) -> None:
    assert read(buyer, snapshot="x").status == 400


def test_a_token_is_needed_that_may_read(anybody: Api, buyer: Api) -> None:
    assert read(anybody, me(buyer).pk).status == 401
    assert read(Api(me(buyer), scopes=("trade",))).status == 403
