"""The address book: each address once, its owner's alone, and not in the audit trail."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts import address_book
from accounts.address_book import AddressRefused, create_entry, delete_entry, relabel_entry
from accounts.models import AddressEntry, User
from accounts.selectors import addresses_of
from compliance.models import AuditRow
from tests.people import new_user

pytestmark = pytest.mark.django_db
NOW = datetime.fromisoformat("2026-03-02T12:00:00+00:00")
LATER = NOW + timedelta(hours=1)

BTC = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
EVM = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
OLD_LTC = "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"
XRP = "r9cZA1mLK5R5Am25ArfXFmqgNwjZgnfk59"
XRP_WITH_TAG_1 = "X7AcgcsBL6XDcUb289X4mJ8djcdyKaGZMhc9YTE92ehJ2Fu"


@pytest.fixture
def user() -> User:
    return new_user()


def add(user: User, **changes: Any) -> AddressEntry:
    right: dict[str, Any] = {
        "exchange": "",
        "chain": "BTC",
        "label": "Savings",
        "address": BTC,
        "tag": None,
        "now": NOW,
    }
    return create_entry(user=user, **{**right, **changes})


def refusal_of(user: User, **changes: Any) -> AddressRefused:
    """The refusal of an addition, which has left no trace."""
    before = AddressEntry.objects.count(), AuditRow.objects.count()
    with pytest.raises(AddressRefused) as refusal:
        add(user, **changes)
    assert str(refusal.value.message)
    assert (AddressEntry.objects.count(), AuditRow.objects.count()) == before
    return refusal.value


def test_an_address_is_stored_in_the_one_form_of_its_chain(user: User) -> None:
    entry = add(user, address=f" {BTC.upper()}\n", label="  Cold \t storage ")

    entry.refresh_from_db()
    assert (entry.address, entry.label, entry.tag) == (BTC, "Cold storage", None)
    assert (entry.created_at, entry.updated_at) == (NOW, NOW)


@pytest.mark.parametrize(
    ("address", "tag", "stored"),
    [
        (XRP, None, None),
        (XRP, 0, 0),
        (XRP, 4294967295, 4294967295),
        (XRP_WITH_TAG_1, None, 1),
        (XRP_WITH_TAG_1, 1, 1),
    ],
)
def test_a_destination_tag_is_typed_or_read_from_the_x_address(
    user: User, address: str, tag: int | None, stored: int | None
) -> None:
    entry = add(user, chain="XRP", address=address, tag=tag)

    assert (entry.address, entry.tag) == (XRP, stored)


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"chain": "DOGE"}, "chain", "invalid"),
        ({"exchange": "mtgox"}, "exchange", "invalid"),
        ({"label": ""}, "label", "invalid"),
        ({"label": " \u200b "}, "label", "invalid"),
        ({"label": "x" * 61}, "label", "invalid"),
        ({"label": "a\u202eb"}, "label", "invalid"),
        ({"address": ""}, "address", "empty"),
        ({"address": BTC[:-1] + "5"}, "address", "checksum"),
        ({"address": EVM}, "address", "other_chain"),
        ({"tag": 1}, "tag", "tag_not_used"),
        ({"chain": "XRP", "address": XRP, "tag": -1}, "tag", "tag_out_of_range"),
        ({"chain": "XRP", "address": XRP, "tag": 2**32}, "tag", "tag_out_of_range"),
        ({"chain": "XRP", "address": XRP_WITH_TAG_1, "tag": 2}, "tag", "tag_differs"),
    ],
)
def test_a_wrong_entry_is_refused_at_its_field(
    user: User, changes: dict[str, Any], field: str, code: str
) -> None:
    refusal = refusal_of(user, **changes)

    assert (refusal.field, refusal.code) == (field, code)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"address": BTC.upper(), "label": "Another label"}),
        ({"chain": "EVM", "address": EVM}, {"chain": "EVM", "address": EVM.lower()}),
        (
            {"chain": "XRP", "address": XRP, "tag": 1},
            {"chain": "XRP", "address": XRP_WITH_TAG_1},
        ),
    ],
)
def test_the_same_address_is_refused_and_its_label_told(
    user: User, first: dict[str, Any], second: dict[str, Any]
) -> None:
    add(user, label="My first", **first)

    refusal = refusal_of(user, **second)
    assert (refusal.code, refusal.field) == ("address_exists", "address")
    assert "My first" in str(refusal.message)


def test_other_tags_other_places_and_other_people_may_have_the_same_address(user: User) -> None:
    add(user, chain="XRP", address=XRP)
    add(user, chain="XRP", address=XRP, tag=1)
    add(user, chain="XRP", address=XRP, tag=1, exchange="binance")
    add(new_user(), chain="XRP", address=XRP)
    add(user, chain="LTC", address=OLD_LTC)
    add(user, chain="BTC", address=OLD_LTC)

    assert addresses_of(user).count() == 5


def test_the_database_itself_refuses_a_twin_without_a_tag(user: User) -> None:
    entry = add(user)
    entry.pk = None

    with pytest.raises(IntegrityError), transaction.atomic():
        AddressEntry.objects.bulk_create([AddressEntry(**{**vars_of(entry), "label": "twin"})])


def vars_of(entry: AddressEntry) -> dict[str, Any]:
    names = ["user_id", "exchange", "chain", "address", "tag", "created_at", "updated_at"]
    return {name: getattr(entry, name) for name in names}


@pytest.mark.parametrize(
    "wrong",
    [{"chain": "DOGE"}, {"exchange": "mtgox"}, {"tag": 1}, {"chain": "XRP", "tag": 2**32}],
)
def test_the_database_itself_refuses_what_no_form_lets_through(
    user: User, wrong: dict[str, Any]
) -> None:
    entry = add(user)

    with pytest.raises(IntegrityError), transaction.atomic():
        AddressEntry.objects.filter(pk=entry.pk).update(**wrong)


def test_a_full_book_takes_no_more(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_book, "MOST_ENTRIES", 2)
    add(user)
    first = add(user, chain="EVM", address=EVM)
    add(new_user())

    assert refusal_of(user, chain="XRP", address=XRP).code == "too_many_addresses"
    delete_entry(user=user, entry_id=first.pk, now=NOW)
    add(user, chain="XRP", address=XRP)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"chain": "XRP", "address": XRP, "exchange": "binance"}, "tag_missing"),
        ({"chain": "LTC", "address": OLD_LTC}, "two_chains"),
    ],
)
def test_a_right_address_may_still_need_a_look(
    user: User, changes: dict[str, Any], code: str
) -> None:
    (caution,) = add(user, **changes).cautions

    assert caution.code == code


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"chain": "XRP", "address": XRP},
        {"chain": "XRP", "address": XRP, "exchange": "binance", "tag": 0},
    ],
)
def test_most_addresses_need_no_further_look(user: User, changes: dict[str, Any]) -> None:
    assert add(user, **changes).cautions == []


def test_a_label_changes_and_nothing_else(user: User) -> None:
    entry = add(user)

    relabel_entry(user=user, entry_id=entry.pk, label="New name", now=LATER)

    entry.refresh_from_db()
    assert (entry.label, entry.address, entry.created_at, entry.updated_at) == (
        "New name",
        BTC,
        NOW,
        LATER,
    )


def test_the_same_label_again_changes_nothing(user: User) -> None:
    entry = add(user)
    rows = AuditRow.objects.count()

    relabel_entry(user=user, entry_id=entry.pk, label=" Savings ", now=LATER)

    entry.refresh_from_db()
    assert (entry.updated_at, AuditRow.objects.count()) == (NOW, rows)


def test_a_wrong_label_keeps_the_old_one(user: User) -> None:
    entry = add(user)

    with pytest.raises(AddressRefused):
        relabel_entry(user=user, entry_id=entry.pk, label="", now=LATER)

    entry.refresh_from_db()
    assert entry.label == "Savings"


def test_a_stranger_can_neither_relabel_nor_delete(user: User) -> None:
    entry, stranger = add(user), new_user()

    with pytest.raises(AddressEntry.DoesNotExist):
        relabel_entry(user=stranger, entry_id=entry.pk, label="Mine", now=LATER)
    with pytest.raises(AddressEntry.DoesNotExist):
        delete_entry(user=stranger, entry_id=entry.pk, now=LATER)

    entry.refresh_from_db()
    assert entry.label == "Savings"


def test_a_deleted_entry_is_gone_and_may_come_again(user: User) -> None:
    entry = add(user)

    delete_entry(user=user, entry_id=entry.pk, now=LATER)

    assert not addresses_of(user).exists()
    add(user)


def test_the_trail_tells_each_change_without_the_address(user: User) -> None:
    entry = add(user, exchange="binance")
    relabel_entry(user=user, entry_id=entry.pk, label="Secret name", now=LATER)
    delete_entry(user=user, entry_id=entry.pk, now=LATER)

    rows = AuditRow.objects.filter(object_type="address_entry", object_id=str(entry.pk))
    assert [row.action for row in rows.order_by("id")] == [
        "address.added",
        "address.relabelled",
        "address.deleted",
    ]
    for row in rows:
        assert row.evidence == {"chain": "BTC", "exchange": "binance"}
        assert row.actor == f"user:{user.pk}"
