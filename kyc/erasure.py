"""Closing and forgetting a person: no more orders, and in the end no name (ADR 0012)."""

import os
from datetime import date, datetime
from uuid import UUID

from accounts import keys
from accounts.models import User
from compliance import four_eyes
from kyc import cases, corrections, documents, limits
from kyc.cases.deciding import APPLICATION
from kyc.consent import withdraw_all
from kyc.models import Application, DailyLimit, ScreeningMatch
from kyc.screening import matching


def has_records(user: User) -> bool:
    """Whether the law has Agora keep who this is: anybody who has applied, accepted or not."""
    return Application.objects.filter(user=user).exists()


def hold(*, user: User) -> None:
    """Wait for an order that is just being placed and let no other be, until the transaction ends.

    Locks the application's row, then those of its open case and correction, then the counter, as
    decisions about the person do. Call it before the user's row is locked: who works on a case tells
    the person, for which their own commit waits for that row.
    """
    Application.objects.select_for_update(no_key=True).filter(user=user).first()
    cases.hold_open(user=user)
    corrections.hold_open(user=user)
    limits.hold(user=user)


def close(*, user: User, now: datetime) -> None:
    """Let the user order nothing more, for ever; end their open case, what is proposed, their consents.

    Call it inside the transaction that holds the person's counter (`hold`).
    """
    # A counter that stands on a later day takes no reservation any more (kyc.limits.reserve).
    DailyLimit.objects.filter(application__user=user).update(day=date.max)
    cases.end_with_account(user=user, now=now)
    corrections.end_with_account(user=user, now=now)
    matching.end_with_account(user=user, now=now)
    for application in Application.objects.filter(user=user):
        four_eyes.lapse(object_type=APPLICATION, object_id=application.pk, now=now)
    withdraw_all(user=user, now=now)


def forget(*, user_id: UUID, now: datetime) -> None:
    """Destroy the person's key and all that was sealed under it. Call it inside a transaction.

    The blind index of the tax id gives way to random bytes, so the person may come back as a new one.
    """
    for application in Application.objects.select_for_update().filter(user_id=user_id):
        application.full_name_encrypted = application.tax_id_encrypted = b""
        application.tax_id_index = os.urandom(32)
        application.save(update_fields=["full_name_encrypted", "tax_id_encrypted", "tax_id_index"])
        _forget_matches(application)
    documents.erase(user_id=user_id, now=now)
    keys.shred(user_id=user_id, now=now)


def _forget_matches(application: Application) -> None:
    """A list's entry says in clear who somebody was, and so may an officer's reason.

    That there was a match, when, and what was decided by whom, stays.
    """
    for match in ScreeningMatch.objects.filter(application=application):
        match.entry, match.source_id, match.digest = {}, "", match.pk.hex
        match.reason = match.reason and "–"
        match.save(update_fields=["entry", "source_id", "digest", "reason"])
