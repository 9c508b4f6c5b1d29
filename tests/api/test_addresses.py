"""The address book through the API: exact, owned, and patient with repeats."""

from typing import Any
from uuid import uuid4

import pytest

from accounts.models import AddressEntry
from compliance.models import AuditRow
from tests.api.conftest import Answer, Api, assert_problem, pointers
from tests.people import an_address, onboarded

pytestmark = pytest.mark.django_db

PATH = "/api/v1/addresses"
BTC = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
XRP_WITH_TAG_1 = "X7AcgcsBL6XDcUb289X4mJ8djcdyKaGZMhc9YTE92ehJ2Fu"


def add(api: Api, *, key: str | None = "new", **changes: Any) -> Answer:
    body = {"chain": "BTC", "label": "Savings", "address": BTC, **changes}
    return api.post(PATH, body, key=key)


def patch(api: Api, entry: str, body: object) -> Answer:
    return api.call("PATCH", f"{PATH}/{entry}", body)


def delete(api: Api, entry: str) -> Answer:
    return api.call("DELETE", f"{PATH}/{entry}")


def test_an_added_address_is_told_in_its_one_form(api: Api) -> None:
    answer = add(api, address=f" {BTC.upper()} ")

    assert answer.status == 201
    assert answer.headers["Location"] == f"{PATH}/{answer.body['id']}"
    assert answer.body == {
        "id": answer.body["id"],
        "exchange": "",
        "chain": "BTC",
        "label": "Savings",
        "address": BTC,
        "tag": None,
        "warnings": [],
        "created_at": answer.body["created_at"],
        "updated_at": answer.body["created_at"],
    }
    assert api.get(answer.headers["Location"]).body == answer.body


def test_an_x_address_brings_its_tag(api: Api) -> None:
    answer = add(api, chain="XRP", address=XRP_WITH_TAG_1, exchange="binance")

    assert (answer.body["address"], answer.body["tag"]) == ("r9cZA1mLK5R5Am25ArfXFmqgNwjZgnfk59", 1)


def test_a_missing_tag_at_an_exchange_is_warned_of(api: Api) -> None:
    answer = add(api, chain="XRP", address="r9cZA1mLK5R5Am25ArfXFmqgNwjZgnfk59", exchange="binance")

    assert [warning["code"] for warning in answer.body["warnings"]] == ["tag_missing"]


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"address": BTC[:-1] + "5"}, "address", "checksum"),
        ({"address": BTC[:20] + BTC[20:].upper()}, "address", "case"),
        ({"address": an_address(1)}, "address", "other_chain"),
        ({"address": "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"}, "address", "test_network"),
        ({"address": "x" * 501}, "address", "max_length"),
        ({"address": "\ud800"}, "address", "surrogate_characters_not_allowed"),
        ({"address": "a\0b"}, "address", "null_characters_not_allowed"),
        ({"address": 7}, "address", "not_text"),
        ({"address": None}, "address", "null"),
        ({"chain": "DOGE"}, "chain", "invalid_choice"),
        ({"chain": ["BTC"]}, "chain", "invalid_choice"),
        ({"exchange": "mtgox"}, "exchange", "invalid_choice"),
        ({"label": " "}, "label", "blank"),
        ({"label": "x" * 61}, "label", "max_length"),
        ({"label": "a\u202eb"}, "label", "invalid"),
        ({"tag": 1}, "tag", "tag_not_used"),
        ({"tag": -1}, "tag", "min_value"),
        ({"tag": 2**32}, "tag", "max_value"),
        ({"tag": 10**30}, "tag", "max_value"),
        ({"tag": "one"}, "tag", "invalid"),
        ({"tag": True}, "tag", "invalid"),
        ({"chain": "XRP", "address": XRP_WITH_TAG_1, "tag": 2}, "tag", "tag_differs"),
        ({"memo": "1"}, "memo", "unknown"),
    ],
)
def test_a_wrong_address_is_refused_at_its_field_and_nothing_is_stored(
    api: Api, changes: dict[str, Any], field: str, code: str
) -> None:
    answer = add(api, **changes)

    body = assert_problem(answer, 422, "invalid")
    assert [(error["pointer"], error["code"]) for error in body["errors"]] == [(f"#/{field}", code)]
    assert not AddressEntry.objects.exists()
    assert not AuditRow.objects.filter(object_type="address_entry").exists()


def test_the_same_address_again_is_a_conflict(api: Api) -> None:
    add(api)

    answer = add(api, address=BTC.upper(), label="Other")
    assert_problem(answer, 409, "address_exists")
    assert pointers(answer) == ["#/address"]
    assert AddressEntry.objects.count() == 1


def test_a_full_book_is_a_conflict(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.address_book.MOST_ENTRIES", 0)

    assert_problem(add(api), 409, "too_many_addresses")


def test_a_repeat_with_the_same_key_gets_the_same_answer(api: Api) -> None:
    first, second = add(api, key="once"), add(api, key="once")

    assert second.raw == first.raw
    assert second.headers["Idempotency-Replayed"] == "true"
    assert AddressEntry.objects.count() == 1
    assert_problem(add(api, key="once", label="x"), 422, "idempotency_key_reused")
    assert_problem(add(api, key=None), 400, "idempotency_key_missing")


def test_relabelling_changes_the_label_alone(api: Api) -> None:
    entry = add(api).body

    answer = patch(api, entry["id"], {"label": "Cold storage"})

    assert answer.status == 200
    assert answer.body == {
        **entry,
        "label": "Cold storage",
        "updated_at": answer.body["updated_at"],
    }


@pytest.mark.parametrize(
    "body",
    [{}, {"label": ""}, {"label": "x" * 61}, {"label": "x", "address": "y"}, {"label": None}],
)
def test_a_wrong_label_changes_nothing(api: Api, body: dict[str, object]) -> None:
    entry = add(api).body

    assert_problem(patch(api, entry["id"], body), 422, "invalid")
    assert api.get(f"{PATH}/{entry['id']}").body == entry


def test_a_deleted_address_is_gone(api: Api) -> None:
    entry = add(api).body

    answer = delete(api, entry["id"])

    assert (answer.status, answer.raw) == (204, b"")
    assert_problem(delete(api, entry["id"]), 404, "not_found")
    assert_problem(api.get(f"{PATH}/{entry['id']}"), 404, "not_found")


def test_a_stranger_finds_nothing(api: Api, stranger: Api) -> None:
    entry = add(api).body

    assert_problem(stranger.get(f"{PATH}/{entry['id']}"), 404, "not_found")
    assert_problem(patch(stranger, entry["id"], {"label": "Mine"}), 404, "not_found")
    assert_problem(delete(stranger, entry["id"]), 404, "not_found")
    assert stranger.get(PATH).body["results"] == []
    assert api.get(f"{PATH}/{entry['id']}").body == entry


def test_nobody_is_told_to_identify_themselves(anybody: Api) -> None:
    entry = str(uuid4())
    for answer in (
        anybody.get(PATH),
        add(anybody),
        anybody.get(f"{PATH}/{entry}"),
        patch(anybody, entry, {"label": "x"}),
        delete(anybody, entry),
    ):
        assert_problem(answer, 401, "unauthenticated")


def test_looking_and_changing_need_their_scopes(api: Api) -> None:
    assert api.user is not None
    entry = add(api).body["id"]
    reader, trader = Api(api.user, scopes=("read",)), Api(api.user, scopes=("trade",))

    for answer in (trader.get(PATH), trader.get(f"{PATH}/{entry}")):
        assert assert_problem(answer, 403, "insufficient_scope")["required_scope"] == "read"
    for answer in (add(reader), patch(reader, entry, {"label": "x"}), delete(reader, entry)):
        assert assert_problem(answer, 403, "insufficient_scope")["required_scope"] == "trade"
    assert AddressEntry.objects.get().label == "Savings"


@pytest.fixture
def book(api: Api) -> Api:
    """Three addresses, the last one the newest."""
    add(api, chain="EVM", address=an_address(1), label="first")
    add(api, chain="EVM", address=an_address(2), label="second", exchange="binance")
    add(api, label="third")
    return api


def labels(answer: Answer) -> list[str]:
    return [entry["label"] for entry in answer.body["results"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["third", "second", "first"]),
        ("?chain=EVM", ["second", "first"]),
        ("?exchange=binance", ["second"]),
        ("?exchange=", ["third", "first"]),
        ("?chain=EVM&exchange=", ["first"]),
        ("?chain=SOL", []),
    ],
)
def test_the_list_is_filtered(book: Api, query: str, expected: list[str]) -> None:
    assert labels(book.get(PATH + query)) == expected


@pytest.mark.parametrize("query", ["?chain=DOGE", "?exchange=mtgox", "?page=2", "?cursor=x"])
def test_a_wrong_filter_is_refused(book: Api, query: str) -> None:
    assert_problem(book.get(PATH + query), 400, "malformed")


def test_pages_follow_each_other(book: Api) -> None:
    first = book.get(f"{PATH}?page_size=2")
    second = book.get(first.body["next"])

    assert labels(first) + labels(second) == ["third", "second", "first"]
    assert second.body["next"] is None


def test_the_list_costs_the_same_for_any_length(
    book: Api, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(3):
        book.get(PATH)


def test_a_person_with_a_wallet_may_keep_its_address_too(buyer: Api) -> None:
    user = onboarded()
    api = Api(user)

    assert add(api, chain="EVM", address=user.wallet.address).status == 201
