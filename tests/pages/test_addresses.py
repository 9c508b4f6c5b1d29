"""The address book as pages: plain forms first, a look while typing on top."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.address_book import create_entry
from accounts.models import AddressEntry, User
from accounts.views.addresses import ADDRESSES_PER_PAGE
from tests.people import an_address, onboarded

pytestmark = pytest.mark.django_db
NOW = datetime.fromisoformat("2026-03-02T12:00:00+00:00")
BTC = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
XRP = "r9cZA1mLK5R5Am25ArfXFmqgNwjZgnfk59"
BOOK = "/account/addresses/"


def add(user: User, number: int = 1, **changes: Any) -> AddressEntry:
    right: dict[str, Any] = {
        "exchange": "",
        "chain": "EVM",
        "label": f"number {number}",
        "address": an_address(number),
        "tag": None,
        "now": NOW + timedelta(seconds=number),
    }
    return create_entry(user=user, **{**right, **changes})


def answers(**changes: str) -> dict[str, str]:
    right = {"chain": "BTC", "exchange": "", "label": "Savings", "address": BTC, "tag": ""}
    return {**right, **changes}


def test_an_empty_book_says_what_to_do(browser: Client) -> None:
    page = browser.get(BOOK).content.decode()

    assert "No addresses yet" in page
    assert "Add the address" in page


def test_a_right_address_is_in_the_book_and_said_so(browser: Client, buyer: User) -> None:
    answer = browser.post(BOOK, answers(), follow=True)

    assert answer.redirect_chain == [(BOOK, 302)]
    page = answer.content.decode()
    assert "“Savings” is in your book." in page
    assert BTC in page
    assert AddressEntry.objects.get(user=buyer).address == BTC


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"chain": ""}, "chain", "This field is required"),
        ({"chain": "DOGE"}, "chain", "Select a valid choice"),
        ({"exchange": "mtgox"}, "exchange", "Select a valid choice"),
        ({"label": ""}, "label", "This field is required"),
        ({"label": "x" * 61}, "label", "at most 60"),
        ({"address": BTC[:-1] + "5"}, "address", "checksum does not match"),
        ({"address": an_address(1)}, "address", "Ethereum and compatible"),
        ({"address": "<script>alert(1)</script>"}, "address", "does not occur"),
        ({"tag": "1"}, "tag", "no destination tags"),
        ({"tag": "one"}, "tag", "Enter a whole number"),
        ({"chain": "XRP", "address": XRP, "tag": "4294967296"}, "tag", "less than or equal"),
    ],
)
def test_each_wrong_answer_is_explained_at_its_field_and_nothing_is_stored(
    browser: Client, changes: dict[str, str], field: str, message: str
) -> None:
    answer = browser.post(BOOK, answers(**changes))

    assert answer.status_code == 422
    errors = answer.context["form"].errors
    assert list(errors) == [field]
    assert message in errors[field][0]
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert "<script>alert" not in answer.content.decode()
    assert not AddressEntry.objects.exists()


def test_the_same_address_twice_is_told(browser: Client, buyer: User) -> None:
    add(buyer, chain="BTC", address=BTC, label="My first")

    answer = browser.post(BOOK, answers())

    assert answer.status_code == 422
    assert "as “My first”" in answer.context["form"].errors["address"][0]


def test_a_missing_tag_at_an_exchange_stays_in_sight(browser: Client) -> None:
    page = browser.post(BOOK, answers(chain="XRP", address=XRP, exchange="binance"), follow=True)

    assert "No destination tag" in page.content.decode()


def test_a_label_is_shown_as_text(browser: Client, buyer: User) -> None:
    add(buyer, label="<b>bold</b>")

    page = browser.get(BOOK).content.decode()
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "<b>bold" not in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, {"one", "two", "three"}),
        ({"chain": "EVM"}, {"one", "two"}),
        ({"exchange": "binance"}, {"two"}),
        ({"exchange": "own"}, {"one", "three"}),
        ({"chain": "EVM", "exchange": "own"}, {"one"}),
        ({"chain": "SOL"}, set()),
        ({"chain": "DOGE", "exchange": "'"}, {"one", "two", "three"}),
    ],
)
def test_the_list_is_narrowed_by_chain_and_place(
    browser: Client, buyer: User, query: dict[str, str], shown: set[str]
) -> None:
    add(buyer, 1, label="one")
    add(buyer, 2, label="two", exchange="binance")
    add(buyer, chain="BTC", address=BTC, label="three")

    answer = browser.get(BOOK, query)
    assert {entry.label for entry in answer.context["page"].object_list} == shown
    if not shown:
        assert "No such address" in answer.content.decode()


def test_a_long_book_has_pages_that_keep_the_filter(browser: Client, buyer: User) -> None:
    for number in range(1, ADDRESSES_PER_PAGE + 2):
        add(buyer, number)

    first = browser.get(BOOK, {"chain": "EVM"})
    assert 'href="?chain=EVM&amp;page=2"' in first.content.decode()
    second = browser.get(BOOK, {"chain": "EVM", "page": "2"})
    assert [entry.label for entry in second.context["page"].object_list] == ["number 1"]


def test_the_book_costs_the_same_for_any_length(browser: Client, buyer: User) -> None:
    add(buyer)
    with CaptureQueriesContext(connection) as short:
        browser.get(BOOK)
    for number in range(2, ADDRESSES_PER_PAGE):
        add(buyer, number)
    with CaptureQueriesContext(connection) as full:
        browser.get(BOOK)

    assert len(full) == len(short)


def test_a_label_is_changed(browser: Client, buyer: User) -> None:
    entry = add(buyer)
    path = reverse("address_relabel", args=[entry.pk])
    assert 'value="number 1"' in browser.get(path).content.decode()

    assert browser.post(path, {"label": "Cold storage"}).headers["Location"] == BOOK
    entry.refresh_from_db()
    assert entry.label == "Cold storage"


@pytest.mark.parametrize("label", ["", "x" * 61, "a\u202eb"])
def test_a_wrong_label_is_explained_and_the_old_one_kept(
    browser: Client, buyer: User, label: str
) -> None:
    entry = add(buyer)

    answer = browser.post(reverse("address_relabel", args=[entry.pk]), {"label": label})

    assert answer.status_code == 422
    assert answer.context["form"].errors["label"]
    entry.refresh_from_db()
    assert entry.label == "number 1"


def test_deleting_asks_first(browser: Client, buyer: User) -> None:
    entry = add(buyer)
    path = reverse("address_delete", args=[entry.pk])

    asked = browser.get(path).content.decode()
    assert "Delete this address?" in asked
    assert entry.address in asked
    assert AddressEntry.objects.exists()

    page = browser.post(path, follow=True).content.decode()
    assert "“number 1” is deleted." in page
    assert not AddressEntry.objects.exists()
    assert browser.post(path).status_code == 404


def test_a_stranger_finds_nothing(browser: Client, buyer: User) -> None:
    entry = add(buyer)
    stranger = Client()
    stranger.force_login(onboarded())

    assert entry.address not in stranger.get(BOOK).content.decode()
    for name in ("address_relabel", "address_delete"):
        path = reverse(name, args=[entry.pk])
        assert stranger.get(path).status_code == 404
        assert stranger.post(path, {"label": "Mine"}).status_code == 404
    entry.refresh_from_db()
    assert entry.label == "number 1"


def test_nobody_sees_the_book_without_signing_in(client: Client, buyer: User) -> None:
    entry = add(buyer)

    for path in (
        BOOK,
        reverse("address_relabel", args=[entry.pk]),
        reverse("address_delete", args=[entry.pk]),
    ):
        assert client.get(path).headers["Location"].startswith("/account/login/")
        assert client.post(path).headers["Location"].startswith("/account/login/")
    assert client.post(reverse("address_check"), answers()).status_code == 401


# --- While typing ----------------------------------------------------------------------------


def looked_at(browser: Client, **changes: str) -> str:
    answer = browser.post(reverse("address_check"), answers(label="", **changes))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.content.decode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Valid address: Bitcoin"),
        ({"address": BTC.upper()}, "It will be stored as:"),
        ({"address": BTC[:-1] + "5"}, "checksum does not match"),
        ({"address": ""}, "Begins with bc1, 1 or 3."),
        ({"chain": ""}, "What addresses look like"),
        ({"chain": "XRP", "address": XRP, "exchange": "binance"}, "No destination tag"),
        (
            {"chain": "SOL", "address": "vines1vzrYbzLMRdu58ou5XTby4qAqVRLmqo36NKPTg"},
            "no checksum",
        ),
        ({"tag": "1"}, "no destination tags"),
        ({"address": "x" * 501}, "Begins with bc1"),
        ({"address": "<script>"}, "does not occur"),
    ],
)
def test_the_form_says_what_it_thinks_of_the_address(
    browser: Client, changes: dict[str, str], said: str
) -> None:
    text = looked_at(browser, **changes)

    assert said in text
    assert "<script>" not in text


def test_looking_stores_nothing_and_is_never_in_an_address_line(browser: Client) -> None:
    looked_at(browser)

    assert browser.get(reverse("address_check")).status_code == 405
    assert not AddressEntry.objects.exists()
