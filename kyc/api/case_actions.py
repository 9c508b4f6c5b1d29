"""API of what an officer does with a case: each action names the version it was decided on."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import user_of
from accounts.models import User
from accounts.officers import OfficerEndpoint
from agora.lib import idempotency, rest
from agora.lib.idempotency import Answer
from agora.lib.openapi import IDEMPOTENCY_KEY
from agora.lib.problems import Problem, wrong
from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import Proposal
from kyc import cases
from kyc.api.case_schema import CaseView, case_json, lock_json
from kyc.api.cases import seen
from kyc.api.documents import REASONS
from kyc.api.verification import NEEDS
from kyc.cases.record import ASSIGN, LONGEST_TEXT, WORK
from kyc.cases.requirements import Check
from kyc.cases.review import groups_for_cases
from kyc.documents.refusals import LONGEST_NOTE
from kyc.models import Case
from kyc.states import BAD_OUTCOMES, GOOD_OUTCOMES

CHECKS = [(value, value) for value in Check.values]
GOOD = [(value, value) for value in sorted(GOOD_OUTCOMES)]
BAD = [(value, value) for value in sorted(BAD_OUTCOMES)]
T = TypeVar("T")
_ABOUT_FIELDS = {
    "text_missing": "text",
    "text_too_long": "text",
    "note_too_long": "text",
    "nothing_asked": "needs",
    "outcome_wrong": "outcome",
    "unknown_check": "code",
    "no_such_group": "group",
    "not_theirs": "to",
    "reason": "reason",
    "reason_missing": "reason",
    "reason_too_long": "reason",
}


class CaseRequest(rest.StrictSerializer):
    """Which version of the case was looked at."""

    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class NoteRequest(CaseRequest):
    """A note that only officers read."""

    text = rest.Text(max_length=LONGEST_TEXT)


class CheckRequest(CaseRequest):
    """A required action that was done by hand."""

    code = serializers.ChoiceField(choices=CHECKS)


class AskRequest(CaseRequest):
    """What the person should hand in, and the text they read."""

    needs = serializers.ListField(
        child=serializers.ChoiceField(choices=NEEDS), allow_empty=False, max_length=len(NEEDS)
    )
    text = rest.Text(max_length=LONGEST_TEXT, help_text="Shown to the person.")


class EscalateRequest(CaseRequest):
    """Another group of officers, and why."""

    group = rest.Text(max_length=150)
    text = rest.Text(max_length=LONGEST_TEXT, help_text="Only officers read it.")


class AssignRequest(CaseRequest):
    """The officer who gets the case."""

    to = serializers.UUIDField()


class ApproveRequest(CaseRequest):
    """What the review found, and why that is enough."""

    outcome = serializers.ChoiceField(choices=GOOD)
    reason = rest.Text(
        max_length=four_eyes.LONGEST_TEXT,
        help_text="Kept with the decision; the trail holds a digest.",
    )


class RejectRequest(CaseRequest):
    """What the review found, why, and what the person reads about it."""

    outcome = serializers.ChoiceField(choices=BAD)
    reason = rest.Text(
        max_length=four_eyes.LONGEST_TEXT,
        help_text="Kept with the decision; the trail holds a digest.",
    )
    text = rest.Text(max_length=LONGEST_TEXT, help_text="Shown to the person.")


class RejectDocumentRequest(CaseRequest):
    """Why a document is not accepted."""

    reason = serializers.ChoiceField(choices=REASONS)
    text = rest.Text(
        max_length=LONGEST_NOTE,
        required=False,
        allow_blank=True,
        default="",
        help_text="Shown to the person; needed with `other`.",
    )


class CaseLock(serializers.Serializer[Any]):
    """Until when nobody else can act on the case."""

    locked_until = serializers.DateTimeField()


class CaseProposed(serializers.Serializer[Any]):
    """The case, and the decision that a second person takes."""

    proposal_id = serializers.UUIDField()
    case = CaseView()


def carried_out(act: Callable[[], T], *, officer: User, case_id: UUID) -> T:
    """What the service gives; its refusal as a problem that tells how the case stands now."""
    try:
        return act()
    except Case.DoesNotExist as error:
        raise Problem("not_found") from error
    except Refused as refused:
        case, now = seen(officer, case_id), timezone.now()  # one's own is not there
        field = _ABOUT_FIELDS.get(refused.code)
        if field is not None:
            raise wrong(field, refused.message, code=refused.code) from refused
        raise Problem(
            "case_refused",
            detail=refused.message,
            extra={
                "reason": refused.code,
                "state": case.state,
                "version": case.version,
                **lock_json(case, now),
            },
        ) from refused


class CaseAction(OfficerEndpoint):
    """Base of the actions that answer the case as it is then."""

    rates: ClassVar = {"POST": "trade"}
    permissions: ClassVar = {"POST": WORK}

    def act(
        self,
        request: Request,
        case_id: UUID,
        service: Callable[..., object],
        body: type[CaseRequest],
    ) -> Response:
        """Call the service with what the body says."""
        asked = rest.validated(body, request)
        return self.call(request, case_id, service, **asked)

    def call(
        self, request: Request, case_id: UUID, service: Callable[..., object], **given: Any
    ) -> Response:
        """Call the service, and answer the case."""
        officer, now = user_of(request), timezone.now()
        carried_out(
            lambda: service(case_id=case_id, officer=officer, now=now, **given),
            officer=officer,
            case_id=case_id,
        )
        return Response(case_json(seen(officer, case_id), now))


class TakeCase(CaseAction):
    """Reviewing this case."""

    @extend_schema(
        operation_id="take_case",
        tags=["cases"],
        request=CaseRequest,
        responses={200: CaseView},
        summary="Take this case for review",
        description="Nobody else can act on it until the lock ends: see `locked_until`.",
    )
    def post(self, request: Request, case_id: UUID) -> Response:
        return self.act(request, case_id, cases.take, CaseRequest)


class KeepCase(CaseAction):
    """The heartbeat of a program that reviews a case."""

    @extend_schema(
        operation_id="keep_case",
        tags=["cases"],
        request=rest.NoBody,
        responses={200: CaseLock},
        summary="Keep the lock of the case that you are reviewing",
        description="Changes nothing else: the version stays.",
    )
    def post(self, request: Request, case_id: UUID) -> Response:
        rest.validated(rest.NoBody, request)
        officer = user_of(request)
        until = carried_out(
            lambda: cases.keep_lock(case_id=case_id, officer=officer, now=timezone.now()),
            officer=officer,
            case_id=case_id,
        )
        return Response({"locked_until": rest.moment(until)})


class ReleaseCase(CaseAction):
    """Putting the case back."""

    @extend_schema(
        operation_id="release_case",
        tags=["cases"],
        request=CaseRequest,
        responses={200: CaseView},
        summary="Put the case back into the queue",
    )
    def post(self, request: Request, case_id: UUID) -> Response:
        return self.act(request, case_id, cases.release, CaseRequest)


class AssignCase(CaseAction):
    """Giving the case to an officer."""

    permissions: ClassVar = {"POST": ASSIGN}

    @extend_schema(
        operation_id="assign_case",
        tags=["cases"],
        request=AssignRequest,
        responses={200: CaseView},
        summary="Give the case to an officer; a review going on ends",
    )
    def post(self, request: Request, case_id: UUID) -> Response:
        asked = rest.validated(AssignRequest, request)
        to = User.objects.filter(pk=asked["to"], is_staff=True).first()
        if to is None:
            raise wrong("to", _("This officer may not work on this case."), code="not_theirs")
        return self.call(request, case_id, cases.assign, to=to, version=asked["version"])


class NoteOnCase(CaseAction):
    """A note for other officers."""

    @extend_schema(
        operation_id="note_on_case",
        tags=["cases"],
        request=NoteRequest,
        responses={200: CaseView},
        summary="Add a note that only officers read",
    )
    def post(self, request: Request, case_id: UUID) -> Response:
        return self.act(request, case_id, cases.note, NoteRequest)


class CheckOfCase(CaseAction):
    """A required action, done by hand."""

    @extend_schema(
        operation_id="check_case",
        tags=["cases"],
        request=CheckRequest,
        responses={200: CaseView},
        summary="Tick one of the required actions",
    )
    def post(self, request: Request, case_id: UUID) -> Response:
        return self.act(request, case_id, cases.check, CheckRequest)


class AskPerson(CaseAction):
    """A question to the person."""

    @extend_schema(
        operation_id="ask_person",
        tags=["cases"],
        request=AskRequest,
        responses={200: CaseView},
        summary="Ask the person for more; they are told",
    )
    def post(self, request: Request, case_id: UUID) -> Response:
        return self.act(request, case_id, cases.ask, AskRequest)


class EscalateCase(CaseAction):
    """Handing the case to another group."""

    @extend_schema(
        operation_id="escalate_case",
        tags=["cases"],
        request=EscalateRequest,
        responses={200: CaseView},
        summary="Escalate the case to another group of officers",
    )
    def post(self, request: Request, case_id: UUID) -> Response:
        asked = rest.validated(EscalateRequest, request)
        name = asked.pop("group")
        group: Group | None = groups_for_cases().filter(name=name).first()
        if group is None:
            raise wrong("group", _("Nobody in this group works on cases."), code="no_such_group")
        return self.call(request, case_id, cases.escalate, group=group, **asked)


class CaseProposal(CaseAction):
    """Base of the two decisions: proposed once for each Idempotency-Key, taken by a second person."""

    def propose(
        self,
        request: Request,
        case_id: UUID,
        service: Callable[..., Proposal],
        body: type[CaseRequest],
    ) -> Response:
        """Propose it. The answer is kept: of people it holds ids, and the e-mail address of who asked."""
        key = idempotency.key_of(request)
        asked = rest.validated(body, request)
        officer, now = user_of(request), timezone.now()

        def perform() -> Answer:
            proposal = carried_out(
                lambda: service(case_id=case_id, officer=officer, now=now, **asked),
                officer=officer,
                case_id=case_id,
            )
            return Answer(
                body={
                    "proposal_id": str(proposal.pk),
                    "case": case_json(seen(officer, case_id), now),
                },
                location=reverse("api:proposal", args=[proposal.pk]),
            )

        return idempotency.once(request, client=officer.pk, key=key, now=now, perform=perform)


class ApproveCase(CaseProposal):
    """The proposal to approve."""

    @extend_schema(
        operation_id="propose_case_approval",
        tags=["cases"],
        parameters=[IDEMPOTENCY_KEY],
        request=ApproveRequest,
        responses={201: CaseProposed},
        summary="Propose to approve the case; a second person decides",
        description=(
            "Every required action has to be done. It is approved, refused or withdrawn at "
            "`/admin/proposals/{proposal_id}`."
        ),
    )
    def post(self, request: Request, case_id: UUID) -> Response:
        return self.propose(request, case_id, cases.propose_approval, ApproveRequest)


class RejectCase(CaseProposal):
    """The proposal to reject."""

    @extend_schema(
        operation_id="propose_case_rejection",
        tags=["cases"],
        parameters=[IDEMPOTENCY_KEY],
        request=RejectRequest,
        responses={201: CaseProposed},
        summary="Propose to reject the case; a second person decides",
    )
    def post(self, request: Request, case_id: UUID) -> Response:
        return self.propose(request, case_id, cases.propose_rejection, RejectRequest)
