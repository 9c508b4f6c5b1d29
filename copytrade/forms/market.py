"""The search form of the marketplace."""

from decimal import Decimal

from django import forms
from django.utils.translation import gettext_lazy as _

from copytrade.forms.fields import AmountField
from copytrade.models import TrackRecord
from copytrade.selectors.market import SORTS, Search

_PER_CENT = Decimal("0.01")


class MarketForm(forms.Form):
    """What somebody looks for; everything may stay empty."""

    q = forms.CharField(label=_("Search"), max_length=100, required=False)
    sort = forms.ChoiceField(
        label=_("Sort by"), choices=[(k, s.label) for k, s in SORTS.items()], required=False
    )
    period = forms.TypedChoiceField(
        label=_("Period"), choices=TrackRecord.Period.choices, coerce=int, required=False
    )
    symbol = forms.CharField(label=_("Pair"), max_length=20, required=False)
    min_return = AmountField(label=_("Return at least, %"), required=False)
    max_drawdown = AmountField(label=_("Drawdown at most, %"), required=False)
    capital = AmountField(label=_("Open to my capital, USDT"), required=False)
    slots = forms.BooleanField(label=_("With free places only"), required=False)

    def search(self) -> Search:
        """What a valid form asks for."""
        data = self.cleaned_data
        return Search(
            text=data["q"],
            symbol=data["symbol"].strip().upper(),
            min_return=_fraction(data["min_return"]),
            max_drawdown=_fraction(data["max_drawdown"]),
            free_slots=data["slots"],
            capital=data["capital"],
            period=data["period"] or Search.period,
            sort=data["sort"] or Search.sort,
        )


def _fraction(percent: Decimal | None) -> Decimal | None:
    return None if percent is None else percent * _PER_CENT
