"""Forms of subscriptions: shape only; the rules are in copytrade.services.terms."""

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agora.lib.money import plain
from copytrade.forms.fields import AmountField
from copytrade.models import ExchangeAccount, Strategy, Subscription
from copytrade.selectors.accounts import accounts_to_copy_with
from copytrade.services.subscriptions import SubscriptionRefused
from copytrade.services.terms import MIN_ALLOCATED, Terms

_BPS_IN_PERCENT = 100
_MOST_BPS = 32_000  # more does not fit its column; the rules refuse far less


class TermsForm(forms.Form):
    """How a strategy is copied."""

    allocated = AmountField(
        label=_("Allocate, USDT"),
        help_text=_("The part of your account that this copy may use. It stays at the exchange."),
    )
    sizing = forms.ChoiceField(
        label=_("Size of the copies"),
        choices=Subscription.Sizing.choices,
        widget=forms.RadioSelect,
        initial=Subscription.Sizing.PROPORTIONAL,
    )
    factor = AmountField(
        label=_("Factor, or amount of each order in USDT"),
        help_text=_(
            "In proportion, 1 copies with the same share of your allocation as the master's order has "
            "of the master's account. For a fixed amount, enter the USDT of each order."
        ),
        initial="1",
    )
    symbols = forms.MultipleChoiceField(
        label=_("Pairs"), widget=forms.CheckboxSelectMultiple, required=False
    )
    slippage = AmountField(
        label=_("Slippage limit, %"),
        help_text=_(
            "An opening is only bought up to this far above the master's price. Closes always go out."
        ),
        initial="0.5",
    )
    max_open = forms.IntegerField(
        label=_("Most open pairs"), min_value=1, max_value=_MOST_BPS, initial=20
    )
    minimum = forms.ChoiceField(
        label=_("Orders that are too small for the exchange"),
        choices=Subscription.Minimum.choices,
        widget=forms.RadioSelect,
        initial=Subscription.Minimum.SKIP,
    )
    on_stop = forms.ChoiceField(
        label=_("When it stops"),
        choices=Subscription.OnStop.choices,
        widget=forms.RadioSelect,
        initial=Subscription.OnStop.CLOSE,
    )
    stop_loss_percent = AmountField(
        label=_("Stop when this much is lost, %"),
        help_text=_("From 5 to 95. Leave empty for no stop-loss."),
        required=False,
    )

    # Where a fault of the rules is shown when the form calls the field otherwise.
    SHOWN_AT = {"slippage_bps": "slippage"}

    def __init__(self, *args: Any, pairs: Iterable[str], **options: Any) -> None:
        super().__init__(*args, **options)
        choices = [(pair, pair) for pair in pairs]
        field = self.fields["symbols"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101
        field.choices = choices
        field.initial = [pair for pair, _label in choices]

    def clean_slippage(self) -> int:
        """In 1/100 %, as the rules want it; what is no whole number of them is refused there."""
        percent: Decimal = self.cleaned_data["slippage"]
        points = percent * _BPS_IN_PERCENT
        if points != points.to_integral_value() or abs(points) > _MOST_BPS:
            raise forms.ValidationError(
                _("Give the limit in percent with at most 2 decimals, such as 0.5."),
                code="slippage",
            )
        return int(points)

    def choices_made(self) -> dict[str, Any]:
        """The choices of a valid form, by the names of Terms."""
        data = self.cleaned_data
        names = ("sizing", "factor", "allocated", "symbols", "max_open", "minimum", "on_stop")
        chosen = {name: data[name] for name in names}
        return chosen | {
            "slippage_bps": data["slippage"],
            "stop_loss_percent": data["stop_loss_percent"],
        }

    def refuse(self, refusal: SubscriptionRefused) -> None:
        """Show every fault at its field; a refusal without one above the form."""
        for fault in refusal.faults:
            name = self.SHOWN_AT.get(fault.field, fault.field)
            error = forms.ValidationError(str(fault.message), code=fault.code)
            self.add_error(name if name in self.fields else None, error)
        if not refusal.faults:
            self.add_error(None, forms.ValidationError(str(refusal.message), code=refusal.code))


if TYPE_CHECKING:
    _ModelChoiceField = forms.ModelChoiceField[ExchangeAccount]
else:
    _ModelChoiceField = forms.ModelChoiceField


class AccountChoice(_ModelChoiceField):
    """One of the person's exchange accounts, by the name they gave it."""

    def label_from_instance(self, account: ExchangeAccount) -> str:
        return f"{account.label} ({account})"


class SubscribeForm(TermsForm):
    """Subscribing: the terms, the account, and how it begins."""

    start = forms.ChoiceField(
        label=_("At the start"),
        choices=Subscription.Start.choices,
        widget=forms.RadioSelect,
        initial=Subscription.Start.NEW,
    )
    field_order = ("account", "allocated", "sizing", "factor")

    def __init__(self, *args: Any, user: User, strategy: Strategy, **options: Any) -> None:
        super().__init__(*args, pairs=strategy.symbols, **options)
        self.fields["account"] = AccountChoice(
            label=_("Exchange account"),
            queryset=accounts_to_copy_with(user=user, exchange=strategy.exchange),
            empty_label=None,
        )
        self.order_fields(self.field_order)
        least = max(MIN_ALLOCATED, strategy.min_equity)
        self.fields["allocated"].initial = plain(max(least, Decimal(100)))

    def terms(self) -> Terms:
        """The terms that a valid form holds."""
        return Terms(**self.choices_made())

    @property
    def account(self) -> ExchangeAccount:
        """The account that a valid form names."""
        account: ExchangeAccount = self.cleaned_data["account"]
        return account


class EditForm(TermsForm):
    """Changing the terms; the stop-loss stays unless it is set anew."""

    stop_loss = forms.ChoiceField(
        label=_("Stop-loss"),
        choices=[
            ("keep", _("Leave it as it is")),
            ("set", _("Set it anew, counted from what the copy is worth now")),
            ("none", _("No stop-loss")),
        ],
        widget=forms.RadioSelect,
        initial="keep",
    )
    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        missing = not data.get("stop_loss_percent") and "stop_loss_percent" not in self.errors
        if data.get("stop_loss") == "set" and missing:
            self.add_error("stop_loss_percent", _("Enter the percentage of the new stop-loss."))
        return data

    def choices_made(self) -> dict[str, Any]:
        chosen = super().choices_made()
        percent = chosen.pop("stop_loss_percent")
        how = self.cleaned_data["stop_loss"]
        if how == "set":
            return chosen | {"stop_loss_percent": percent}
        return chosen | ({"stop_loss_percent": None} if how == "none" else {})


def initial_of(subscription: Subscription) -> dict[str, object]:
    """What the edit form shows first."""
    return {
        "allocated": plain(subscription.allocated),
        "sizing": subscription.sizing,
        "factor": plain(subscription.factor),
        "symbols": subscription.symbols,
        "slippage": plain(Decimal(subscription.slippage_bps) / _BPS_IN_PERCENT),
        "max_open": subscription.max_open,
        "minimum": subscription.minimum,
        "on_stop": subscription.on_stop,
        "version": subscription.version,
    }


class StopForm(forms.Form):
    """What happens to positions when a subscription is stopped."""

    on_stop = forms.ChoiceField(
        label=_("What happens to the copied positions?"),
        choices=Subscription.OnStop.choices,
        widget=forms.RadioSelect,
    )
