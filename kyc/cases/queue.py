"""The queue: which case is next, who works on it, who keeps others off it."""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from kyc.cases.record import (
    ASSIGN,
    WORK,
    CaseError,
    acting,
    check_reviewing,
    hold,
    lock,
    move,
    need,
    store,
    unlock,
    write,
)
from kyc.models import Case, CaseEvent
from kyc.selectors import may_join
from kyc.states import NO_CLOCK, State

_WAITING = [State.PENDING, State.ESCALATED]


def overdue(now: datetime) -> Q:
    """Open cases past their due time, wherever they are counted; not those that wait for the person."""
    return Q(due_at__lte=now) & ~Q(state__in=NO_CLOCK)


def urgency(case: Case, now: datetime) -> str:
    """How a case stands to its due time: overdue, soon, in_time; empty while its clock stands still."""
    if case.state in NO_CLOCK:
        return ""
    left = case.due_at - now
    if left <= timedelta(0):
        return "overdue"
    return "soon" if left <= timedelta(hours=settings.KYC_SLA_HOURS) / 4 else "in_time"


def waiting_for(*, officer: User, now: datetime) -> QuerySet[Case]:
    """Open cases that the officer may take next: theirs or nobody's, for all or for their groups."""
    free = Q(lock_until=None) | Q(lock_until__lte=now) | Q(locked_by=officer)
    theirs = Q(assigned_to=None) | Q(assigned_to=officer)
    cases = Case.objects.filter(free, theirs, state__in=_WAITING)
    if not officer.is_superuser:
        groups = officer.groups.values_list("pk", flat=True)
        cases = cases.filter(Q(group=None) | Q(group__in=groups))
    return cases.exclude(application__user=officer).order_by("due_at", "id")


def take_next(*, officer: User, now: datetime) -> Case | None:
    """Take the case that is due first; None when nothing waits for this officer.

    Cases that another officer is just taking are passed over, so two never get the same one. Raises
    PermissionDenied.
    """
    need(officer, WORK)
    with transaction.atomic():
        free = waiting_for(officer=officer, now=now)
        found = free.select_for_update(skip_locked=True, no_key=True, of=("self",)).first()
        if found is None:
            return None
        case = hold(found.pk)
        _begin(case, officer, now)
        store(case)
        return case


def take(*, case_id: uuid.UUID, officer: User, version: int, now: datetime) -> Case:
    """Take this case and review it. Raises as `acting` does, or CaseError: assigned to another."""
    with acting(case_id=case_id, officer=officer, version=version, now=now) as case:
        others = case.assigned_to_id not in (None, officer.pk)
        if others and not officer.has_perm(ASSIGN):
            raise CaseError("assigned", _("This case is assigned to somebody else."))
        _begin(case, officer, now)
    return case


def _begin(case: Case, officer: User, now: datetime) -> None:
    before = case.state
    if before != State.UNDER_REVIEW:
        move(case, State.UNDER_REVIEW)
    case.assigned_to = officer
    case.first_look_at = case.first_look_at or now
    lock(case, officer, now)
    write(case, CaseEvent.Kind.TAKEN, by=officer, now=now, before=before)


def keep_lock(*, case_id: uuid.UUID, officer: User, now: datetime) -> datetime:
    """Renew the lock of the case that the officer is reviewing; until when it holds.

    Changes nothing else, so no version, event or audit row. Raises Case.DoesNotExist,
    PermissionDenied, or CaseError when the lock was lost.
    """
    need(officer, WORK)
    with transaction.atomic():
        case = hold(case_id)
        until = check_reviewing(case, officer, now)
        case.save(update_fields=["locked_by", "lock_until"])
    return until


def release(*, case_id: uuid.UUID, officer: User, version: int, now: datetime) -> Case:
    """Put the case back into the queue, for anybody. Its due time stays. Raises as `acting` does."""
    with acting(case_id=case_id, officer=officer, version=version, now=now) as case:
        if not officer.has_perm(ASSIGN):
            check_reviewing(case, officer, now)
        move(case, State.PENDING)
        case.assigned_to = None
        unlock(case)
        write(case, CaseEvent.Kind.RELEASED, by=officer, now=now)
    return case


def assign(*, case_id: uuid.UUID, officer: User, to: User, version: int, now: datetime) -> Case:
    """Give the case to an officer, whoever has it now; a review going on ends.

    Raises as `acting` does, PermissionDenied without `kyc.assign_case`, or CaseError when `to` may
    not work on it.
    """
    need(officer, ASSIGN)
    with acting(case_id=case_id, officer=officer, version=version, now=now) as case:
        own = case.application.user_id == to.pk
        if own or not to.is_active or not to.has_perm(WORK) or not may_join(case, to):
            raise CaseError("not_theirs", _("This officer may not work on this case."))
        if case.state == State.AWAITING_SECOND:
            raise CaseError("not_now", _("A decision is proposed: it has to be taken first."))
        if case.state == State.UNDER_REVIEW:
            move(case, State.PENDING)
        case.assigned_to = to
        unlock(case)
        write(case, CaseEvent.Kind.ASSIGNED, by=officer, now=now, to=str(to.pk))
    return case
