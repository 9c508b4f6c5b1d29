"""What every action on a case shares: its row held and checked, its event, its audit row."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.keys import key_for
from accounts.models import User
from agora.lib import crypto
from compliance import audit
from compliance.four_eyes import Refused
from kyc.models import Case, CaseEvent
from kyc.selectors import may_join
from kyc.states import CLOSED, MOVES, State

WORK = "kyc.work_case"
ASSIGN = "kyc.assign_case"
LONGEST_TEXT = 2000


class CaseError(Refused):
    """The action is not possible now and nothing was changed; `message` says what to do."""


def need(officer: User, permission: str) -> None:
    """Raise PermissionDenied unless the officer has the permission."""
    if not officer.has_perm(permission):
        raise PermissionDenied


@contextmanager
def acting(
    *, case_id: uuid.UUID, officer: User, version: int | None, now: datetime
) -> Iterator[Case]:
    """The case, held for one action of an officer, and stored when the action is over.

    Raises Case.DoesNotExist, PermissionDenied, or CaseError: own case, closed, changed since
    `version`, reviewed by somebody else, or escalated to others.
    """
    need(officer, WORK)
    with transaction.atomic():
        case = hold(case_id)
        _check_person(case, officer)
        _check_fresh(case, officer, version, now)
        yield case
        store(case)


def hold(case_id: uuid.UUID) -> Case:
    """The case as stored, its row locked until the transaction ends; nothing joined, see there.

    Raises Case.DoesNotExist.
    """
    return Case.objects.select_for_update(no_key=True).get(pk=case_id)


def _check_person(case: Case, officer: User) -> None:
    if case.application.user_id == officer.pk:
        raise CaseError("own_case", _("This is your own case: a colleague has to work on it."))
    check_group(case, officer)


def check_group(case: Case, officer: User) -> None:
    """Raise CaseError when the case was escalated to a group that the officer is not in."""
    if not may_join(case, officer):
        raise CaseError(
            "other_group", _("This case was escalated to a group that you do not belong to.")
        )


def _check_fresh(case: Case, officer: User, version: int | None, now: datetime) -> None:
    if case.state in CLOSED:
        raise CaseError("closed", _("This case is decided already: nothing was changed."))
    holder = case.lock_holder(now)
    if holder not in (None, officer.pk) and not officer.has_perm(ASSIGN):
        raise _locked(case)
    if version is not None and version != case.version:
        raise CaseError(
            "stale", _("This case was changed since you opened it. Look at it again, then repeat.")
        )


def _locked(case: Case) -> CaseError:
    told = {"who": case.locked_by, "time": f"{case.lock_until:%H:%M}"}
    words = _("%(who)s is reviewing this case, until %(time)s UTC if they go on no longer.") % told
    return CaseError("locked", words)


def check_reviewing(case: Case, officer: User, now: datetime) -> datetime:
    """Renew the lock of who is reviewing the case, and say until when; CaseError for others."""
    if case.state != State.UNDER_REVIEW or case.assigned_to_id != officer.pk:
        raise CaseError("not_reviewing", _("Take the case first; then you can do this."))
    if case.lock_holder(now) not in (None, officer.pk):
        raise _locked(case)
    return lock(case, officer, now)


def lock(case: Case, officer: User, now: datetime) -> datetime:
    """Keep others off the case for KYC_LOCK_SECONDS; until when."""
    until = now + timedelta(seconds=settings.KYC_LOCK_SECONDS)
    case.locked_by, case.lock_until = officer, until
    return until


def unlock(case: Case) -> None:
    """Let others act on the case."""
    case.locked_by = case.lock_until = None


def due(now: datetime) -> datetime:
    """When somebody has to have looked at what enters the queue now."""
    return now + timedelta(hours=settings.KYC_SLA_HOURS)


def store(case: Case) -> None:
    """Write a changed case; its version grows."""
    case.version += 1
    case.save()


def move(case: Case, state: State) -> None:
    """Change the state; raises CaseError for a move that is not in the table."""
    if state not in MOVES.followers(case.state):
        raise CaseError("not_now", _("This cannot be done with the case as it stands now."))
    case.state = state


def write(
    case: Case,
    kind: CaseEvent.Kind,
    *,
    by: User | None,
    now: datetime,
    text: str = "",
    for_person: bool = False,
    **facts: object,
) -> CaseEvent:
    """Add an event and its audit row; the text goes into the event only, sealed."""
    event = CaseEvent(case=case, kind=kind, at=now, by=by, for_person=for_person, facts=facts)
    if text:
        event.text_encrypted = crypto.encrypt(
            text, **_place(event), key=key_for(case.application.user_id)
        )
    event.save(force_insert=True)
    # A person reads their own rows: how far officers are with a match must not be told to them.
    by_person = by is not None and by.pk == case.application.user_id
    audit.record(
        actor=audit.actor_of(by) if by else audit.system("kyc"),
        action=f"kyc.case.{kind.lower()}",
        object_type="kyc_case",
        object_id=str(case.pk),
        evidence={
            "application": str(case.application_id),
            **({} if by_person else {"state": case.state}),
            "event": str(event.uid),
            **facts,
        },
        now=now,
    )
    return event


def text_of(event: CaseEvent, *, key: crypto.DataKey | None = None) -> str:
    """What was written, or an empty text; raises crypto.Shredded after the person's erasure.

    `key` is the person's: who reads many texts asks for it once.
    """
    if event.text_encrypted is None:
        return ""
    opener = key or key_for(event.case.application.user_id)
    return crypto.decrypt(bytes(event.text_encrypted), **_place(event), key=opener)


def _place(event: CaseEvent) -> dict[str, str]:
    return {"table": "kyc_caseevent", "column": "text", "row": str(event.uid)}


def words(text: str, *, needed: bool = True) -> str:
    """A text as it is kept; raises CaseError when it is missing or too long."""
    stripped = text.strip()
    if needed and not stripped:
        raise CaseError("text_missing", _("Write a text first."))
    if len(stripped) > LONGEST_TEXT:
        raise CaseError("text_too_long", _("The text may have at most 2,000 characters."))
    return stripped
