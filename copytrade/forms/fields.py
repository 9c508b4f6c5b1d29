"""Fields that forms of copy trading share."""

from decimal import Decimal, InvalidOperation

from django import forms
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


class AmountField(forms.CharField):
    """A plain decimal number; in Portuguese and Spanish a comma may part the decimals."""

    def __init__(self, **options: object) -> None:
        attributes = {"inputmode": "decimal", "autocomplete": "off"}
        options.setdefault("widget", forms.TextInput(attrs=attributes))
        options.setdefault("max_length", 40)
        super().__init__(**options)  # type: ignore[arg-type]

    def clean(self, value: object) -> "Decimal | None":
        text = super().clean(value)
        if not text:
            return None
        if get_language() != "en" and text.count(",") == 1 and "." not in text:
            text = text.replace(",", ".")
        try:
            amount = Decimal(text)
        except InvalidOperation as error:
            raise _not_a_number() from error
        if not amount.is_finite() or abs(amount) >= Decimal("1E18"):
            raise _not_a_number()
        return amount


def _not_a_number() -> forms.ValidationError:
    return forms.ValidationError(_("Enter a number, such as 1500 or 0.5."), code="number")


class PairsField(forms.CharField):
    """Pairs parted by commas, spaces or lines, as a list of their names in capitals."""

    def clean(self, value: object) -> list[str]:
        text = super().clean(value)
        return [part.upper() for part in text.replace(",", " ").split()]

    def prepare_value(self, value: object) -> object:
        return ", ".join(value) if isinstance(value, list) else value
