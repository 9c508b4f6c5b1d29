"""The consent text, and the record of who agreed to it (LGPD art. 8).

A consent names the hash of the very text; the text itself is kept beside it, so that it can be shown
for ever, however the text in force changes.
"""

import hashlib
from datetime import datetime

from django.utils.translation import gettext_noop

from accounts.models import User
from kyc.models import Consent, ConsentText

ACCOUNT = "account"
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


def agree(*, user: User, language: str, now: datetime) -> Consent:
    """Record that the user agreed to the text in force, which was offered in `language`.

    Call it inside the transaction of what the consent allows. Locks nothing.
    """
    text = ConsentText(
        sha256=consent_hash(), document=ACCOUNT, version=CONSENT_VERSION, text=CONSENT_TEXT
    )
    # The first person to agree stores the text; somebody else may do so at the same moment.
    ConsentText.objects.bulk_create([text], ignore_conflicts=True)
    return Consent.objects.create(
        user=user, text_id=text.sha256, language=language, accepted_at=now
    )


def withdraw_all(*, user: User, now: datetime) -> int:
    """Note that the user's consents no longer hold; how many did. Call it inside a transaction.

    An account stands on its consent, so this comes with closing the account (ADR 0012).
    """
    return Consent.objects.filter(user=user, withdrawn_at=None).update(withdrawn_at=now)
