"""Amounts are exact: no float, no hidden rounding, no exponent on the wire."""

from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agora.lib.money import (
    InexactUnits,
    decimal_of,
    exactly,
    plain,
    shares_of,
    to_cents,
    token_units,
    up_to_cents,
)

quantities = st.decimals(min_value="0.000000001", max_value="999999999", places=9)
prices = st.decimals(min_value="0.0001", max_value="99999999", places=4)


@given(quantities)
def test_token_units_are_the_quantity_times_ten_to_the_eighteenth(quantity: Decimal) -> None:
    assert token_units(quantity) == int(plain(quantity * 10**9)) * 10**9


@given(quantities)
def test_units_read_back_are_the_same_shares(quantity: Decimal) -> None:
    assert shares_of(token_units(quantity)) == quantity


@given(st.integers(min_value=0, max_value=2**256 - 1))
def test_no_digit_of_what_a_contract_may_hold_is_lost(units: int) -> None:
    with exactly():
        assert int(shares_of(units) * 10**18) == units


@pytest.mark.parametrize("quantity", ["0.0000000000000000001", "1.0000000000000000005"])
def test_a_remainder_below_one_unit_is_refused(quantity: str) -> None:
    with pytest.raises(InexactUnits):
        token_units(Decimal(quantity))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9))
def test_plain_text_reads_back_as_the_same_number(value: Decimal) -> None:
    text = plain(value)

    assert Decimal(text) == value
    assert "E" not in text.upper()
    assert not ("." in text and text.endswith(("0", ".")))


@given(prices)
def test_rounding_up_reaches_the_next_cent_and_no_further(value: Decimal) -> None:
    cents = up_to_cents(value)

    assert value <= cents < value + Decimal("0.01")
    assert cents == cents.quantize(Decimal("0.01"), rounding=ROUND_CEILING)


@pytest.mark.parametrize(("value", "cents"), [("0.125", "0.12"), ("0.135", "0.14"), ("1", "1.00")])
def test_the_nearest_cent_is_half_to_even(value: str, cents: str) -> None:
    assert str(to_cents(Decimal(value))) == cents


@pytest.mark.parametrize("text", ["0.5", " 230.0100 ", "1e-9", "-3"])
def test_a_vendors_number_is_read_exactly(text: str) -> None:
    assert decimal_of(text) == Decimal(text.strip())


@pytest.mark.parametrize("odd", [0.5, True, None, "", "abc", "NaN", "Infinity", "1,5"])
def test_floats_and_oddities_are_refused(odd: object) -> None:
    with pytest.raises(ValueError, match=r"Refusing|not a"):
        decimal_of(odd)
