"""A wallet address is checked as EIP-55 says, and belongs to one person."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.addresses import InvalidAddress, clean_evm_address
from accounts.models import Wallet
from accounts.selectors import wallet_of
from accounts.services import AddressTaken, set_wallet
from compliance.models import AuditRow
from tests.people import new_user

# The examples of EIP-55 itself.
CHECKSUMMED = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]
MIXED = CHECKSUMMED[4]


@pytest.mark.parametrize("address", CHECKSUMMED)
def test_the_examples_of_eip_55_are_accepted_as_they_are(address: str) -> None:
    assert clean_evm_address(address) == address


@pytest.mark.parametrize("address", CHECKSUMMED)
def test_one_case_carries_no_checksum_and_is_given_one(address: str) -> None:
    digits = address[2:]

    assert clean_evm_address("0x" + digits.lower()) == address
    assert clean_evm_address("0x" + digits.upper()) == address


@given(st.sampled_from([i for i, c in enumerate(MIXED) if i > 1 and c.isalpha()]))
def test_one_letter_in_the_wrong_case_is_a_typing_error(position: int) -> None:
    wrong = MIXED[:position] + MIXED[position].swapcase() + MIXED[position + 1 :]

    with pytest.raises(InvalidAddress) as refusal:
        clean_evm_address(wrong)
    assert refusal.value.code == "checksum"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        MIXED[2:],
        MIXED[:-1],
        MIXED + "0",
        "0X" + MIXED[2:],
        "0x" + "g" * 40,
        "0x" + "٣" * 40,
        MIXED + "\n0x",
        "vitalik.eth",
    ],
)
def test_what_is_not_forty_hexadecimal_digits_is_no_address(text: str) -> None:
    with pytest.raises(InvalidAddress) as refusal:
        clean_evm_address(text)
    assert refusal.value.code == "invalid"


def test_the_zero_address_is_nobodys() -> None:
    with pytest.raises(InvalidAddress) as refusal:
        clean_evm_address("0x" + "0" * 40)
    assert refusal.value.code == "zero"


def test_spaces_around_a_pasted_address_do_not_matter() -> None:
    assert clean_evm_address(f"  {MIXED}\n") == MIXED


@pytest.mark.django_db
def test_a_linked_wallet_starts_unverified_and_is_audited() -> None:
    user = new_user()

    wallet = set_wallet(user=user, address=MIXED.lower(), now=timezone.now())

    assert wallet_of(user) == wallet
    assert (wallet.address, wallet.verified_at) == (MIXED, None)
    row = AuditRow.objects.get(action="wallet.linked")
    assert (row.actor, row.object_id) == (f"user:{user.pk}", str(user.pk))
    assert row.evidence == {"address": MIXED, "verified": False}


@pytest.mark.django_db
def test_linking_the_same_address_again_changes_nothing() -> None:
    user = new_user()
    first = set_wallet(user=user, address=MIXED, now=timezone.now())

    assert set_wallet(user=user, address=MIXED.lower(), now=timezone.now()) == first
    assert AuditRow.objects.filter(action="wallet.linked").count() == 1


def assert_taken(code: str, **arguments: Any) -> None:
    """The wallet is refused with this code, and neither wallets nor trail change."""
    before = list(Wallet.objects.values()), AuditRow.objects.count()
    with pytest.raises(ValidationError) as refusal:
        set_wallet(now=timezone.now(), **arguments)
    assert isinstance(refusal.value, AddressTaken)
    assert refusal.value.code == code
    assert (list(Wallet.objects.values()), AuditRow.objects.count()) == before


@pytest.mark.django_db
def test_a_wallet_is_not_replaced_by_another_one() -> None:
    user = new_user()
    set_wallet(user=user, address=MIXED, now=timezone.now())

    assert_taken("already_set", user=user, address=CHECKSUMMED[5])


@pytest.mark.django_db
@pytest.mark.parametrize("form", [str, str.lower])
def test_another_persons_wallet_is_taken_however_it_is_written(form: Any) -> None:
    set_wallet(user=new_user(), address=MIXED, now=timezone.now())

    assert_taken("taken", user=new_user(), address=form(MIXED))
