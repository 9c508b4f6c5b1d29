"""CPF and RUC: checksum and the guards that stdnum lacks (research 3.4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.br import cpf
from stdnum.py import ruc

from kyc.taxid import InvalidTaxId, clean_tax_id
from tests.people import a_cpf

# Up to the one before nine equal digits.
numbers = st.integers(min_value=0, max_value=899_999_998)
bases_of_ruc = st.integers(min_value=10_000, max_value=99_999_999)


@given(numbers)
def test_a_cpf_with_right_check_digits_is_taken_in_any_form(number: int) -> None:
    digits = a_cpf(number)

    assert clean_tax_id(country="BR", text=digits) == digits
    assert clean_tax_id(country="BR", text=f"  {cpf.format(digits)} ") == digits


@given(numbers, st.sampled_from([9, 10]), st.integers(1, 9))
def test_a_wrong_check_digit_of_a_cpf_is_found(number: int, place: int, change: int) -> None:
    digits = a_cpf(number)
    wrong = digits[:place] + str((int(digits[place]) + change) % 10) + digits[place + 1 :]

    with pytest.raises(InvalidTaxId):
        clean_tax_id(country="BR", text=wrong)


@pytest.mark.parametrize("digit", "123456789")
def test_eleven_equal_digits_are_never_issued_though_their_checksum_is_right(digit: str) -> None:
    assert cpf.is_valid(digit * 11), "stdnum lets it pass, which is why the guard stands"

    with pytest.raises(InvalidTaxId):
        clean_tax_id(country="BR", text=digit * 11)


@pytest.mark.parametrize("text", ["", "123", "529.982.247-2", "529982247251", "abc", "0" * 11])
def test_what_is_no_cpf_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(InvalidTaxId) as refusal:
        clean_tax_id(country="BR", text=text)
    assert "CPF" in str(refusal.value.reason)


def test_digits_of_another_width_are_the_same_cpf() -> None:
    assert clean_tax_id(country="BR", text="５２９９８２２４７２５") == "52998224725"


@given(bases_of_ruc)
def test_a_ruc_with_its_check_digit_is_taken_in_any_form(number: int) -> None:
    base = str(number)
    digits = base + ruc.calc_check_digit(base)

    assert clean_tax_id(country="PY", text=digits) == digits
    assert clean_tax_id(country="PY", text=f"{base}-{digits[-1]}") == digits


@given(bases_of_ruc, st.integers(1, 9))
def test_a_wrong_check_digit_of_a_ruc_is_found(number: int, change: int) -> None:
    base = str(number)
    wrong = (int(ruc.calc_check_digit(base)) + change) % 10

    with pytest.raises(InvalidTaxId):
        clean_tax_id(country="PY", text=f"{base}{wrong}")


@pytest.mark.parametrize("base", ["0", "1", "12", "123", "1234"])
def test_a_ruc_that_is_too_short_is_refused_though_its_checksum_is_right(base: str) -> None:
    with pytest.raises(InvalidTaxId) as refusal:
        clean_tax_id(country="PY", text=base + ruc.calc_check_digit(base))
    assert "RUC" in str(refusal.value.reason)


@pytest.mark.parametrize("country", ["", "AR", "br"])
def test_a_tax_id_of_another_country_is_refused(country: str) -> None:
    with pytest.raises(InvalidTaxId):
        clean_tax_id(country=country, text=a_cpf(1))


def test_a_cpf_is_no_ruc() -> None:
    with pytest.raises(InvalidTaxId):
        clean_tax_id(country="PY", text=a_cpf(1))


def test_a_ruc_with_a_zero_in_front_is_refused_for_it_would_be_a_second_person() -> None:
    base = "1234567"
    check = ruc.calc_check_digit(base)
    assert ruc.is_valid(f"0{base}{check}"), "stdnum lets it pass, which is why the guard stands"

    with pytest.raises(InvalidTaxId):
        clean_tax_id(country="PY", text=f"0{base}-{check}")
