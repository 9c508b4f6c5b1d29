"""What people agree to, and the record of who did (LGPD art. 8 and 11).

A consent names the hash of the very text; the text itself is kept beside it, so that it can be shown
for ever, however the text in force changes.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_noop

from accounts import locks
from accounts.models import User
from compliance import audit
from kyc.models import Consent, ConsentText


@dataclass(frozen=True)
class Terms:
    """A text in force. `text` is English: it is what is hashed; translations are offered beside it."""

    document: str
    version: str
    text: str

    @property
    def sha256(self) -> str:
        """SHA-256 of the text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


# A test compares what the texts call encrypted with the columns that are.
ACCOUNT = Terms(
    document="account",
    version="2026-11.2",
    text=gettext_noop(
        "I ask Agora to open a tier 1 account for me. I agree that Agora stores my name, tax id, e-mail "
        "address, country and wallet address, to check who I am, to keep to my daily limit and to meet "
        "its legal duties of record keeping. My name and tax id are stored encrypted, under a key of my "
        "own. My e-mail address, country and wallet address are stored readable; the wallet address "
        "can be seen by everybody on the chain. I may ask for a copy, a correction or the erasure of my "
        "data, as far as the law allows. I understand that this is a test service: shares are bought "
        "in a paper account, tokens are minted on a test network, and neither has any monetary value."
    ),
)
# A photo of a face may count as sensitive data, which needs a consent of its own (LGPD art. 11 I).
VERIFICATION = Terms(
    document="verification",
    version="2026-11.2",
    text=gettext_noop(
        "I agree that Agora stores the identity documents, the proof of address and the photo of my "
        "face that I upload, only to check who I am before it grants a higher tier or keeps one, and to "
        "meet its legal duties of record keeping. People compare them; no program recognises my face. "
        "Their pages are stored encrypted, under a key of my own. Only officers who review me, or who "
        "supervise such reviews, open them, and each time they do is recorded and shown to me. I may take "
        "back a document until it has been reviewed, and ask for the erasure of the others, as far as the "
        "law allows."
    ),
)


def has_agreed(*, user: User, terms: Terms) -> bool:
    """Whether the user agreed to this very text, and did not withdraw that."""
    return Consent.objects.filter(user=user, text_id=terms.sha256, withdrawn_at=None).exists()


def has_changed(*, user: User, terms: Terms) -> bool:
    """Whether the user agreed to another version only: they are asked anew, and told why."""
    agreed = Consent.objects.filter(
        user=user, text__document=terms.document, withdrawn_at=None
    ).values_list("text_id", flat=True)
    return bool(agreed) and terms.sha256 not in agreed


def record(*, user: User, terms: Terms, language: str, now: datetime) -> Consent:
    """Record that the user agreed to the text in force, on its own; a repeat changes nothing.

    `language` is the one that it was offered in. Holds the user's row. Raises AccountClosed.
    """
    with transaction.atomic():
        locks.open_account(user.pk)
        found = Consent.objects.filter(user=user, text_id=terms.sha256, withdrawn_at=None).first()
        if found is not None:
            return found
        consent = agree(user=user, terms=terms, language=language, now=now)
        audit.record(
            actor=audit.actor_of(user),
            action="consent.given",
            object_type="user",
            object_id=str(user.pk),
            evidence={
                "document": terms.document,
                "version": terms.version,
                "sha256": terms.sha256,
                "language": language,
            },
            now=now,
        )
    return consent


def agree(*, user: User, terms: Terms, language: str, now: datetime) -> Consent:
    """Record that the user agreed to the text in force, which was offered in `language`.

    Call it inside the transaction of what the consent allows. Locks nothing.
    """
    text = ConsentText(
        sha256=terms.sha256, document=terms.document, version=terms.version, text=terms.text
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
