"""Money, quantities and moments as text in the reader's language.

Django's own Spanish groups thousands by a space, which is wrong in Paraguay, so numbers go through
Babel with the locale of the country that a language stands for.
"""

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime, get_timezone_location
from babel.numbers import format_currency, format_decimal, format_percent
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext

from agora.lib.money import exactly

LOCALES = {"en": "en_US", "pt-br": "pt_BR", "es": "es_PY"}
DASH = "\N{EM DASH}"
HOUR, MINUTE = 3600, 60
_FIGURE = re.compile(r"(\d+(?:\.\d+)?) ([A-Z][A-Z-]*)")


def reader_locale() -> Locale:
    """The Babel locale of the active language; English where none is active."""
    return _locale(get_language() or "en")


@cache
def _locale(language: str) -> Locale:
    return Locale.parse(LOCALES.get(language.lower(), "en_US"))


def _decimal(value: object) -> Decimal | None:
    if value is None or value == "":
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def usd(value: object, decimals: int | str = 2) -> str:
    """A value in US dollars with its symbol, rounded half to even to ``decimals`` places."""
    amount = _decimal(value)
    if amount is None:
        return DASH
    locale, places = reader_locale(), int(decimals)
    amount = amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    pattern = str(locale.currency_formats["standard"].pattern).replace("0.00", "0." + "0" * places)
    return format_currency(amount, "USD", format=pattern, locale=locale, currency_digits=False)


@exactly()
def quantity(value: object) -> str:
    """A number of shares or tokens: every digit that counts, at most 18 after the point."""
    amount = _decimal(value)
    if amount is None:
        return DASH
    return format_decimal(
        amount.normalize(), format="#,##0.##################", locale=reader_locale()
    )


@cache
def _marks(locale: Locale) -> tuple[dict[int, str], str]:
    """How a locale writes Python's own grouping and point, and what it puts after a percentage."""
    example = format_decimal(Decimal("1111.5"), format="#,##0.0", locale=locale)
    marks = str.maketrans({",": example[1], ".": example[5]})
    return marks, format_percent(0, locale=locale)[1:]


def rounded(value: object, decimals: int | str = 2) -> str:
    """A number rounded half to even to ``decimals`` places; many times as fast as Babel, for lists.

    What rounds to nothing has no sign.
    """
    amount = _decimal(value)
    if amount is None:
        return DASH
    marks, _percent = _marks(reader_locale())
    return f"{amount:z,.{int(decimals)}f}".translate(marks)


def percent(value: object, decimals: int | str = 1) -> str:
    """A fraction as a percentage: 0.053 is 5.3%."""
    amount = _decimal(value)
    if amount is None:
        return DASH
    _numbers, sign = _marks(reader_locale())
    return rounded(amount * 100, decimals) + sign


def figure(text: object) -> str:
    """A figure with its unit, such as "231.04 USD" or "0.5 AAPL", as the reader writes it.

    Evidence states figures plainly, for people and programs alike; any other text stays as it is.
    """
    found = _FIGURE.fullmatch(str(text))
    if found is None:
        return str(text)
    number, unit = found.groups()
    if unit == "USD":
        return usd(number, max(2, len(number.partition(".")[2])))
    return f"{quantity(number)} {unit}"


def plain(value: object) -> str:
    """A decimal as it is typed into a form: a point, no grouping, no trailing zeros."""
    amount = _decimal(value)
    if amount is None:
        return ""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent_of(part: object, whole: object) -> int:
    """How many whole percent ``part`` is of ``whole``, from 0 to 100."""
    first, second = _decimal(part), _decimal(whole)
    if first is None or not second:
        return 0
    return max(0, min(100, int(first * 100 / second)))


def moment(value: datetime | None, precision: str = "minutes") -> str | SafeString:
    """A moment as a ``<time>`` in UTC, which the page's script turns into the reader's own clock."""
    if value is None:
        return DASH
    at = value.astimezone(UTC)
    pattern = "d MMM y, HH:mm:ss" if precision == "seconds" else "d MMM y, HH:mm"
    return format_html(
        '<time datetime="{}" data-local="{}">{} UTC</time>',
        at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        precision,
        format_datetime(at, pattern, locale=reader_locale()),
    )


def in_zone(value: datetime | None, zone: str) -> str:
    """A moment in a named time zone, with the zone said: for limits, which reset by that clock."""
    if value is None:
        return DASH
    local = value.astimezone(ZoneInfo(zone))
    text = format_datetime(local, "d MMM, HH:mm", locale=reader_locale())
    city = get_timezone_location(local, locale=reader_locale(), return_city=True)
    return f"{text} ({city})"


def duration(value: float | None) -> str:
    """A number of seconds in words that fit a line: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if value is None:
        return DASH
    if value < 10:
        return gettext("%(seconds)s s") % {
            "seconds": format_decimal(round(Decimal(str(value)), 1), locale=reader_locale())
        }
    whole = round(value)
    if whole < MINUTE:
        return gettext("%(seconds)s s") % {"seconds": whole}
    if whole < HOUR:
        return gettext("%(minutes)s min %(seconds)s s") % {
            "minutes": whole // MINUTE,
            "seconds": whole % MINUTE,
        }
    return gettext("%(hours)s h %(minutes)s min") % {
        "hours": whole // HOUR,
        "minutes": whole % HOUR // MINUTE,
    }


def seconds_left(value: datetime) -> int:
    """Whole seconds from now until a moment; 0 once it has passed."""
    return max(0, int((value - timezone.now()).total_seconds()))


def middle_cut(value: object, keep: int = 8) -> str:
    """A long id with its middle left out, for narrow places; the full one is always copyable."""
    text = str(value or "")
    return (
        text if len(text) <= 2 * keep + 1 else f"{text[:keep]}\N{HORIZONTAL ELLIPSIS}{text[-keep:]}"
    )
