"""Forms of exchange accounts: shape only; keys are checked in copytrade.services.keys."""

from django import forms
from django.utils.translation import gettext_lazy as _

from copytrade.models import Exchange
from copytrade.services.accounts import LONGEST_LABEL, AccountRefused
from copytrade.services.keys import KeyRefused

_LONGEST_KEY = 200
_PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class RefusableForm(forms.Form):
    """A form that shows a refusal of the service at its field."""

    def refuse(self, refusal: AccountRefused | KeyRefused) -> None:
        """Show what was refused; without a field of that name, above the form."""
        field = refusal.field if refusal.field in self.fields else None
        self.add_error(field, forms.ValidationError(str(refusal.message), code=refusal.code))


class LabelForm(RefusableForm):
    """The name of an account."""

    label = forms.CharField(
        label=_("Name"),
        help_text=_("For yourself, such as “Main account”."),
        max_length=LONGEST_LABEL,
        widget=forms.TextInput({"autocomplete": "off"}),
    )


class KeyForm(RefusableForm):
    """An API key with its secret: never filled in again, not even after a mistake elsewhere."""

    api_key = forms.CharField(
        label=_("API key"),
        max_length=_LONGEST_KEY,
        widget=forms.PasswordInput(attrs=_PLAIN, render_value=False),
    )
    secret = forms.CharField(
        label=_("API secret"),
        help_text=_("Kept encrypted. It is not shown again, neither to you nor to us."),
        max_length=_LONGEST_KEY,
        widget=forms.PasswordInput(attrs=_PLAIN, render_value=False),
    )


class AccountForm(LabelForm, KeyForm):
    """A new exchange account."""

    exchange = forms.ChoiceField(label=_("Exchange"), choices=Exchange.choices)
    field_order = ("exchange", "label", "api_key", "secret")
