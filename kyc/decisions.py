"""What two people decide about a person: approval, rejection, suspension and its end (ID-2).

The checks run when it is proposed and again when the second person approves, holding the
application's row: a match that comes in between stops the approval.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import CharField, Q
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from accounts.erasure import shown_name
from accounts.models import User
from accounts.staff import holders_of
from agora.lib import crypto
from agora.lib.catalog import Text
from agora.lib.money import plain
from compliance import audit
from compliance.four_eyes import CHECKER, Kind, Person, Refused
from compliance.models import Proposal
from kyc.cases import news
from kyc.cases.deciding import APPROVE, CASE, REINSTATE, REJECT, SUSPEND, case_held
from kyc.cases.opening import ensure_open, hold_open_account
from kyc.cases.record import WORK, check_group, hold, move, store, text_of, unlock, write
from kyc.cases.requirements import Requirement, about_lists, requirements
from kyc.limits import limit_of_tier, local_day
from kyc.models import UNASKED, Application, Case, CaseEvent, DailyLimit
from kyc.selectors import in_other_groups, open_matches, subject_of
from kyc.states import Outcome, State

Status = Application.Status
_SUSPENDER = "kyc.suspend_application"
_READER = "kyc.view_case"


def _check_case(proposal: Proposal) -> Case:
    """The case, held; refuses one that no such decision is awaited for."""
    case = case_held(proposal)
    proposing = proposal.checker_id is None
    awaited = State.UNDER_REVIEW if proposing else State.AWAITING_SECOND
    if case.state != awaited:
        raise Refused("not_now", _("The case does not wait for this decision any more."))
    if proposal.payload["tier"] != case.tier_id:
        raise Refused(
            "changed",
            _("The person has applied for a higher tier meanwhile: withdraw it and look again."),
        )
    _check_decider(proposal, case)
    if proposing:
        _check_second(proposal, case)
    return case


def _check_second(proposal: Proposal, case: Case) -> None:
    """In a group of one nobody could decide it before it expires."""
    if case.group is None:
        return
    found = holders_of(CHECKER) & holders_of(_READER)
    found = found.filter(Q(groups=case.group) | Q(is_superuser=True))
    if not found.exclude(pk__in=[proposal.maker_id, case.application.user_id]).exists():
        raise Refused(
            "no_second",
            _(
                "Nobody else in the group %(group)s may decide this. Escalate the case to a group "
                "where a second person may."
            )
            % {"group": case.group.name},
        )


def _of_other_groups(person: Person) -> Q:
    """What is proposed on cases that were escalated to groups that the person is not in."""
    others = in_other_groups(person.pk).annotate(key=Cast("pk", CharField()))
    return Q(object_type=CASE, object_id__in=others.values("key"))


def _check_decider(proposal: Proposal, case: Case) -> None:
    """What was escalated to a group is decided in that group."""
    decider = _decider(proposal)
    if decider is not None:
        check_group(case, decider)


def _check_approval(proposal: Proposal) -> None:
    case = _check_case(proposal)
    if case.application.status == Status.SUSPENDED:
        raise Refused("suspended", _("This person is suspended: that has to end first."))
    _check_done(requirements(case))


def _check_done(needed: Sequence[Requirement]) -> None:
    left = ", ".join(str(item.label) for item in needed if not item.done)
    if left:
        raise Refused("actions_open", _("Still to be done: %(list)s.") % {"list": left})


def _check_rejection(proposal: Proposal) -> None:
    _check_case(proposal)


def _approve(proposal: Proposal, now: datetime) -> None:
    case = case_held(proposal)
    before = case.application.tier_id
    application = case.application
    if application.status != Status.APPROVED or before != case.tier_id:
        application.tier = case.tier
        _set_status(application, Status.APPROVED, "kyc.approved", proposal, now)
    _set_limit(case, raised=before != case.tier_id, now=now)
    _close(case, State.APPROVED, CaseEvent.Kind.APPROVED, proposal, now)
    news.approved(case, now=now)


def _set_limit(case: Case, *, raised: bool, now: datetime) -> None:
    """A new tier's limit takes the place of any before; else a limit of the person's own stays."""
    application, wanted = case.application, limit_of_tier(case.tier_id)
    _limit, made = DailyLimit.objects.get_or_create(
        application=application,
        defaults={
            "limit_usd": wanted,
            "day": local_day(country=application.country, now=now),
            "used_usd": Decimal(0),
        },
    )
    if raised and not made:
        limits = DailyLimit.objects.filter(application=application)
        limits.update(limit_usd=wanted, is_personal=False)


def _reject(proposal: Proposal, now: datetime) -> None:
    case = case_held(proposal)
    application = case.application
    after = _status_after(proposal, case)
    if after != application.status:
        _set_status(application, after, f"kyc.{after.lower()}", proposal, now)
        if after == Status.SUSPENDED:
            news.suspended(application, now=now)
    text = text_of(_proposed(proposal, case))
    _close(case, State.REJECTED, CaseEvent.Kind.REJECTED, proposal, now, text=text)
    if case.cause not in UNASKED:
        news.rejected(case, now=now)
    # The end of this case leaves nobody with a match that no case is about.
    if open_matches(application).exists():
        ensure_open(application=application, now=now)


def _status_after(proposal: Proposal, case: Case) -> Status:
    """What a rejection makes of the person: who has only not got a higher tier keeps theirs."""
    status = Status(case.application.status)
    if status == Status.PENDING:
        return Status.REJECTED
    risk = proposal.payload["outcome"] == Outcome.RISK_CONFIRMED
    suspends = status == Status.APPROVED and (risk or case.cause in UNASKED)
    return Status.SUSPENDED if suspends else status


def _proposed(proposal: Proposal, case: Case) -> CaseEvent:
    event = CaseEvent.objects.get(uid=UUID(str(proposal.payload["event"])))
    event.case = case
    return event


def _set_status(
    application: Application, status: Status, action: str, proposal: Proposal, now: datetime
) -> None:
    decider = f"user:{proposal.checker_id}"
    application.status, application.decided_at, application.decided_by = status, now, decider
    application.save(update_fields=["status", "tier", "decided_at", "decided_by"])
    audit.record(
        actor=decider,
        action=action,
        object_type="kyc_application",
        object_id=str(application.pk),
        evidence={
            "proposal": str(proposal.pk),
            "status": status,
            "tier": application.tier_id,
        },
        now=now,
    )


def _close(
    case: Case,
    state: State,
    kind: CaseEvent.Kind,
    proposal: Proposal,
    now: datetime,
    *,
    text: str = "",
) -> None:
    move(case, state)
    case.outcome, case.closed_at = str(proposal.payload["outcome"]), now
    unlock(case)
    write(
        case,
        kind,
        by=_decider(proposal),
        now=now,
        text=text,
        for_person=bool(text),
        outcome=case.outcome,
        proposal=str(proposal.pk),
    )
    store(case)


def _decider(proposal: Proposal) -> User | None:
    """Who decided; nobody when it was withdrawn or has expired."""
    return User.objects.filter(pk__in=filter(None, [proposal.checker_id])).first()


def _back(proposal: Proposal, now: datetime) -> None:
    """The proposal fell: the case goes back to who proposed it. Raises CaseError by who may not."""
    case = hold(UUID(proposal.object_id))
    if case.state != State.AWAITING_SECOND:
        return
    _check_decider(proposal, case)
    move(case, State.UNDER_REVIEW)
    write(
        case,
        CaseEvent.Kind.RETURNED,
        by=_decider(proposal),
        now=now,
        proposal=str(proposal.pk),
        proposal_state=proposal.state,
    )
    store(case)


def _case_lines(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    case = Case.objects.select_related("application__user", "tier").get(pk=proposal.object_id)
    lines: list[tuple[Text, Text]] = [
        (_("Person"), shown_name(case.application.user)),
        (_("Cause"), case.get_cause_display()),
        (_("Outcome"), Outcome(str(proposal.payload["outcome"])).label),
    ]
    # How the person stands now, and what would follow, says nothing of what was decided before.
    is_open = proposal.state == Proposal.State.OPEN
    if is_open:
        lines.append((_("Tier now"), str(case.application.tier_id)))
    if proposal.kind == APPROVE:
        lines.append((_("Tier then"), str(case.tier_id)))
        if is_open:
            lines.append((_("Daily limit then, USD"), plain(_limit_then(case))))
    else:
        text = crypto.unless_shredded(lambda: text_of(_proposed(proposal, case)), _("erased"))
        lines.append((_("Text for the person"), text))
        if is_open:
            lines.append((_("What happens"), _what_happens(proposal, case)))
    return lines


def _limit_then(case: Case) -> Decimal:
    """In USD a day, as `_set_limit` leaves it."""
    stays = case.tier_id == case.application.tier_id
    own = DailyLimit.objects.filter(application=case.application_id).first() if stays else None
    return own.limit_usd if own else case.tier.daily_limit_usd


def _what_happens(proposal: Proposal, case: Case) -> Text:
    after = _status_after(proposal, case)
    if after == Status.REJECTED:
        return _("The person is rejected.")
    if after == Status.APPROVED:
        return _("The person keeps tier %(tier)s.") % {"tier": case.application.tier_id}
    if case.application.status == Status.SUSPENDED:
        return _("The person stays suspended.")
    return _("The person is suspended.")


def _person(proposal: Proposal) -> Application:
    found = Application.objects.filter(pk=proposal.object_id).first()
    if found is None:
        raise Refused("gone", _("This application is not there any more."))
    return hold_open_account(found.pk)


def _check_person(proposal: Proposal, wanted: Status, message: Text) -> Application:
    application = _person(proposal)
    if application.status != wanted:
        raise Refused("not_now", message)
    return application


def _check_suspension(proposal: Proposal) -> None:
    _check_person(proposal, Status.APPROVED, _("Only an approved person can be suspended."))


def _check_reinstatement(proposal: Proposal) -> None:
    """Ending a suspension is an approval: what a list may say of the person stands against it."""
    application = _check_person(proposal, Status.SUSPENDED, _("This person is not suspended."))
    _check_done(about_lists(application))


def _suspend(proposal: Proposal, now: datetime) -> None:
    application = _person(proposal)
    _set_status(application, Status.SUSPENDED, "kyc.suspended", proposal, now)
    news.suspended(application, now=now)


def _reinstate(proposal: Proposal, now: datetime) -> None:
    application = _person(proposal)
    _set_status(application, Status.APPROVED, "kyc.reinstated", proposal, now)
    news.reinstated(application, now=now)


def _person_lines(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    application = Application.objects.select_related("user").get(pk=proposal.object_id)
    lines: list[tuple[Text, Text]] = [(_("Person"), shown_name(application.user))]
    if proposal.state == Proposal.State.OPEN:
        lines += [
            (_("Tier now"), str(application.tier_id)),
            (_("State now"), application.get_status_display()),
        ]
    return lines


KINDS = [
    Kind(
        name=APPROVE,
        title=_("Approve a person"),
        maker_permission=WORK,
        check=_check_approval,
        effect=_approve,
        lines=_case_lines,
        subject=subject_of,
        reader_permission=_READER,
        closed_to=_of_other_groups,
        dropped=_back,
    ),
    Kind(
        name=REJECT,
        title=_("Reject a person"),
        personal=("text",),
        maker_permission=WORK,
        check=_check_rejection,
        effect=_reject,
        lines=_case_lines,
        subject=subject_of,
        reader_permission=_READER,
        closed_to=_of_other_groups,
        dropped=_back,
    ),
    Kind(
        name=SUSPEND,
        title=_("Suspend a person"),
        maker_permission=_SUSPENDER,
        check=_check_suspension,
        effect=_suspend,
        lines=_person_lines,
        subject=subject_of,
        reader_permission=_READER,
    ),
    Kind(
        name=REINSTATE,
        title=_("End a person's suspension"),
        maker_permission=_SUSPENDER,
        check=_check_reinstatement,
        effect=_reinstate,
        lines=_person_lines,
        subject=subject_of,
        reader_permission=_READER,
    ),
]
