"""Forms of compliance's pages: shape only; what is right or wrong is decided by the services."""

from django import forms
from django.utils.translation import gettext_lazy as _


class ErasureForm(forms.Form):
    """That the person has understood what erasure means."""

    understood = forms.BooleanField(
        label=_("I have read what is erased and what stays. Close my account and erase my data."),
        error_messages={"required": _("Tick the box first: erasure cannot be undone later.")},
    )
    gives_up_tokens = forms.BooleanField(
        label=_("I give up the tokens that my wallets still hold, such as when a key is lost."),
        help_text=_("They stay where they are, and Agora never learns again that they were yours."),
        required=False,
    )
