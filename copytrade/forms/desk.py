"""Forms of the master's desk: shape only; the rules are in copytrade.services."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from copytrade.forms.fields import AmountField
from copytrade.models import QUOTE, OrderType, Side
from copytrade.services.ticket import DeskRefused

PARTS = [("25", "25 %"), ("50", "50 %"), ("100", "100 %")]


class _DeskForm(forms.Form):
    """A form that can show what a service refused."""

    # Where a fault of the rules is shown when the form calls the field otherwise.
    SHOWN_AT: dict[str, str] = {}

    def refuse(self, refusal: DeskRefused) -> None:
        """Show a refusal at its field, or above the form when it has none here."""
        field = self.SHOWN_AT.get(refusal.field, refusal.field)
        self.add_error(
            field if field in self.fields else None,
            forms.ValidationError(str(refusal.message), code=refusal.code),
        )


class TicketForm(_DeskForm):
    """An order: side, type, pair, how much, and at which price."""

    UNITS = [("base", _("units of the asset")), ("quote", QUOTE)]
    SHOWN_AT = {"quantity": "amount"}

    symbol = forms.ChoiceField(label=_("Pair"))
    side = forms.ChoiceField(
        label=_("Buy or sell"), choices=Side.choices, widget=forms.RadioSelect, initial=Side.BUY
    )
    type = forms.ChoiceField(
        label=_("Type"),
        choices=OrderType.choices,
        widget=forms.RadioSelect,
        initial=OrderType.MARKET,
    )
    amount = AmountField(label=_("How much"))
    unit = forms.ChoiceField(
        label=_("Counted in"), choices=UNITS, widget=forms.RadioSelect, initial="base"
    )
    price = AmountField(
        label=_("Limit price, USDT"),
        help_text=_("For limit orders only: a buy pays no more, a sale gets no less."),
        required=False,
    )

    def __init__(self, *args: Any, pairs: Iterable[str], **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["symbol"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101
        field.choices = [(pair, pair) for pair in pairs]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("type") == OrderType.MARKET:
            data["price"] = None  # the field may still hold what was typed for a limit order
        elif data.get("type") == OrderType.LIMIT and data.get("price") is None:
            self.add_error("price", _("A limit order needs a price."))
        for name in ("amount", "price"):
            value = data.get(name)
            if isinstance(value, Decimal) and value <= 0:
                self.add_error(name, _("Enter a number above 0 with a decimal point."))
        return data


class ConfirmForm(forms.Form):
    """What the review page sends: the terms that were shown, and the key of this placement."""

    symbol = forms.CharField(max_length=20, widget=forms.HiddenInput)
    side = forms.ChoiceField(choices=Side.choices, widget=forms.HiddenInput)
    type = forms.ChoiceField(choices=OrderType.choices, widget=forms.HiddenInput)
    quantity = forms.DecimalField(max_digits=36, decimal_places=18, widget=forms.HiddenInput)
    price = forms.DecimalField(
        max_digits=36, decimal_places=18, required=False, widget=forms.HiddenInput
    )
    placement_key = forms.UUIDField(widget=forms.HiddenInput)


class ReplaceForm(_DeskForm):
    """New quantity and price for an open limit order."""

    quantity = AmountField(
        label=_("New quantity"),
        help_text=_("What the new order is for, whatever the old one has filled so far."),
    )
    price = AmountField(label=_("New limit price, USDT"))
    placement_key = forms.UUIDField(widget=forms.HiddenInput)


class CloseForm(_DeskForm):
    """Which part of a position to sell at the market."""

    symbol = forms.ChoiceField(label=_("Pair"), widget=forms.HiddenInput)
    part = forms.ChoiceField(label=_("How much to sell"), choices=PARTS, widget=forms.RadioSelect)
    placement_key = forms.UUIDField(widget=forms.HiddenInput)

    SHOWN_AT = {"fraction": "part", "quantity": "part"}

    def __init__(self, *args: Any, pairs: Iterable[str], **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["symbol"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101
        field.choices = [(pair, pair) for pair in pairs]

    @property
    def fraction(self) -> Decimal:
        """The part of a valid form, 0 to 1."""
        return Decimal(self.cleaned_data["part"]) / 100
