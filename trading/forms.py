"""Forms of the buy flow: shape only; the rules are in trading.services."""

from decimal import Decimal

from django import forms
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from trading.services import OrderRefused, parse_quantity


class QuantityForm(forms.Form):
    """How many shares to buy."""

    quantity = forms.CharField(
        label=_("How many shares"),
        help_text=_("From 0.01, with at most 9 decimals."),
        max_length=24,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )

    def clean_quantity(self) -> Decimal:
        text = str(self.cleaned_data["quantity"])
        if get_language() != "en" and text.count(",") == 1 and "." not in text:
            # In Portuguese and Spanish a comma parts the decimals.
            text = text.replace(",", ".")
        try:
            return parse_quantity(text)
        except OrderRefused as error:
            raise forms.ValidationError(str(error.message), code=error.code) from error


class ConfirmForm(QuantityForm):
    """What the review page sends: the same quantity, the frozen quote and the key of this placement."""

    quote = forms.CharField(max_length=2000, widget=forms.HiddenInput)
    placement_key = forms.UUIDField(widget=forms.HiddenInput)
