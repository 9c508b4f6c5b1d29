"""Risk limits as a person types them, and the reason for a kill switch."""

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from agora.lib.money import plain
from copytrade.days import ZONE_CHOICES
from copytrade.forms.fields import AmountField
from copytrade.models import RiskLimits
from copytrade.services.risk import AMOUNTS, Limits


class LimitsForm(forms.Form):
    """Limits of a subscription; an empty field is no limit."""

    max_order = AmountField(
        label=_("Largest order, USDT"),
        required=False,
        help_text=_("A copy that would be larger is made this large."),
    )
    max_symbol = AmountField(
        label=_("Most in one pair, USDT"),
        required=False,
        help_text=_("What is held of a pair never passes this by buying more."),
    )
    max_exposure = AmountField(
        label=_("Most in all open positions, USDT"),
        required=False,
        help_text=_("The same for everything that is held."),
    )
    daily_loss = AmountField(
        label=_("Largest loss in a day, USDT"),
        required=False,
        help_text=_(
            "Realized and unrealized, with fees. Once it is reached only closes are copied until "
            "your next day begins."
        ),
    )

    def limits(self) -> Limits:
        """As the service takes them; after is_valid()."""
        data: dict[str, Any] = dict(self.cleaned_data)
        return Limits(**data)


class PersonLimitsForm(LimitsForm):
    """Limits over all subscriptions of a person, and when their day begins."""

    timezone = forms.ChoiceField(
        label=_("Time zone of your day"),
        choices=ZONE_CHOICES,
        help_text=_("A day that has begun is counted to its end."),
    )


class KillForm(forms.Form):
    """Why something is stopped."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=200,
        help_text=_("A few words. Whoever is concerned can read them."),
    )


def initial_of(row: RiskLimits) -> dict[str, Decimal | str | None]:
    """What a form shows of stored limits, without trailing zeros."""
    values: dict[str, Decimal | str | None] = {"timezone": row.timezone}
    for name in AMOUNTS:
        value = getattr(row, name)
        values[name] = None if value is None else plain(value)
    return values
