"""Proof of reserve through the API: officers see every snapshot, everybody what was signed."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from compliance.models import ReserveSnapshot
from tests.api.conftest import Api, assert_problem
from tests.people import new_officer, new_user
from tests.reserving import a_stored_snapshot, with_signature

pytestmark = pytest.mark.django_db
ADMIN, PUBLIC = "/api/v1/admin/proof-of-reserve", "/api/v1/reserves"


def officer(*permissions: str) -> Api:
    return Api(new_officer(*permissions), scopes=("admin",))


@pytest.fixture
def looker() -> Api:
    return officer("view_reservesnapshot")


def test_an_officer_asks_for_a_snapshot_and_looks_at_it(looker: Api) -> None:
    asked = officer("view_reservesnapshot", "add_reservesnapshot").post(ADMIN, {}, key=None)

    assert (asked.status, asked.body["state"]) == (202, "REQUESTED")
    found = looker.get(f"{ADMIN}/{asked.body['id']}")
    assert found.body["requested_by"].startswith("user:")
    assert [each["id"] for each in looker.get(ADMIN).body["results"]] == [asked.body["id"]]


def test_who_asks_again_meanwhile_gets_the_one_that_is_being_built(looker: Api) -> None:
    first = officer("add_reservesnapshot").post(ADMIN, {}, key=None)
    again = officer("add_reservesnapshot").post(ADMIN, {}, key=None)

    assert (again.status, again.body["id"]) == (202, first.body["id"])
    ReserveSnapshot.objects.update(attention=True, next_attempt_at=None)
    third = officer("add_reservesnapshot").post(ADMIN, {}, key=None)
    assert third.body["id"] != first.body["id"], "what waits for a person holds nobody up"


def test_asking_has_the_rate_of_exports(settings: Settings) -> None:
    settings.API_RATES = {**settings.API_RATES, "export": 1}
    asker = officer("add_reservesnapshot")

    asker.post(ADMIN, {}, key=None)

    assert_problem(asker.post(ADMIN, {}, key=None), 429, "rate_limited")


def test_pages_of_what_was_signed_follow_on_each_other(client: Client) -> None:
    made = [with_signature(a_stored_snapshot(block_number=block)) for block in range(3)]

    body = json.loads(client.get(f"{PUBLIC}?page_size=2").content)
    rest = json.loads(client.get(body["next"]).content)

    told = [each["id"] for each in (*body["results"], *rest["results"])]
    assert told == [str(each.pk) for each in reversed(made)]


def test_who_may_only_look_asks_for_none(looker: Api) -> None:
    assert_problem(looker.post(ADMIN, {}, key=None), 403, "forbidden")
    assert not ReserveSnapshot.objects.exists()


def test_nobody_else_sees_snapshots() -> None:
    snapshot = a_stored_snapshot()
    person = Api(new_user(), scopes=("read",))

    for path in (ADMIN, f"{ADMIN}/{snapshot.pk}", f"{ADMIN}/{snapshot.pk}/file"):
        assert person.get(path).status == 403
        assert_problem(officer().get(path), 403, "forbidden")


def test_who_lacks_the_scope_is_told_of_that_and_of_no_second_factor() -> None:
    reader = Api(new_user(), scopes=("read",))

    assert_problem(reader.get(ADMIN), 403, "insufficient_scope")


def test_a_file_is_exported(looker: Api, client: Client) -> None:
    snapshot = a_stored_snapshot()

    answer = looker.get(f"{ADMIN}/{snapshot.pk}/file?form=json")

    assert answer.status == 200
    assert_problem(looker.get(f"{ADMIN}/{snapshot.pk}/file?form=doc"), 400, "malformed")


def test_everybody_sees_what_was_signed_and_nothing_else(client: Client) -> None:
    shown = with_signature(a_stored_snapshot())
    a_stored_snapshot(block_number=8)

    body: dict[str, Any] = json.loads(client.get(PUBLIC).content)

    (told,) = body["results"]
    assert told["id"] == str(shown.pk)
    assert (told["agrees"], told["tree"]["root"]) == (True, shown.tree_root)
    assert "no audit" in body["limits"]
    assert not {"requested_by", "maker_id", "checker_id", "rows"} & set(told)


def test_the_public_list_is_one_query(client: Client) -> None:
    for block in range(5):
        with_signature(a_stored_snapshot(block_number=block))

    with CaptureQueriesContext(connection) as queries:
        client.get(PUBLIC)

    assert len(queries) == 1
