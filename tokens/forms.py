"""Forms of the wallet pages: shape only; the rules are in accounts.wallet_proofs."""

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.siwe import LONGEST_SIGNATURE_BYTES

_EXACTLY = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}


class WalletForm(forms.Form):
    """The address of another wallet."""

    address = forms.CharField(
        label=_("New wallet address"),
        help_text=_("0x and 40 characters, copied from your wallet or taken from it below."),
        max_length=60,
        widget=forms.TextInput(attrs={**_EXACTLY, "class": "mono"}),
    )


class SignatureForm(forms.Form):
    """What a wallet answered to the message."""

    signature = forms.CharField(
        label=_("Signature"),
        help_text=_("0x and at least 130 characters, as your wallet gives it."),
        max_length=2 * LONGEST_SIGNATURE_BYTES + 2,
        widget=forms.Textarea(attrs={"rows": 3, **_EXACTLY, "class": "mono"}),
    )
