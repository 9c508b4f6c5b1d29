"""Looking a person up, and what officers decide about what was found (ID-2).

Names are decrypted here, in process; neither they nor what a list says of them goes into logs, audit
rows or messages to the person, who must not be warned.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agora.lib.catalog import Text
from compliance import audit, four_eyes
from compliance.four_eyes import Refused
from compliance.models import Proposal
from kyc.cases.opening import ensure_open, hold_application, open_for_match
from kyc.models import Application, Screening, ScreeningEntry, ScreeningMatch
from kyc.screening.lists import active
from kyc.screening.lookup import Hit, source

REVIEW = "kyc.review_match"
DISMISS = "kyc.dismiss_match"
REOPEN = "kyc.reopen_match"
MATCH = "screening_match"
LONGEST_REASON = 1000
DECIDED: Text = _("This match is decided already: nothing was changed.")
MOST_WAITING = 50  # matches of one person; names made of common parts fit thousands
_DECISION = ("state", "reason", "decided_by", "decided_at")


class ScreeningError(Refused):
    """The decision is not possible and nothing was changed; `message` says what to do."""


def is_ready() -> bool:
    """Whether there is any list to look somebody up in."""
    return bool(source().loads())


def screen(
    *, application: Application, now: datetime, corrected: bool = False
) -> list[ScreeningMatch]:
    """Look the person up; store what is new and open a case for it. Returns what is new.

    Call it inside a transaction that holds the application's row: match, case and audit row are
    written with what it decides on. An entry that officers have dismissed is new again once its content
    has changed, once the person's number is found on it, or when what they dismissed it by was
    `corrected`. Beside MOST_WAITING that wait for officers, matches by name are only counted: that too
    stands against an approval.
    """
    loads = source().loads()
    if not loads:
        return []
    hits = source().find(
        name=application.full_name,
        number=application.tax_id,
        threshold=float(settings.SCREENING_THRESHOLD),
    )
    fresh, more = _store(application, hits, corrected, now)
    Screening.objects.update_or_create(
        application=application, defaults={"at": now, "loads": loads, "more": more}
    )
    if fresh:
        open_for_match(application=application, now=now)
    return fresh


def _store(
    application: Application, hits: list[Hit], corrected: bool, now: datetime
) -> tuple[list[ScreeningMatch], int]:
    """What is new, the best first; and how many there was no room for. A number always has room."""
    known = {
        (match.list_name, match.source_id, match.digest): match
        for match in ScreeningMatch.objects.filter(application=application)
    }
    room = MOST_WAITING - sum(one.state == ScreeningMatch.State.OPEN for one in known.values())
    fresh, more = [], 0
    for hit in hits:
        match = known.get((hit.list_name, hit.source_id, hit.digest))
        if match is not None:
            if _is_new_again(match, hit, corrected, now):
                fresh.append(match)
        elif room > 0 or hit.by_number:
            fresh.append(_stored(application, hit, now))
            room -= 1
        else:
            more += 1
    return fresh, more


def _stored(application: Application, hit: Hit, now: datetime) -> ScreeningMatch:
    match = ScreeningMatch(
        application=application,
        list_name=hit.list_name,
        source_id=hit.source_id,
        digest=hit.digest,
        entry=hit.entry,
        is_sanctioned=hit.is_sanctioned,
        found_at=now,
    )
    match.by, match.score = _likeness(hit)
    match.save(force_insert=True)
    _record(match, "screening.matched", audit.system("screening"), now)
    return match


def _likeness(hit: Hit) -> tuple[ScreeningMatch.By, Decimal]:
    """By what the person was found, and how alike they are."""
    by = ScreeningMatch.By.IDENTIFIER if hit.by_number else ScreeningMatch.By.NAME
    return by, Decimal(str(round(hit.score, 2)))


def _is_new_again(match: ScreeningMatch, hit: Hit, corrected: bool, now: datetime) -> bool:
    """Whether a match says more than when it was stored; it is open again if it was dismissed."""
    by_number = hit.by_number and match.by == ScreeningMatch.By.NAME
    dismissed = match.state == ScreeningMatch.State.DISMISSED
    if not by_number and not (dismissed and corrected):
        return False
    match.by, match.score = _likeness(hit)
    if dismissed:
        _undecide(match)
    match.save(update_fields=["by", "score", *_DECISION])
    _record(match, "screening.matched_again", audit.system("screening"), now)
    return True


def _undecide(match: ScreeningMatch) -> None:
    match.state, match.reason = ScreeningMatch.State.OPEN, ""
    match.decided_by = match.decided_at = None


def confirm(*, match_id: uuid.UUID, officer: User, reason: str, now: datetime) -> ScreeningMatch:
    """Say that it is the same person. What follows from it two people decide in the case.

    Without an open case one is opened, unless the person cannot buy anyway. Raises PermissionDenied,
    ScreeningMatch.DoesNotExist or ScreeningError.
    """
    return _decide(match_id, ScreeningMatch.State.CONFIRMED, officer, reason, now)


def dismiss(*, match_id: uuid.UUID, officer: User, reason: str, now: datetime) -> ScreeningMatch:
    """Say that it is somebody else. Raises as `confirm` does, and ScreeningError where it takes two."""
    return _decide(match_id, ScreeningMatch.State.DISMISSED, officer, reason, now)


def propose_dismissal(
    *, match_id: uuid.UUID, officer: User, reason: str, now: datetime
) -> Proposal:
    """Propose to dismiss a match that pauses buying: it goes on once a second person approves.

    Raises ScreeningMatch.DoesNotExist, PermissionDenied or four_eyes.Refused.
    """
    match = ScreeningMatch.objects.get(pk=match_id)
    return _propose(DISMISS, match, {"load": str(load_of(match))}, officer, reason, now)


def propose_reopening(
    *, match_id: uuid.UUID, officer: User, reason: str, now: datetime
) -> Proposal:
    """Propose to decide a decided match anew: it was a mistake, or more is known now.

    Raises ScreeningMatch.DoesNotExist, PermissionDenied or four_eyes.Refused.
    """
    match = ScreeningMatch.objects.get(pk=match_id)
    decided = {"state": match.state, "decided_at": str(match.decided_at)}
    return _propose(REOPEN, match, decided, officer, reason, now)


def _propose(
    kind: str,
    match: ScreeningMatch,
    payload: Mapping[str, object],
    officer: User,
    reason: str,
    now: datetime,
) -> Proposal:
    return four_eyes.propose(
        kind=kind,
        object_type=MATCH,
        object_id=match.pk,
        payload=payload,
        reason=reason,
        maker=officer,
        now=now,
    )


def open_proposal(match_id: uuid.UUID) -> Proposal | None:
    """What waits for a second person about the match."""
    return four_eyes.open_proposal(object_type=MATCH, object_id=match_id)


def end_with_account(*, user: User, now: datetime) -> None:
    """Close what is proposed on the user's matches, which stay as they are.

    Call it inside the transaction that closes the account, with the application's row held.
    """
    for match_id in ScreeningMatch.objects.filter(application__user=user).values_list(
        "pk", flat=True
    ):
        four_eyes.lapse(object_type=MATCH, object_id=match_id, now=now)


def load_of(match: ScreeningMatch) -> uuid.UUID | None:
    """The load that the match's list has now; None when it is not loaded here."""
    return active().filter(name=match.list_name).values_list("pk", flat=True).first()


def has_changed(match: ScreeningMatch, *, since: str) -> bool:
    """Whether the list, loaded again after the load `since`, says something else of the entry."""
    now = load_of(match)
    if str(now) == since:
        return False
    entries = ScreeningEntry.objects.filter(load=now, source_id=match.source_id)
    return entries.exclude(digest=match.digest).exists()


def reopen(*, match: ScreeningMatch, actor: str, now: datetime) -> None:
    """Let officers decide a match anew, in a case: nobody is approved until then.

    Call it inside a transaction that holds the rows of application and match.
    """
    _undecide(match)
    match.save(update_fields=_DECISION)
    _record(match, "screening.reopened", actor, now)
    open_for_match(application=match.application, now=now)


def held(match_id: uuid.UUID) -> ScreeningMatch:
    """The match, its row locked after its application's, as by every decision about the person.

    An approval sees what is decided about it, or waits for it. Raises ScreeningMatch.DoesNotExist.
    """
    hold_application(ScreeningMatch.objects.get(pk=match_id).application_id)
    rows = ScreeningMatch.objects.select_for_update(of=("self",)).select_related("application")
    return rows.get(pk=match_id)


def _decide(
    match_id: uuid.UUID,
    state: ScreeningMatch.State,
    officer: User,
    reason: str,
    now: datetime,
) -> ScreeningMatch:
    if not officer.has_perm(REVIEW):
        raise PermissionDenied
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON:
        raise ScreeningError("reason_missing", _("Say why, in at most 1,000 characters."))
    with transaction.atomic():
        match = held(match_id)
        _check(match, state, officer)
        settle(match=match, state=state, reason=text, decider=officer.pk, now=now)
        if state == ScreeningMatch.State.CONFIRMED:
            four_eyes.lapse(object_type=MATCH, object_id=match.pk, now=now)
            ensure_open(application=match.application, now=now)
    return match


def settle(
    *,
    match: ScreeningMatch,
    state: ScreeningMatch.State,
    reason: str,
    decider: uuid.UUID,
    now: datetime,
) -> None:
    """Store what was decided of an open match, and find what there was no room for beside it.

    Call it inside a transaction that holds the rows of application and match.
    """
    match.state, match.reason = state, reason
    match.decided_by_id, match.decided_at = decider, now
    match.save(update_fields=_DECISION)
    _record(match, f"screening.{state.lower()}", f"user:{decider}", now)
    person = match.application
    waiting = ScreeningMatch.objects.filter(application=person, state=ScreeningMatch.State.OPEN)
    more = Screening.objects.filter(application=person, more__gt=0)
    if more.exists() and person.user.is_active and not waiting.exists():
        screen(application=person, now=now)


def _check(match: ScreeningMatch, state: ScreeningMatch.State, officer: User) -> None:
    if match.application.user_id == officer.pk:
        raise ScreeningError("own_case", _("This is about you: a colleague has to decide."))
    if match.state != ScreeningMatch.State.OPEN:
        raise ScreeningError("decided", DECIDED)
    if state == ScreeningMatch.State.DISMISSED and match.holds:
        raise ScreeningError(
            "takes_two", _("This match pauses buying: two people end it. Propose to dismiss it.")
        )


def _record(match: ScreeningMatch, action: str, actor: str, now: datetime) -> None:
    """Neither the person's name nor the entry's id: who reads the trail need not know of whom."""
    audit.record(
        actor=actor,
        action=action,
        object_type="kyc_application",
        object_id=str(match.application_id),
        evidence={
            "match": str(match.pk),
            "list": match.list_name,
            "by": match.by,
            "state": match.state,
        },
        now=now,
    )
