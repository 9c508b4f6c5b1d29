"""Forms of the account pages."""

from datetime import datetime, timedelta

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User

SCOPE_LABELS = {
    "read": _("Read: orders, balance, prices"),
    "trade": _("Trade: place and cancel orders"),
    "copy": _("Copy trading: strategies, subscriptions, exchange accounts, limits"),
    "admin": _("Admin: reports of the back office"),
}
LIFETIMES = ((30, _("30 days")), (90, _("90 days")), (365, _("1 year")))


class TokenForm(forms.Form):
    """Name, scopes and lifetime of a new API token."""

    name = forms.CharField(
        label=_("Name"),
        help_text=_("What you will use it for, for example “monthly report”."),
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    days = forms.TypedChoiceField(label=_("Expires in"), choices=LIFETIMES, coerce=int, initial=90)

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
