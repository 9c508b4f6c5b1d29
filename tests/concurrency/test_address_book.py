"""The same address sent many times at once is stored once, and a full book stays full."""

from datetime import datetime

import pytest

from accounts import address_book
from accounts.address_book import AddressRefused, create_entry
from accounts.models import AddressEntry, User
from tests.people import an_address, new_user
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = 8
NOW = datetime.fromisoformat("2026-03-02T12:00:00+00:00")


def add(user: User, *, address: str) -> AddressEntry:
    return create_entry(
        user=user, exchange="", chain="EVM", label="Mine", address=address, tag=None, now=NOW
    )


def codes(answers: list[AddressEntry | Exception]) -> list[str]:
    assert all(isinstance(answer, AddressEntry | AddressRefused) for answer in answers), answers
    return sorted(answer.code for answer in answers if isinstance(answer, AddressRefused))


def test_a_form_sent_many_times_makes_one_entry() -> None:
    user = new_user()

    answers = at_once(PEOPLE, lambda number: add(user, address=an_address(1)))

    assert codes(answers) == ["address_exists"] * (PEOPLE - 1)
    assert AddressEntry.objects.count() == 1


def test_the_limit_of_entries_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_book, "MOST_ENTRIES", 3)
    user = new_user()

    answers = at_once(PEOPLE, lambda number: add(user, address=an_address(number)))

    assert codes(answers) == ["too_many_addresses"] * (PEOPLE - 3)
    assert AddressEntry.objects.count() == 3
