"""The consent text; its version and hash are stored with each consent (LGPD art. 8)."""

import hashlib

from django.utils.translation import gettext_noop

CONSENT_VERSION = "2026-11"

# The stored hash is of this English text; translations are offered beside it, not instead of it.
CONSENT_TEXT = gettext_noop(
    "I ask Agora to open a tier 1 account for me. I agree that Agora stores my name, e-mail address, "
    "country, tax id and wallet address, encrypted, to check who I am, to keep to my daily limit and "
    "to meet its legal duties of record keeping. I may ask for a copy, a correction or the erasure of "
    "my data, as far as the law allows. I understand that this is a test service: shares are bought "
    "in a paper account, tokens are minted on a test network, and neither has any monetary value."
)


def consent_hash() -> str:
    """SHA-256 of the consent text in force, in hex."""
    return hashlib.sha256(CONSENT_TEXT.encode()).hexdigest()
