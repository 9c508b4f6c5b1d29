"""Decisions on cases and persons: an officer proposes, a second person decides (kyc.decisions)."""

import uuid
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from compliance import four_eyes
from compliance.models import Proposal
from kyc.cases.opening import hold_application
from kyc.cases.record import CaseError, acting, check_reviewing, hold, move, unlock, words, write
from kyc.models import Application, Case, CaseEvent
from kyc.states import BAD_OUTCOMES, GOOD_OUTCOMES, State

APPROVE = "kyc.approve"
REJECT = "kyc.reject"
SUSPEND = "kyc.suspend"
REINSTATE = "kyc.reinstate"
CASE = "kyc_case"
APPLICATION = "kyc_application"


def propose_approval(
    *,
    case_id: uuid.UUID,
    officer: User,
    outcome: str,
    reason: str,
    version: int,
    now: datetime,
) -> Proposal:
    """Propose to approve the case; a second person decides.

    Raises as `acting` does, or CaseError: not reviewing, required actions open, or an outcome that
    does not go with an approval.
    """
    if outcome not in GOOD_OUTCOMES:
        raise CaseError("outcome_wrong", _("Choose what the review found."))
    return _propose(APPROVE, case_id, officer, outcome, reason, "", version, now)


def propose_rejection(
    *,
    case_id: uuid.UUID,
    officer: User,
    outcome: str,
    reason: str,
    text: str,
    version: int,
    now: datetime,
) -> Proposal:
    """Propose to reject the case: `reason` is for officers, `text` is shown to the person.

    Raises as `acting` does, or CaseError: not reviewing, no text, or an outcome that does not go
    with a rejection.
    """
    if outcome not in BAD_OUTCOMES:
        raise CaseError("outcome_wrong", _("Choose what the review found."))
    return _propose(REJECT, case_id, officer, outcome, reason, words(text), version, now)


def _propose(
    kind: str,
    case_id: uuid.UUID,
    officer: User,
    outcome: str,
    reason: str,
    text: str,
    version: int,
    now: datetime,
) -> Proposal:
    with transaction.atomic():
        # Before the case's, as everywhere: the check of the proposal asks for it.
        hold_application(Case.objects.get(pk=case_id).application_id)
        with acting(case_id=case_id, officer=officer, version=version, now=now) as case:
            check_reviewing(case, officer, now)
            move(case, State.AWAITING_SECOND)
            event = write(
                case,
                CaseEvent.Kind.PROPOSED,
                by=officer,
                now=now,
                text=text,
                outcome=outcome,
                decision=kind,
            )
            proposal = four_eyes.propose(
                kind=kind,
                object_type=CASE,
                object_id=case.pk,
                payload={"outcome": outcome, "tier": case.tier_id, "event": str(event.uid)},
                reason=reason,
                maker=officer,
                now=now,
            )
            unlock(case)
    return proposal


def take_back(*, case_id: uuid.UUID, officer: User, now: datetime) -> Proposal:
    """Withdraw one's own proposal about the case, which goes back under review.

    Raises four_eyes.Refused when there is none or it is decided already.
    """
    proposal = open_proposal(case_id)
    if proposal is None or proposal.maker_id != officer.pk:
        raise CaseError("no_proposal", _("You have proposed nothing that could be taken back."))
    return four_eyes.withdraw(proposal_id=proposal.pk, maker=officer, now=now)


def open_proposal(case_id: uuid.UUID) -> Proposal | None:
    """What waits for a second person about the case."""
    return four_eyes.open_proposal(object_type=CASE, object_id=case_id)


def propose_suspension(
    *, application: Application, officer: User, reason: str, now: datetime
) -> Proposal:
    """Propose that the person cannot buy any more. Raises PermissionDenied or four_eyes.Refused."""
    return _propose_for_person(SUSPEND, application, officer, reason, now)


def propose_reinstatement(
    *, application: Application, officer: User, reason: str, now: datetime
) -> Proposal:
    """Propose to end a suspension. Raises PermissionDenied or four_eyes.Refused."""
    return _propose_for_person(REINSTATE, application, officer, reason, now)


def _propose_for_person(
    kind: str, application: Application, officer: User, reason: str, now: datetime
) -> Proposal:
    return four_eyes.propose(
        kind=kind,
        object_type=APPLICATION,
        object_id=application.pk,
        payload={},
        reason=reason,
        maker=officer,
        now=now,
    )


def case_held(proposal: Proposal) -> Case:
    """The proposal's case, its application's row held before its own."""
    found = Case.objects.filter(pk=proposal.object_id).first()
    if found is None:
        raise CaseError("gone", _("This case is not there any more."))
    application = hold_application(found.application_id)
    case = hold(found.pk)
    case.application = application
    return case
