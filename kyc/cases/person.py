"""The person's part: what they have, what is needed from them, handing it in."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agora.lib.catalog import Text
from compliance import audit
from kyc import screening
from kyc.cases.needs import DOCUMENTS, Need
from kyc.cases.opening import hold_application, open_case
from kyc.cases.record import CaseError, due, hold, move, store, text_of, words, write
from kyc.cases.requirements import WAYS, met
from kyc.models import UNASKED, Application, Case, CaseEvent, Document, Tier
from kyc.states import Outcome, State

_USABLE = (Document.State.PENDING, Document.State.ACCEPTED)
# For the person. What a list says of somebody is never told to them: it would warn whom it is about.
RESULTS: dict[str, Text] = {
    Outcome.UNREADABLE: _("We could not read one of your documents."),
    Outcome.EXPIRED: _("One of your documents has expired."),
    Outcome.DIFFERENT: _("Your documents say something else than your application."),
    Outcome.ADDRESS_UNPROVEN: _("Your documents do not prove your address."),
    Outcome.NO_ANSWER: _("We had no answer from you."),
    Outcome.RISK_CONFIRMED: _("We could not approve your application."),
    Outcome.OTHER: _("We could not approve your application."),
}


@dataclass(frozen=True)
class Standing:
    """Where a person's verification stands.

    `case` is the open one, or else the last one. `target` is the tier that they may apply for or
    have applied for; None at the highest. `missing` is what has to be handed in before `hand_in` is
    taken; `apply_from` is when a rejected person may apply again.
    """

    application: Application
    case: Case | None
    target: Tier | None
    needs: list[Need]
    missing: list[Need]
    question: str
    result: Text
    explanation: str
    apply_from: datetime | None

    @property
    def is_suspended(self) -> bool:
        return self.application.status == Application.Status.SUSPENDED

    @property
    def may_hand_in(self) -> bool:
        """Whether something is taken from them; of a suspended person only what officers asked for."""
        wanted = self.code == "needs_you" or not self.is_suspended
        return wanted and bool(self.needs) and self.apply_from is None

    @property
    def code(self) -> str:
        """One word for the state: what the API sends and the page chooses its words by."""
        if self.case is not None and self.case.state == State.INFO_REQUESTED:
            return "needs_you"
        if self.is_suspended:
            return "suspended"
        if self.case is not None and self.case.is_open:
            return "in_review"
        if self.application.status == Application.Status.PENDING:
            return "in_review"
        if self.case is not None and self.case.state == State.REJECTED:
            return "rejected"
        return "open" if self.target else "complete"


def standing(*, user: User, now: datetime) -> Standing | None:
    """Where the user's verification stands; None before onboarding. Raises crypto.Shredded."""
    rows = Application.objects.select_related("tier", "user")
    application = rows.filter(user=user).first()
    return _standing(application, now) if application else None


def _standing(application: Application, now: datetime) -> Standing:
    case = _shown(application)
    is_open = case is not None and case.is_open
    target = case.tier if case is not None and is_open else _next_tier(application)
    needs = _needs(case if is_open else None, target)
    asked = _last(case, CaseEvent.Kind.ASKED) if is_open and needs else None
    documents = list(application.documents.filter(state__in=_USABLE))
    missing = [
        need for need in needs if need in DOCUMENTS and not _is_there(need, documents, asked)
    ]
    return Standing(
        application=application,
        case=case,
        target=target,
        needs=needs,
        missing=missing,
        question=_said(case, asked),
        result=RESULTS.get(case.outcome, "") if case else "",
        explanation=_said(case, None if is_open else _last(case, CaseEvent.Kind.REJECTED)),
        apply_from=_apply_from(case, now),
    )


def _shown(application: Application) -> Case | None:
    """The open case or the last one, without those that the person must not know of.

    Nobody is told of a review that they did not ask for, unless something is needed of them.
    """
    newest = F("closed_at").desc(nulls_first=True)
    hidden = Q(cause__in=UNASKED) & ~Q(state=State.INFO_REQUESTED)
    cases = application.cases.exclude(hidden).select_related("tier", "application")
    return cases.order_by(newest).first()


def _next_tier(application: Application) -> Tier | None:
    if application.status == Application.Status.PENDING:
        return None
    if application.status == Application.Status.REJECTED:
        return application.tier
    return Tier.objects.filter(number__gt=application.tier_id).order_by("number").first()


def _needs(open_case: Case | None, target: Tier | None) -> list[Need]:
    if open_case is not None:
        waits = open_case.state == State.INFO_REQUESTED
        return [Need(need) for need in open_case.needs] if waits else []
    return list(DOCUMENTS) if target else []


def _apply_from(case: Case | None, now: datetime) -> datetime | None:
    """When the person may apply again, while that is still ahead."""
    if case is None or case.state != State.REJECTED or case.closed_at is None:
        return None
    again = case.closed_at + timedelta(days=settings.KYC_REAPPLY_DAYS)
    return again if again > now else None


def _is_there(need: Need, documents: list[Document], asked: CaseEvent | None) -> bool:
    """Whether the need is met; what was asked for again has to be newer than the question."""
    kinds = frozenset().union(*WAYS[need])
    newer = asked is None or any(
        one.kind in kinds and one.uploaded_at > asked.at for one in documents
    )
    return newer and met(need, documents, states=_USABLE)


def _last(case: Case | None, kind: CaseEvent.Kind) -> CaseEvent | None:
    """The last event of a kind that has a text for the person."""
    if case is None:
        return None
    return case.events.filter(kind=kind, for_person=True).order_by("-id").first()


def _said(case: Case | None, event: CaseEvent | None) -> str:
    if case is None or event is None:
        return ""
    event.case = case
    return text_of(event)


def hand_in(*, user: User, answer: str = "", now: datetime) -> Case:
    """Apply for the next tier, or answer what was asked for; the case waits for an officer then.

    Raises Application.DoesNotExist before onboarding, or CaseError: something is missing, it is
    under review already, there is nothing to apply for, not yet again, or the account was closed
    meanwhile. Holds the application's row and the case's.
    """
    with transaction.atomic():
        application = hold_application(Application.objects.get(user=user).pk)
        if not application.user.is_active:
            raise CaseError("account_closed", _("This account is closed."))
        stands = _standing(application, now)
        target = _check(stands, answer)
        if stands.case is not None and stands.case.is_open:
            return _answer(hold(stands.case.pk), user, answer, now)
        hidden = application.cases.filter(closed_at=None).values_list("pk", flat=True).first()
        if hidden is not None:
            return _join(hold(hidden), target, user, now)
        return _apply(application, target, user, now)


def _check(stands: Standing, answer: str) -> Tier:
    """The tier that handing in is about; raises CaseError when that is not possible now."""
    if stands.code == "suspended":
        raise CaseError("suspended", _("Your account is suspended. Write to us."))
    if stands.code == "in_review":
        raise CaseError("in_review", _("Your application is being reviewed. Please wait."))
    if stands.apply_from is not None:
        raise CaseError("too_early", _("You can apply again later: the day is on this page."))
    if stands.target is None:
        raise CaseError("nothing_higher", _("You have the highest tier already."))
    if stands.missing:
        raise CaseError("documents_missing", _("Upload what is still missing first."))
    if Need.ANSWER in stands.needs:
        words(answer)
    return stands.target


def _apply(application: Application, target: Tier, user: User, now: datetime) -> Case:
    again = application.status == Application.Status.REJECTED
    if again:
        application.status = Application.Status.PENDING
        application.decided_at, application.decided_by = None, ""
        application.save(update_fields=["status", "decided_at", "decided_by"])
        audit.record(
            actor=audit.actor_of(user),
            action="kyc.submitted",
            object_type="kyc_application",
            object_id=str(application.pk),
            evidence={"tier": application.tier_id, "status": application.status},
            now=now,
        )
    cause = Case.Cause.AGAIN if again else Case.Cause.TIER
    case = open_case(application=application, cause=cause, tier=target, by=user, now=now)
    # Nobody looks a rejected person up: what came onto the lists meanwhile is found here.
    screening.screen(application=application, now=now)
    return hold(case.pk)


def _join(case: Case, target: Tier, user: User, now: datetime) -> Case:
    """Officers look at a match already: the application goes into the same case.

    A decision that is proposed on it falls, because it was about less.
    """
    case.cause, case.tier = Case.Cause.TIER, target
    write(case, CaseEvent.Kind.OPENED, by=user, now=now, cause=case.cause, tier=target.number)
    store(case)
    return case


def _answer(case: Case, user: User, answer: str, now: datetime) -> Case:
    move(case, State.PENDING)
    answered = words(answer, needed=False)
    needs, case.needs = case.needs, []
    case.queued_at, case.due_at, case.is_unanswered = now, due(now), False
    # What was looked at before may be something else now.
    case.checks.all().delete()
    write(
        case,
        CaseEvent.Kind.ANSWERED,
        by=user,
        now=now,
        text=answered,
        for_person=True,
        needs=needs,
    )
    store(case)
    return case
