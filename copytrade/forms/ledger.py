"""Filters of the ledger pages, and the note that a difference is booked with."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from copytrade.days import ZONE_CHOICES
from copytrade.models import Side
from copytrade.selectors.history import Choices, Filters, choices_for

_DATE = {"type": "date"}


class HistoryForm(forms.Form):
    """What to show of a person's trades; everything may stay empty."""

    account = forms.ChoiceField(label=_("Exchange account"), required=False)
    subscription = forms.ChoiceField(label=_("Subscription"), required=False)
    strategy = forms.ChoiceField(label=_("Strategy"), required=False)
    symbol = forms.ChoiceField(label=_("Pair"), required=False)
    side = forms.ChoiceField(
        label=_("Side"), required=False, choices=[("", _("Both")), *Side.choices]
    )
    first = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput(attrs=_DATE, format="%Y-%m-%d")
    )
    last = forms.DateField(
        label=_("To"), required=False, widget=forms.DateInput(attrs=_DATE, format="%Y-%m-%d")
    )
    zone = forms.ChoiceField(
        label=_("Time zone of the dates"), required=False, choices=ZONE_CHOICES
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known: Choices = choices_for(user=user)
        every = ("", _("All"))
        for name, rows in (
            ("account", known.accounts),
            ("subscription", known.subscriptions),
            ("strategy", known.strategies),
            ("symbol", {symbol: symbol for symbol in known.symbols}),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101
            field.choices = [every, *((str(key), str(label)) for key, label in rows.items())]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        first, last = data.get("first"), data.get("last")
        if first and last and last < first:
            self.add_error("last", _("The last day is before the first."))
        return data

    def filters(self, *, zone: str) -> Filters:
        """As a selector takes it; `zone` where none was chosen. After is_valid()."""
        data = self.cleaned_data
        return Filters(
            account=data["account"] or None,
            subscription=data["subscription"] or None,
            strategy=data["strategy"] or None,
            symbol=data["symbol"],
            side=data["side"],
            first=data["first"],
            last=data["last"],
            zone=data["zone"] or zone,
        )


class BookForm(forms.Form):
    """A person says what a difference is."""

    note = forms.CharField(
        label=_("What was it?"),
        max_length=200,
        help_text=_("For example: “deposit from my bank on 3 May”."),
    )
