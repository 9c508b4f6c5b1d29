"""Forms of the account pages: shape only; the rules are in the services."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from accounts.address_book import LONGEST_LABEL
from accounts.addresses import LARGEST_TAG, Chain, Exchange
from accounts.models import User

SCOPE_LABELS = {
    "read": _("Read: orders, balance, prices, address book, notices"),
    "trade": _("Trade: place and cancel orders, change the address book"),
    "copy": _("Copy trading: strategies, subscriptions, exchange accounts, limits"),
    "security": _("Security: use another wallet, widen risk limits; for one day at most"),
    "admin": _("Admin: the back office; for 7 days at most"),
}
LIFETIMES = (
    (1, _("1 day")),
    (7, _("7 days")),
    (30, _("30 days")),
    (90, _("90 days")),
    (365, _("1 year")),
)


class TokenForm(forms.Form):
    """Name, scopes and lifetime of a new API token."""

    name = forms.CharField(
        label=_("Name"),
        help_text=_("What you will use it for, for example “monthly report”."),
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    days = forms.TypedChoiceField(label=_("Expires in"), choices=LIFETIMES, coerce=int, initial=90)
    networks = forms.CharField(
        label=_("Only from these network addresses"),
        help_text=_(
            "Optional: addresses or networks, such as 203.0.113.7 or 2001:db8::/48, one a line. "
            "Elsewhere the token does not work."
        ),
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: object, user: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        allowed = [scope for scope in SCOPE_LABELS if scope != "admin" or user.is_staff]
        choices = [(scope, SCOPE_LABELS[scope]) for scope in allowed]
        self.fields["scopes"] = forms.MultipleChoiceField(
            label=_("What it may do"),
            choices=choices,
            widget=forms.CheckboxSelectMultiple,
            initial=["read"],
        )

    def expires_at(self, *, now: datetime) -> datetime:
        """The moment the chosen lifetime ends, counted from ``now``."""
        return now + timedelta(days=self.cleaned_data["days"])

    def networks_given(self) -> list[str]:
        """The networks as they were typed, separated by line breaks, spaces or commas."""
        return str(self.cleaned_data["networks"]).replace(",", " ").split()


# An address is looked at while it is typed; without a script, when the form is sent.
_LOOKED_AT: dict[str, Any] = {
    "hx-post": reverse_lazy("address_check"),
    "hx-include": "closest form",
    "hx-target": "#address-check",
    "hx-sync": "#address-check:replace",
}
_AT_ONCE = {**_LOOKED_AT, "hx-trigger": "change"}
_WHILE_TYPED = {**_LOOKED_AT, "hx-trigger": "input changed delay:400ms, change"}
_EXACTLY = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}


class LabelForm(forms.Form):
    """What a person recognises an address by."""

    label = forms.CharField(
        label=_("Label"),
        help_text=_("What you will recognise it by, for example “cold storage”."),
        max_length=LONGEST_LABEL,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class AddressForm(LabelForm):
    """An address to add to the book."""

    field_order = ["chain", "exchange", "address", "tag", "label"]

    chain = forms.ChoiceField(
        label=_("Chain"),
        choices=[("", _("Choose a chain")), *Chain.choices],
        widget=forms.Select(attrs=_AT_ONCE),
    )
    exchange = forms.ChoiceField(
        label=_("Where it receives"),
        choices=Exchange.choices,
        required=False,
        widget=forms.Select(attrs=_AT_ONCE),
    )
    address = forms.CharField(
        label=_("Address"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2, **_EXACTLY, **_WHILE_TYPED}),
    )
    tag = forms.IntegerField(
        label=_("Destination tag"),
        help_text=_("XRP only. Exchanges need it; your own wallet usually has none."),
        required=False,
        min_value=0,
        max_value=LARGEST_TAG,
        widget=forms.TextInput(attrs={"inputmode": "numeric", **_EXACTLY, **_WHILE_TYPED}),
    )
