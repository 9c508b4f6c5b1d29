"""Figures as pages write them."""

from decimal import Decimal

import pytest

from agora.lib import formats
from copytrade.views.market import signed_percent, tone_of


def test_what_rounds_to_nothing_has_no_sign() -> None:
    assert formats.rounded(Decimal("-0.004")) == "0.00"
    assert formats.rounded(Decimal("-0.006")) == "-0.01"
    assert formats.percent(Decimal("-0.0003")) == "0.0%"


@pytest.mark.parametrize(
    ("value", "text", "tone"),
    [
        ("0.0123", "+1.2%", "tone-success"),
        ("-0.0123", "-1.2%", "tone-error"),
        ("0.0003", "0.0%", ""),
        ("-0.0003", "0.0%", ""),
    ],
)
def test_a_return_shows_gain_or_loss_only_where_one_can_be_read(
    value: str, text: str, tone: str
) -> None:
    assert (signed_percent(Decimal(value)), tone_of(Decimal(value))) == (text, tone)
