"""Why a document is not taken or not acted on, in words that say what to do."""

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy
from prometheus_client import Counter

from kyc.conversion import LEAST_SIDE, MOST_PIXELS
from kyc.models.documents import MOST_PAGES

Text = str | Promise
MOST_KEPT = 20
MOST_A_DAY = 30
LONGEST_NOTE = 500
_MEGA = 1_000_000

REFUSED = Counter(
    "agora_documents_refused", "Documents that were not taken, by reason.", ["reason"]
)
STORED = Counter("agora_documents_stored", "Documents that were taken, by kind.", ["kind"])

_ABOUT_FILE: dict[str, Text] = {
    "missing": gettext_lazy("Choose a file."),
    "several": gettext_lazy("Send one file at a time."),
    "empty": gettext_lazy("The file is empty. Choose another one."),
    "too_large": gettext_lazy(
        "The file is larger than %(megabytes)s MB. Take the photo with a lower resolution, or save the "
        "document as a smaller PDF."
    ),
    "wrong_type": gettext_lazy(
        "This is not a JPEG, PNG, WebP or PDF file, whatever its name says. Take a photo or a screenshot "
        "of the document and upload that."
    ),
    "mixed": gettext_lazy(
        "The file holds more than a picture or pages. Take a new photo or a screenshot of the document and "
        "upload that."
    ),
    "unreadable": gettext_lazy(
        "The file cannot be read; it may be damaged or cut off. Take a new photo, or save the document "
        "again."
    ),
    "encrypted": gettext_lazy(
        "The PDF is locked with a password. Save it without one, or upload photos of its pages."
    ),
    "active": gettext_lazy(
        "The PDF holds scripts or attached files. Print it to a new PDF, or upload photos of its pages."
    ),
    "animated": gettext_lazy("The picture moves. Upload one that does not."),
    "too_many_pages": gettext_lazy(
        "The PDF has more than %(pages)s pages. Upload only those that show who you are or where you live."
    ),
    "too_many_pixels": gettext_lazy(
        "The picture has more than %(megapixels)s megapixels. Take the photo with a lower resolution."
    ),
    "too_small": gettext_lazy(
        "The picture is too small to read: its shorter side needs at least %(side)s pixels."
    ),
    "infected": gettext_lazy("The virus scanner found something in this file. It was not stored."),
}
_FIELDS = {"consent": "consent", "consent_changed": "consent", "kind": "kind", "reason": "reason"}
REFUSALS: dict[str, Text] = {
    **_ABOUT_FILE,
    # --- the person
    "kind": gettext_lazy("Choose what the document is."),
    "not_onboarded": gettext_lazy("Tell us who you are first; documents belong to an application."),
    "consent": gettext_lazy("Read the text on documents and agree to it first."),
    "consent_changed": gettext_lazy(
        "The text on documents has changed since you agreed to it. Read it again and agree to it first."
    ),
    "erased": gettext_lazy("The personal data of this account was erased. It takes no documents."),
    "too_many_documents": gettext_lazy(
        "You have %(kept)s documents here already. Withdraw one that is not needed first."
    ),
    "too_many_today": gettext_lazy(
        "You have sent %(a_day)s documents in 24 hours. Come back tomorrow."
    ),
    # --- a document
    "not_waiting": gettext_lazy("It has been reviewed or withdrawn meanwhile. Look at it again."),
    "in_case": gettext_lazy(
        "This person has an open case. Take it and decide about their documents there."
    ),
    "not_reviewing": gettext_lazy(
        "Pages are opened by who reviews the person. Take their open case; without one, open one on their "
        "application."
    ),
    "own_document": gettext_lazy("Nobody reviews their own documents. Leave it to a colleague."),
    "reason": gettext_lazy("Choose a reason that the person can act on."),
    "note_too_long": gettext_lazy("Keep the note to %(note)s characters."),
    # --- us
    "busy": gettext_lazy("Many documents are coming in just now. Try again in a minute."),
    "scanner": gettext_lazy("The virus scanner cannot be reached. Try again in a few minutes."),
    "storage": gettext_lazy("Documents cannot be stored just now. Try again in a few minutes."),
    "storage_full": gettext_lazy(
        "There is no room for documents just now; we have been told. Try again later."
    ),
    "lost": gettext_lazy(
        "The page cannot be opened: it is missing in the storage, or was changed."
    ),
}


class DocumentRefused(Exception):
    """Nothing was changed. `code` is stable, `message` says what to do, `field` where it is wrong."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.field = "file" if code in _ABOUT_FILE else _FIELDS.get(code, "")

    @property
    def message(self) -> str:
        """The words, in the language that is active."""
        return str(REFUSALS[self.code]) % limits()


class DocumentsUnavailable(DocumentRefused):
    """Nothing was changed, and the same may work later: storage or scanner does not answer."""

    retry_after = 60.0


def limits() -> dict[str, str]:
    """The limits as texts name them."""
    return {
        "megabytes": f"{settings.UPLOAD_MAX_BYTES / _MEGA:g}",
        "pages": str(MOST_PAGES),
        "megapixels": f"{MOST_PIXELS / _MEGA:g}",
        "side": str(LEAST_SIDE),
        "kept": str(MOST_KEPT),
        "a_day": str(MOST_A_DAY),
        "note": str(LONGEST_NOTE),
    }
