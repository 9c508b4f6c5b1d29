"""The public page of the reserves: signed snapshots from their totals, and what they do not prove."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

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
