"""Notices through the API: one's own, in one's language, read once."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from accounts import notices
from accounts.models import Notice, User
from tests.api.conftest import Api, assert_problem

pytestmark = pytest.mark.django_db

PATH = "/api/v1/notices"
NOW = datetime.fromisoformat("2026-03-02T12:00:00+00:00")


def tell(user: User | None, **changes: Any) -> Notice:
    assert user is not None
    right: dict[str, Any] = {
        "kind": "test",
        "subject": "Page %(number)s of %(total)s",
        "body": "Copy %(label)s",
        "params": {"number": 1, "total": 2, "label": "it"},
        "url": "/orders/",
        "level": Notice.Level.ALERT,
        "now": NOW,
    }
    notice = notices.notify(user=user, **{**right, **changes})
    assert notice is not None
    return notice


def test_a_notice_is_told_in_full(api: Api) -> None:
    notice = tell(api.user)

    (found,) = api.get(PATH).body["results"]
    assert found == {
        "id": str(notice.pk),
        "kind": "test",
        "level": "alert",
        "subject": "Page 1 of 2",
        "body": "Copy it",
        "url": "/orders/",
        "created_at": "2026-03-02T12:00:00Z",
        "read_at": None,
    }


def test_it_is_told_in_the_language_of_the_request(api: Api) -> None:
    tell(api.user)

    (found,) = api.get(PATH, Accept_Language="pt-BR").body["results"]
    assert (found["subject"], found["body"]) == ("Página 1 de 2", "Copiar it")


def test_the_newest_comes_first_and_what_was_read_can_be_left_out(api: Api) -> None:
    old, new = tell(api.user), tell(api.user, now=NOW + timedelta(hours=1))
    api.post(f"{PATH}/{old.pk}/read", {}, key=None)

    everything, unread = api.get(PATH).body, api.get(f"{PATH}?unread=true").body
    assert [found["id"] for found in everything["results"]] == [str(new.pk), str(old.pk)]
    assert [found["id"] for found in unread["results"]] == [str(new.pk)]


def test_the_first_reading_counts(api: Api) -> None:
    notice = tell(api.user)

    first = api.post(f"{PATH}/{notice.pk}/read", {}, key=None)
    second = api.post(f"{PATH}/{notice.pk}/read", {}, key=None)

    assert (first.status, second.body) == (200, first.body)
    assert first.body["read_at"] is not None


def test_all_up_to_a_moment_are_read(api: Api) -> None:
    tell(api.user)
    tell(api.user, now=NOW + timedelta(hours=1))

    answer = api.post(f"{PATH}/read", {"until": "2026-03-02T12:00:00Z"}, key=None)

    assert (answer.status, answer.body) == (200, {"marked": 1})
    assert len(api.get(f"{PATH}?unread=true").body["results"]) == 1


@pytest.mark.parametrize("body", [{}, {"until": "soon"}, {"until": None}, {"all": True}])
def test_without_a_moment_nothing_is_read(api: Api, body: dict[str, object]) -> None:
    tell(api.user)

    assert_problem(api.post(f"{PATH}/read", body, key=None), 422, "invalid")
    assert not Notice.objects.filter(read_at__isnull=False).exists()


@pytest.mark.parametrize("query", ["?unread=false", "?read=true", "?cursor=x"])
def test_a_wrong_filter_is_refused(api: Api, query: str) -> None:
    assert_problem(api.get(PATH + query), 400, "malformed")


def test_a_stranger_finds_nothing_and_marks_nothing(api: Api, stranger: Api) -> None:
    notice = tell(api.user)

    assert stranger.get(PATH).body["results"] == []
    assert_problem(stranger.post(f"{PATH}/{notice.pk}/read", {}, key=None), 404, "not_found")
    stranger.post(f"{PATH}/read", {"until": "2030-01-01T00:00:00Z"}, key=None)
    notice.refresh_from_db()
    assert notice.read_at is None


def test_looking_and_marking_need_their_scopes(api: Api) -> None:
    assert api.user is not None
    notice = tell(api.user)
    reader, trader = Api(api.user, scopes=("read",)), Api(api.user, scopes=("trade",))

    assert_problem(trader.get(PATH), 403, "insufficient_scope")
    for path, body in ((f"{notice.pk}/read", {}), ("read", {"until": "2030-01-01T00:00:00Z"})):
        assert_problem(reader.post(f"{PATH}/{path}", body, key=None), 403, "insufficient_scope")
    notice.refresh_from_db()
    assert notice.read_at is None


def test_nobody_is_told_to_identify_themselves(anybody: Api) -> None:
    assert_problem(anybody.get(PATH), 401, "unauthenticated")
    assert_problem(anybody.post(f"{PATH}/{uuid4()}/read", {}), 401, "unauthenticated")
    assert_problem(anybody.post(f"{PATH}/read", {}), 401, "unauthenticated")
