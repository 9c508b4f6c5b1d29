"""A person's full name: its normal form, and what cannot be one."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from kyc.screening import names

MOST_PARTS = 20  # the name of Pedro II, one of the longest there were, has 15


class InvalidName(ValueError):
    """This is no full name; `reason` says so in the user's language."""

    def __init__(self, reason: "str | Promise") -> None:
        super().__init__(str(reason))
        self.reason = reason


def clean_full_name(text: str) -> str:
    """The name with single spaces, 3 to 120 characters; raises InvalidName.

    One of many parts, particles not counted, would be found like everybody whose parts are among them.
    """
    name = " ".join(text.split())
    if not 3 <= len(name) <= 120 or not any(c.isalpha() for c in name) or not name.isprintable():
        raise InvalidName(_("Enter your full name as on your document, 3 to 120 characters."))
    if max((len(form.split()) for form in names.given(name)), default=0) > MOST_PARTS:
        raise InvalidName(
            _(
                "Enter your name as on your document, without nicknames: it has more than %(most)d parts."
            )
            % {"most": MOST_PARTS}
        )
    return name
