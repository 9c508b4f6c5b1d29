"""Forms of the pages on which people show who they are: shape only; services say what is right."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from kyc.cases.record import LONGEST_TEXT
from kyc.corrections import LONGEST_TEXT as LONGEST_REASON
from kyc.documents import DocumentRefused
from kyc.filetypes import MEDIA_TYPES
from kyc.models import Application, Document
from kyc.services import OnboardingError

format_html_lazy = lazy(format_html, SafeString)
# Style sheets show the words of the chosen country; without a choice both are named.
BY_COUNTRY = (
    '<span class="for-any">{}</span><span class="for-br">{}</span><span class="for-py">{}</span>'
)


class OnboardingForm(forms.Form):
    """Name, country, tax id, wallet and consent of one person."""

    full_name = forms.CharField(
        label=_("Full name"),
        help_text=_("As on your identity document."),
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    country = forms.ChoiceField(
        label=_("Country"), choices=Application.Country.choices, widget=forms.RadioSelect
    )
    tax_id = forms.CharField(
        label=format_html_lazy(
            BY_COUNTRY, _("Tax id: CPF (Brazil) or RUC (Paraguay)"), "CPF", "RUC"
        ),
        help_text=format_html_lazy(
            BY_COUNTRY,
            _("With or without dots and hyphens."),
            _("11 digits, with or without dots and hyphen."),
            _("Number and check digit, for example 1234567-8."),
        ),
        max_length=24,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "text"}),
    )
    wallet_address = forms.CharField(
        label=_("Wallet address"),
        help_text=_(
            "0x and 40 characters, copied from your wallet. Your tokens are minted to this address: "
            "use one that only you control."
        ),
        max_length=60,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
        ),
    )
    consent = forms.BooleanField(
        label=_("I have read the text above and agree to it."), required=False
    )

    def take_errors(self, error: OnboardingError) -> None:
        """Show the service's messages at their fields."""
        for field, messages in error.errors.items():
            self.add_error(
                field if field in self.fields else None,
                forms.ValidationError([forms.ValidationError(str(text)) for text in messages]),
            )


class CorrectionForm(forms.Form):
    """What is wrong in the application; an empty field is left as it is."""

    full_name = forms.CharField(
        label=_("Full name"),
        help_text=_("Only if it is wrong. As on your identity document."),
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    tax_id = forms.CharField(
        label=_("Tax id"),
        help_text=_(
            "Only if it is wrong. A tax id belongs to one account: if yours is on another account of "
            "yours, say so below, and we answer how to go on."
        ),
        max_length=24,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "text"}),
    )
    reason = forms.CharField(
        label=_("What happened"),
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 4}),
    )


class HandInForm(forms.Form):
    """What a person writes when they hand in documents; asked for only when an officer asks."""

    answer = forms.CharField(
        label=_("Your answer"),
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 5}),
        required=False,
    )

    def __init__(self, *args: Any, asks_for_words: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if asks_for_words:
            self.fields["answer"].required = True
        else:
            del self.fields["answer"]


class DocumentForm(forms.Form):
    """A document to upload: from the device's files, or straight from its camera."""

    kind = forms.ChoiceField(label=_("What it is"), choices=Document.Kind.choices)
    file = forms.FileField(
        label=_("File"),
        required=False,
        allow_empty_file=True,  # kyc.documents says what is wrong with a file
        widget=forms.FileInput(attrs={"accept": ",".join(MEDIA_TYPES)}),
    )
    camera = forms.FileField(
        label=_("Or take a photo now"),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": "image/*", "capture": "environment"}),
    )

    consent = forms.BooleanField(
        label=_("I have read the text above and agree to it."),
        error_messages={"required": _("Read the text on documents and agree to it first.")},
    )

    def __init__(self, *args: Any, asks_for_consent: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not asks_for_consent:
            del self.fields["consent"]

    def the_file(self) -> "UploadedFile[bytes]":
        """The one file that was sent; raises DocumentRefused for none or several."""
        sent = [file for name in ("file", "camera") for file in self.files.getlist(name)]
        if len(sent) != 1:
            raise DocumentRefused("several" if sent else "missing")
        return sent[0]

    def take_refusal(self, refusal: DocumentRefused) -> None:
        """Show the service's message at its field."""
        self.add_error(refusal.field if refusal.field in self.fields else None, refusal.message)
