"""What a person may be asked for, in words for them."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Need(models.TextChoices):
    """A document by its kind (kyc.models.Document.Kind), or an answer in words."""

    IDENTITY = "IDENTITY", _("Your identity document")
    ADDRESS = "ADDRESS", _("A proof of your address")
    SELFIE = "SELFIE", _("A photo of yourself")
    ANSWER = "ANSWER", _("An answer in your own words")


DOCUMENTS = (Need.IDENTITY, Need.ADDRESS, Need.SELFIE)
HINTS = {
    Need.IDENTITY: _("Identity card, front and back, or passport: all of it and easy to read."),
    Need.ADDRESS: _("A bill, bank statement or tax letter with your name, at most 3 months old."),
    Need.SELFIE: _("Your face from the front, in good light, taken now."),
    Need.ANSWER: _("Write it into the field below."),
}
