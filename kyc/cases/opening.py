"""How a case begins."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from kyc.cases.record import WORK, CaseError, due, hold, move, need, store, words, write
from kyc.models import Application, Case, CaseEvent, Tier
from kyc.states import State


def open_for_match(*, application: Application, now: datetime) -> Case | None:
    """Have officers look at a new match on a list; the case, or None where nothing would follow.

    Nothing follows for a rejected person and for a closed account: the match alone is kept.

    Call it inside the transaction that stores the match. An open case is told of it; otherwise one
    is opened: of a pending application to approve it at all, of an approved one to see whether it
    may stay so, which goes on buying until two people decide. Holds the application's row, so that
    no approval that has not seen the match goes through at the same time.
    """
    person = hold_application(application.pk)
    if person.status == Application.Status.REJECTED or not person.user.is_active:
        return None
    found = Case.objects.filter(application=person, closed_at=None).values_list("pk", flat=True)
    if found:
        return _matched(hold(found[0]), now)
    return _open_about_lists(person, now)


def ensure_open(*, application: Application, now: datetime) -> Case | None:
    """See to it that two people decide what a match means: open a case unless there is one.

    None when there is one, or when the person cannot buy anyway: rejected, suspended, or their account
    closed. Call it inside the transaction that leaves the match as it is. Holds the application's row.
    """
    person = hold_application(application.pk)
    may_buy = person.status in (Application.Status.PENDING, Application.Status.APPROVED)
    if not may_buy or not person.user.is_active:
        return None
    if Case.objects.filter(application=person, closed_at=None).exists():
        return None
    return _open_about_lists(person, now)


def _open_about_lists(person: Application, now: datetime) -> Case:
    cause = _cause(person, Case.Cause.SCREENING)
    return open_case(application=person, cause=cause, tier=person.tier, by=None, now=now)


def _cause(person: Application, otherwise: Case.Cause) -> Case.Cause:
    """Who waits to be approved at all has asked for that, and is told what comes of it."""
    return Case.Cause.ONBOARDING if person.status == Application.Status.PENDING else otherwise


def open_for_officer(
    *, application: Application, officer: User, reason: str, now: datetime
) -> Case:
    """Have a person looked at whom nobody else has asked to be: the new case, for the queue.

    The person goes on as before, and does not learn of it unless officers need something from them. Who
    still waits for their first approval is told what two people decide.
    Raises PermissionDenied, or CaseError: oneself, no reason, a case that is open already, a closed
    account, or a rejected person. Holds the application's row.
    """
    need(officer, WORK)
    with transaction.atomic():
        person = hold_application(application.pk)
        if person.user_id == officer.pk:
            raise CaseError("own_case", _("This is about you: a colleague has to do it."))
        if not person.user.is_active:
            raise CaseError(
                "account_closed", _("This account is closed: there is nothing to review.")
            )
        if person.status == Application.Status.REJECTED:
            raise CaseError("rejected", _("This person was rejected: they have to apply again."))
        if Case.objects.filter(application=person, closed_at=None).exists():
            raise CaseError("open_already", _("This person has an open case. Work on that one."))
        return open_case(
            application=person,
            cause=_cause(person, Case.Cause.OFFICER),
            tier=person.tier,
            by=officer,
            text=words(reason),
            now=now,
        )


def _matched(case: Case, now: datetime) -> Case:
    if case.state == State.INFO_REQUESTED:
        move(case, State.PENDING)
        case.queued_at = now
    case.due_at = min(case.due_at, due(now))
    write(case, CaseEvent.Kind.MATCHED, by=None, now=now)
    store(case)
    return case


def hold_application(application_id: UUID) -> Application:
    """The application as stored, its row locked until the transaction ends.

    Joined rows would be those of before the wait, so user and tier are read only when asked for.
    """
    return Application.objects.select_for_update(no_key=True).get(pk=application_id)


def hold_open_account(application_id: UUID) -> Application:
    """As `hold_application`; raises CaseError for a closed account, on which nothing is decided any more."""
    application = hold_application(application_id)
    if not application.user.is_active:
        raise CaseError("account_closed", _("This account is closed."))
    return application


def open_case(
    *,
    application: Application,
    cause: Case.Cause,
    tier: Tier,
    by: User | None,
    text: str = "",
    now: datetime,
) -> Case:
    """Store a new case, waiting for an officer; the application's row is held by the caller.

    `text` is for officers.
    """
    case = Case(
        application=application,
        cause=cause,
        tier=tier,
        opened_at=now,
        queued_at=now,
        due_at=due(now),
    )
    case.save(force_insert=True)
    write(case, CaseEvent.Kind.OPENED, by=by, now=now, text=text, cause=cause, tier=tier.number)
    return case
