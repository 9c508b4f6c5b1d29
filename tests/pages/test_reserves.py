"""The public page of the reserves: signed snapshots from their totals, and what they do not prove."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from compliance.reserves import selectors
from tests.reserving import a_stored_snapshot, with_signature

pytestmark = pytest.mark.django_db


def page(client: Client, query: str = "") -> str:
    answer = client.get(reverse("reserves") + query)
    assert answer.status_code == 200
    return str(answer.content, "utf-8")


def test_before_anything_is_signed_the_page_says_so(client: Client) -> None:
    a_stored_snapshot()

    assert "Nothing is signed yet" in page(client)


def test_the_newest_signed_snapshot_is_shown_with_its_limits(client: Client) -> None:
    snapshot = with_signature(a_stored_snapshot())

    text = page(client)

    assert "Everything is accounted for" in text
    assert snapshot.tree_root in text
    assert snapshot.content_hash in text
    assert "It is no audit" in text
    assert "borrowed, pledged" in text
    assert "/api/v1/reserves" in text


def test_a_difference_that_was_signed_is_told(client: Client) -> None:
    with_signature(a_stored_snapshot(difference=Decimal("1.5"), breaks=2))

    text = page(client)

    assert "The figures do not agree" in text
    assert "1.5" in text


def test_figures_are_written_as_the_reader_writes_them(client: Client) -> None:
    with_signature(a_stored_snapshot(difference=Decimal("1.5"), breaks=2))

    answer = client.get(reverse("reserves"), headers={"Accept-Language": "es"})

    assert "1,5" in answer.content.decode()
    assert ">1.5<" not in "".join(answer.content.decode().split())


def test_an_older_snapshot_that_is_signed_late_takes_its_place_in_the_past(client: Client) -> None:
    now = timezone.now()
    older = a_stored_snapshot(block_number=7, built_at=now - timedelta(days=1))
    newer = with_signature(a_stored_snapshot(block_number=8, built_at=now))
    with_signature(older)

    signatures, _more = selectors.page_of(1)

    assert [each.snapshot_id for each in signatures] == [newer.pk, older.pk]
    assert "Block 8," in page(client)
    told = json.loads(client.get("/api/v1/reserves").content)["results"]
    assert [each["id"] for each in told] == [str(newer.pk), str(older.pk)]


@pytest.mark.parametrize(
    "number", ["0", "01x", "10001", "000001", "0000019999999999999999999999", "1" * 5000, "٣"]
)
def test_a_page_that_cannot_be_is_not_found(client: Client, number: str) -> None:
    assert client.get(reverse("reserves"), {"page": number}).status_code == 404


def test_no_page_takes_more_than_two_queries(client: Client) -> None:
    for block in range(25):
        with_signature(a_stored_snapshot(block_number=block))

    for query, most in (("", 1), ("?page=2", 2)):
        with CaptureQueriesContext(connection) as queries:
            text = page(client, query)
        assert len(queries) <= most
    assert text.count('scope="row"') == 5


@pytest.mark.parametrize("number", ["0", "-1", "x", "99", "1" * 40, "²"])
def test_a_page_that_there_is_not_is_404(client: Client, number: str) -> None:
    assert client.get(reverse("reserves"), {"page": number}).status_code == 404
