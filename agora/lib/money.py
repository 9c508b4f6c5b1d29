"""Decimal arithmetic for money and quantities: exact, no float (ARCHITECTURE 3)."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext

CENT = Decimal("0.01")
SHARE_DECIMALS = 9
TOKEN_DECIMALS = 18
_UINT256_DIGITS = 78


class InexactUnits(ValueError):
    """A quantity that does not fit the token's decimals without a remainder."""


def to_cents(value: Decimal) -> Decimal:
    """USD rounded to the nearest cent, half to even."""
    return value.quantize(CENT, rounding=ROUND_HALF_EVEN)


def up_to_cents(value: Decimal) -> Decimal:
    """USD rounded up to the next cent: what a worst case reserves."""
    return value.quantize(CENT, rounding=ROUND_CEILING)


def decimal_of(text: object) -> Decimal:
    """Read a vendor's number (string or None) exactly; raises ValueError for anything odd."""
    if isinstance(text, bool | float):
        raise ValueError(f"Refusing {text!r}: a float is not exact.")
    try:
        value = Decimal(str(text).strip())
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a number.") from error
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a finite number.")
    return value


def plain(value: Decimal) -> str:
    """Decimal as digits without exponent or trailing zeros: the form that goes on the wire."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def token_units(quantity: Decimal) -> int:
    """Whole base units (10^-18) of a share quantity; raises InexactUnits on a remainder."""
    units = quantity.scaleb(TOKEN_DECIMALS)
    if units != units.to_integral_value():
        raise InexactUnits(f"{quantity} has more than {TOKEN_DECIMALS} decimals.")
    return int(units)


def shares_of(units: int) -> Decimal:
    """Share quantity of whole base units."""
    return Decimal(f"{units}E-{TOKEN_DECIMALS}")


@contextmanager
def exactly() -> Iterator[None]:
    """Sums of whatever a token contract may hold, without rounding: Decimal itself keeps 28 digits."""
    with localcontext(prec=2 * _UINT256_DIGITS):
        yield
