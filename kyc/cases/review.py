"""What an officer does with a case they are reviewing, short of the decision."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.staff import holders_of
from kyc import documents
from kyc.cases import news
from kyc.cases.needs import Need
from kyc.cases.record import (
    CaseError,
    acting,
    check_reviewing,
    due,
    move,
    need,
    unlock,
    words,
    write,
)
from kyc.cases.requirements import CHECKS, requirements
from kyc.models import Case, CaseEvent
from kyc.states import State


def note(*, case_id: uuid.UUID, officer: User, text: str, version: int, now: datetime) -> Case:
    """Add a note that only officers read. Raises as `acting` does, or CaseError for the text."""
    with acting(case_id=case_id, officer=officer, version=version, now=now) as case:
        write(case, CaseEvent.Kind.NOTED, by=officer, now=now, text=words(text))
    return case


def check(*, case_id: uuid.UUID, officer: User, code: str, version: int, now: datetime) -> Case:
    """Note that one of the required actions is done.

    Raises as `acting` does, or CaseError: not reviewing, or nothing to look at yet.
    """
    with acting(case_id=case_id, officer=officer, version=version, now=now) as case:
        check_reviewing(case, officer, now)
        needed = {item.code: item for item in requirements(case)}.get(code)
        if needed is None or code not in CHECKS:
            raise CaseError("unknown_check", _("This is not among the required actions."))
        if not needed.possible:
            raise CaseError("nothing_there", _("There is nothing to look at yet. Ask the person."))
        case.checks.update_or_create(code=code, defaults={"done_by": officer, "done_at": now})
        write(case, CaseEvent.Kind.CHECKED, by=officer, now=now, check=code)
    return case


def judge_document(
    *,
    case_id: uuid.UUID,
    officer: User,
    document_id: uuid.UUID,
    accept: bool,
    reason: str = "",
    text: str = "",
    version: int,
    now: datetime,
) -> Case:
    """Accept or reject one of the person's documents, as part of the review.

    A rejected one needs a reason (Document.Reason), and `text` is for the person. Raises as `acting`
    does, PermissionDenied without `kyc.review_document`, or CaseError: not reviewing, not a document
    of this person, decided already, or no reason.
    """
    need(officer, "kyc.review_document")
    with acting(case_id=case_id, officer=officer, version=version, now=now) as case:
        check_reviewing(case, officer, now)
        if not case.application.documents.filter(pk=document_id).exists():
            raise CaseError("no_such_document", _("This person has no such document."))
        try:
            document = (
                documents.accept(document_id=document_id, officer=officer, within=case_id, now=now)
                if accept
                else documents.reject(
                    document_id=document_id,
                    officer=officer,
                    reason=reason,
                    note=text,
                    within=case_id,
                    now=now,
                )
            )
        except documents.DocumentRefused as refusal:
            raise CaseError(refusal.code, refusal.message) from refusal
        write(
            case,
            CaseEvent.Kind.CHECKED,
            by=officer,
            now=now,
            document=str(document.pk),
            document_state=document.state,
        )
    return case


def ask(
    *,
    case_id: uuid.UUID,
    officer: User,
    needs: Sequence[str],
    text: str,
    version: int,
    now: datetime,
) -> Case:
    """Ask the person for more, and tell them; the case waits for them and stays the officer's.

    `text` is shown to the person. Raises as `acting` does, or CaseError: not reviewing, or nothing
    asked.
    """
    with acting(case_id=case_id, officer=officer, version=version, now=now) as case:
        check_reviewing(case, officer, now)
        asked = [one.value for one in Need if one in needs]
        if not asked:
            raise CaseError("nothing_asked", _("Say what the person should hand in."))
        move(case, State.INFO_REQUESTED)
        case.needs = asked
        case.asked_at, case.reminded_at, case.is_unanswered = now, None, False
        unlock(case)
        write(
            case,
            CaseEvent.Kind.ASKED,
            by=officer,
            now=now,
            text=words(text),
            for_person=True,
            needs=asked,
        )
        news.asked(case, now=now)
    return case


def escalate(
    *, case_id: uuid.UUID, officer: User, group: Group, text: str, version: int, now: datetime
) -> Case:
    """Hand the case to another group of officers, with the reason; only they work on it then.

    Raises as `acting` does, or CaseError: not reviewing, or a group that works on no cases.
    """
    with acting(case_id=case_id, officer=officer, version=version, now=now) as case:
        check_reviewing(case, officer, now)
        if not groups_for_cases().filter(pk=group.pk).exists():
            raise CaseError("no_such_group", _("Nobody in this group works on cases."))
        move(case, State.ESCALATED)
        case.group, case.assigned_to = group, None
        case.due_at = min(case.due_at, due(now))
        unlock(case)
        write(
            case, CaseEvent.Kind.ESCALATED, by=officer, now=now, text=words(text), group=group.name
        )
        news.escalated(case, group=group, by=officer, now=now)
    return case


def groups_for_cases() -> QuerySet[Group]:
    """Groups of officers that may work on cases."""
    return Group.objects.filter(
        permissions__codename="work_case", permissions__content_type__app_label="kyc"
    ).order_by("name")


def officers_for_cases() -> QuerySet[User]:
    """Active officers who may work on cases, by e-mail address."""
    return holders_of("kyc.work_case").order_by("email")
