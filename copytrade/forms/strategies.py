"""Forms of a strategy: shape only; the rules are in copytrade.services.strategies."""

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from copytrade.forms.fields import AmountField, PairsField
from copytrade.forms.subscriptions import AccountChoice
from copytrade.models import Strategy
from copytrade.selectors.strategies import free_accounts
from copytrade.services.strategies import (
    DESCRIPTION_LENGTH,
    MOST_FOLLOWERS,
    NAME_LENGTH,
    StrategyRefused,
    Terms,
)


class StrategyForm(forms.Form):
    """The terms of a strategy."""

    name = forms.CharField(
        label=_("Name"), max_length=NAME_LENGTH, widget=forms.TextInput({"autocomplete": "off"})
    )
    description = forms.CharField(
        label=_("Description"),
        help_text=_("What you trade and why, in your own words. Promise nothing."),
        max_length=DESCRIPTION_LENGTH,
        required=False,
        widget=forms.Textarea({"rows": 5}),
    )
    symbols = PairsField(
        label=_("Pairs"),
        help_text=_(
            "The only ones that are copied, in USDT, parted by commas: BTC/USDT, ETH/USDT."
        ),
        max_length=1200,
    )
    style = forms.ChoiceField(label=_("Style"), choices=Strategy.Style.choices)
    copy_on = forms.ChoiceField(
        label=_("Orders that rest in the book"),
        help_text=_(
            "Copied as they fill, followers trade what you traded. Copied while they rest, "
            "followers may fill before you do."
        ),
        choices=Strategy.CopyOn.choices,
    )
    min_equity = AmountField(
        label=_("Smallest allocation, USDT"),
        help_text=_("How much a follower must give to the copy at least. 0 asks for nothing."),
        initial="0",
    )
    max_followers = forms.IntegerField(
        label=_("Most followers"), min_value=1, max_value=MOST_FOLLOWERS, initial=100
    )
    is_public = forms.BooleanField(
        label=_("List it in the marketplace; otherwise only who has your link finds it"),
        required=False,
        initial=True,
    )

    def terms(self) -> Terms:
        """The terms that a valid form holds."""
        names = Terms.__dataclass_fields__
        return Terms(**{name: self.cleaned_data[name] for name in names})

    def refuse(self, refusal: StrategyRefused) -> None:
        """Show a refusal of the service at its field."""
        field = refusal.field if refusal.field in self.fields else None
        self.add_error(field, forms.ValidationError(str(refusal.message), code=refusal.code))


class NewStrategyForm(StrategyForm):
    """The terms, and the exchange account that is traded."""

    field_order = ("account",)

    def __init__(self, *args: Any, master: User, **options: Any) -> None:
        super().__init__(*args, **options)
        accounts = free_accounts(master)
        self.fields["account"] = AccountChoice(
            label=_("Exchange account"),
            help_text=_("Its trades are copied, and its ledger is your track record."),
            queryset=accounts,
            empty_label=None,
        )
        self.order_fields(self.field_order)


def initial_of(strategy: Strategy) -> dict[str, object]:
    """What the edit form shows first."""
    values = {name: getattr(strategy, name) for name in Terms.__dataclass_fields__}
    return {**values, "min_equity": _plain(strategy.min_equity)}


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")
