"""Encrypted fields: unreadable, bound to their place, with keys that can be rotated."""

import base64

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from agora.lib.crypto import Undecryptable, blind_index, decrypt, encrypt

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
