"""Tax ids of Brazil and Paraguay: normal form and checksum, with guards stdnum lacks.

A valid checksum does not say that the number exists or belongs to the person.
"""

import re

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from stdnum.br import cpf
from stdnum.exceptions import ValidationError as NumberError
from stdnum.py import ruc

from agora.lib import crypto
from agora.lib.catalog import Text

TAKEN: Text = _("An account with this tax id exists already. Sign in to that account.")
# A leading zero changes neither the number nor its check digit: refused, or one person had two.
_RUC = re.compile(r"[1-9]\d{4,7}\d")


class InvalidTaxId(ValueError):
    """The number is not a CPF or RUC; `reason` says so in the user's language."""

    def __init__(self, reason: "str | Promise") -> None:
        super().__init__(str(reason))
        self.reason = reason


def clean_tax_id(*, country: str, text: str) -> str:
    """Digits of a valid CPF (BR) or RUC (PY); raises InvalidTaxId.

    stdnum accepts a CPF of eleven equal digits and a RUC of one digit; both are refused here.
    """
    if country == "BR":
        return _clean_cpf(text)
    if country == "PY":
        return _clean_ruc(text)
    raise InvalidTaxId(_("Choose Brazil or Paraguay first."))


def _clean_cpf(text: str) -> str:
    try:
        digits = str(cpf.validate(text))
    except NumberError as error:
        raise InvalidTaxId(
            _("This is not a valid CPF. Check its 11 digits, for example 000.000.000-00.")
        ) from error
    if len(set(digits)) == 1:
        raise InvalidTaxId(_("A CPF of eleven equal digits is never issued."))
    return digits


def _clean_ruc(text: str) -> str:
    try:
        digits = str(ruc.validate(text))
    except NumberError as error:
        raise InvalidTaxId(
            _("This is not a valid RUC. Enter 5 to 8 digits, a hyphen and the check digit.")
        ) from error
    if not _RUC.fullmatch(digits):
        raise InvalidTaxId(_("A RUC has 5 to 8 digits and one check digit."))
    return digits


def index_of(*, country: str, number: str) -> bytes:
    """The blind index by which a tax id, as `clean_tax_id` gives it, is found and kept unique."""
    return crypto.blind_index(f"{country}:{number}", purpose="tax id")
