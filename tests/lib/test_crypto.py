"""Encrypted fields: unreadable, bound to their place, with keys that can be rotated."""

import base64
import uuid
from typing import Literal

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from agora.lib.crypto import (
    DataKey,
    Place,
    Undecryptable,
    blind_index,
    decrypt,
    decrypt_bytes,
    encrypt,
    encrypt_bytes,
    is_personal,
)

OLD = "old:" + base64.b64encode(b"o" * 32).decode()
NEW = "new:" + base64.b64encode(b"n" * 32).decode()


def sealed(text: str = "Ana Souza", row: object = 1) -> bytes:
    return encrypt(text, table="people", column="name", row=row)


def opened(data: bytes, *, table: str = "people", column: str = "name", row: object = 1) -> str:
    return decrypt(data, table=table, column=column, row=row)


@given(st.text())
def test_what_was_sealed_opens_to_the_same_text(text: str) -> None:
    assert opened(sealed(text)) == text


def test_the_same_text_is_never_sealed_alike() -> None:
    assert sealed() != sealed()


def test_no_changed_byte_opens() -> None:
    whole = sealed()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1
        with pytest.raises(Undecryptable):
            opened(bytes(changed))


@pytest.mark.parametrize(
    "place",
    [
        {"row": 2},
        {"column": "tax_id"},
        {"table": "companies"},
    ],
)
def test_a_ciphertext_moved_elsewhere_does_not_open(place: dict[str, str]) -> None:
    with pytest.raises(Undecryptable):
        opened(sealed(), **place)


@pytest.mark.parametrize("cut", [b"", b"old", b"old\0", b"old\0short"])
def test_a_cut_off_ciphertext_does_not_open(cut: bytes, settings: Settings) -> None:
    settings.FIELD_KEYS = OLD
    with pytest.raises(Undecryptable):
        opened(cut)


def test_the_first_key_seals_and_older_ones_still_open(settings: Settings) -> None:
    settings.FIELD_KEYS = OLD
    before = sealed()
    settings.FIELD_KEYS = f"{NEW},{OLD}"

    assert opened(before) == "Ana Souza"
    assert sealed().startswith(b"new\0")


def test_a_retired_key_opens_nothing(settings: Settings) -> None:
    settings.FIELD_KEYS = OLD
    before = sealed()
    settings.FIELD_KEYS = NEW

    with pytest.raises(Undecryptable):
        opened(before)


@pytest.mark.parametrize("spec", ["", "noid", ":" + OLD[4:], "short:" + "QUJD", "x:***"])
def test_a_bad_key_ring_is_said_loudly(spec: str, settings: Settings) -> None:
    settings.FIELD_KEYS = spec
    with pytest.raises(ImproperlyConfigured):
        sealed()


def test_a_blind_index_finds_equal_values_only_for_its_purpose_and_key(
    settings: Settings,
) -> None:
    index = blind_index("52998224725", purpose="tax id")

    assert index == blind_index("52998224725", purpose="tax id")
    assert index != blind_index("52998224726", purpose="tax id")
    assert index != blind_index("52998224725", purpose="e-mail")
    settings.BLIND_INDEX_KEY = "another key"
    assert index != blind_index("52998224725", purpose="tax id")


ANA, BEA = uuid.UUID(int=1), uuid.UUID(int=2)
KEY, OTHER = DataKey.new(person=ANA), DataKey.new(person=BEA)


@given(st.binary())
def test_bytes_sealed_under_a_persons_key_open_under_it_alone(whole: bytes) -> None:
    place: Place = {"table": "people", "column": "photo", "row": 1}
    data = encrypt_bytes(whole, **place, key=KEY)

    assert decrypt_bytes(data, **place, key=KEY) == whole
    for key in (None, OTHER):
        with pytest.raises(Undecryptable):
            decrypt_bytes(data, **place, key=key)


@given(st.text(), st.sampled_from(["table", "column", "row"]))
def test_what_is_under_a_persons_key_is_bound_to_its_place(
    text: str, moved: Literal["table", "column", "row"]
) -> None:
    place: Place = {"table": "people", "column": "name", "row": "1"}
    elsewhere: Place = {**place}
    elsewhere[moved] = "elsewhere"
    data = encrypt(text, **place, key=KEY)

    assert decrypt(data, **place, key=KEY) == text
    with pytest.raises(Undecryptable):
        decrypt(data, **elsewhere, key=KEY)


def test_a_persons_key_is_stored_sealed_and_opens_for_that_person_alone() -> None:
    stored = KEY.sealed()

    assert KEY.secret not in stored
    assert DataKey.opened(stored, person=ANA) == KEY
    with pytest.raises(Undecryptable):
        DataKey.opened(stored, person=BEA)


def test_a_persons_key_does_not_show_itself() -> None:
    assert repr(KEY.secret) not in repr(KEY)
    assert KEY.secret.hex() not in repr(KEY)


def test_what_was_sealed_before_there_were_peoples_keys_still_opens() -> None:
    before = sealed()

    assert not is_personal(before)
    assert decrypt(before, table="people", column="name", row=1, key=KEY) == "Ana Souza"


def test_no_master_key_may_take_the_name_of_peoples_keys(settings: Settings) -> None:
    settings.FIELD_KEYS = OLD.replace("old:", "person:")
    with pytest.raises(ImproperlyConfigured):
        sealed()
    settings.FIELD_KEYS = f"{OLD},{OLD}"
    with pytest.raises(ImproperlyConfigured):
        sealed()
