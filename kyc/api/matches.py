"""API of matches on sanctions and PEP lists: read, dismissed or confirmed by officers."""

from collections.abc import Callable
from http import HTTPStatus
from typing import ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import user_of
from accounts.models import User
from accounts.officers import OfficerEndpoint
from agora.lib import crypto, rest
from agora.lib.openapi import PAGES
from agora.lib.problems import Problem, wrong
from compliance import audit
from compliance.four_eyes import Refused
from compliance.models import Proposal
from kyc import screening
from kyc.api.case_schema import MatchView, match_json
from kyc.api.cases import READ_PERSON, application_id
from kyc.models import Case, ScreeningMatch
from kyc.screening.matching import LONGEST_REASON, REVIEW, open_proposal


class MatchPage(rest.Page):
    """A page of matches."""

    results = MatchView(many=True)


class MatchDetail(MatchView):
    """Both sides of a match."""

    person_name = serializers.CharField(
        allow_null=True, help_text="Null once erased, and without `kyc.view_application`."
    )
    entry = serializers.DictField(help_text="The list's entry as it was when it was found.")
    reason = serializers.CharField(allow_null=True, help_text="Why it was decided so.")
    case_id = serializers.UUIDField(allow_null=True, help_text="The person's newest case.")
    proposal_id = serializers.UUIDField(
        allow_null=True, help_text="What waits for a second person."
    )


class MatchDecisionRequest(rest.StrictSerializer):
    """Why."""

    reason = rest.Text(max_length=LONGEST_REASON)


class NewestFound(rest.NewestFirst):
    ordering = ("-found_at", "-id")


def _visible_to(officer: User) -> QuerySet[ScreeningMatch]:
    """Nobody reads what a list may say of themselves."""
    others = ScreeningMatch.objects.exclude(application__user=officer)
    return others.select_related("application", "decided_by")


def _seen(officer: User, match_id: UUID) -> ScreeningMatch:
    found = _visible_to(officer).filter(pk=match_id).first()
    if found is None:
        raise Problem("not_found")
    return found


class Matches(OfficerEndpoint):
    """What was found."""

    permissions: ClassVar = {"GET": "kyc.view_screeningmatch"}
    query_parameters = frozenset({"state", "application", "cursor", "page_size"})

    @extend_schema(
        operation_id="list_matches",
        tags=["screening"],
        parameters=[
            OpenApiParameter("state", enum=ScreeningMatch.State.values, description="Only these."),
            OpenApiParameter(
                "application", type=OpenApiTypes.UUID, description="Matches of one person."
            ),
            *PAGES,
        ],
        responses={200: MatchPage},
        summary="List matches on sanctions and PEP lists, newest first",
        description="Never one's own.",
    )
    def get(self, request: Request) -> Response:
        found = _visible_to(user_of(request))
        state, application = (request.query_params.get(name) for name in ("state", "application"))
        if state not in (None, *ScreeningMatch.State.values):
            raise ParseError(_("Ask for one of the states."))
        if state:
            found = found.filter(state=state)
        if application is not None:
            found = found.filter(application=application_id(application))
        return NewestFound.listed(found, request, match_json)


class MatchById(OfficerEndpoint):
    """One match."""

    permissions: ClassVar = {"GET": "kyc.view_screeningmatch"}

    @extend_schema(
        operation_id="get_match",
        tags=["screening"],
        responses={200: MatchDetail},
        summary="Look at both sides of a match",
        description="That the person's name was shown is a row of the audit trail.",
    )
    def get(self, request: Request, match_id: UUID) -> Response:
        officer = user_of(request)
        return Response(_detail(_seen(officer, match_id), officer))


class MatchDecision(OfficerEndpoint):
    """Base of the two decisions."""

    rates: ClassVar = {"POST": "trade"}
    permissions: ClassVar = {"POST": REVIEW}

    def decide(
        self, request: Request, match_id: UUID, service: Callable[..., ScreeningMatch | Proposal]
    ) -> Response:
        """Decide with a reason, or propose to, and answer the match."""
        officer = user_of(request)
        reason = rest.validated(MatchDecisionRequest, request)["reason"]
        try:
            made = service(match_id=match_id, officer=officer, reason=reason, now=timezone.now())
        except Refused as refusal:
            if refusal.code == "reason_missing":
                raise wrong("reason", refusal.message, code=refusal.code) from refusal
            raise Problem(
                "decision_refused", detail=refusal.message, extra={"reason": refusal.code}
            ) from refusal
        answer = match_json(_seen(officer, match_id))
        if isinstance(made, ScreeningMatch):
            return Response(answer)
        location = reverse("api:proposal", args=[made.pk])
        return Response(answer, status=HTTPStatus.ACCEPTED, headers={"Location": location})


class DismissMatch(MatchDecision):
    """It is somebody else."""

    @extend_schema(
        operation_id="dismiss_match",
        tags=["screening"],
        request=MatchDecisionRequest,
        responses={200: MatchView, 202: MatchView},
        summary="Say that it is somebody else, and what tells them apart",
        description=(
            "A match that pauses buying (`holds`) two people dismiss: for it this only proposes (202), "
            "and `Location` is the proposal that a second person approves or refuses."
        ),
    )
    def post(self, request: Request, match_id: UUID) -> Response:
        match = _seen(user_of(request), match_id)
        service = screening.propose_dismissal if match.holds else screening.dismiss
        return self.decide(request, match_id, service)


class ConfirmMatch(MatchDecision):
    """It is the same person."""

    @extend_schema(
        operation_id="confirm_match",
        tags=["screening"],
        request=MatchDecisionRequest,
        responses={200: MatchView},
        summary="Say that it is the same person, and what shows it",
        description="What follows from it two people decide in the person's case.",
    )
    def post(self, request: Request, match_id: UUID) -> Response:
        _seen(user_of(request), match_id)
        return self.decide(request, match_id, screening.confirm)


def _detail(match: ScreeningMatch, officer: User) -> dict[str, object]:
    """Both sides; the look at the name is written down before it is shown."""
    personal = officer.has_perm(READ_PERSON)
    if personal:
        audit.viewed(
            viewer=officer,
            object_type="kyc_application",
            object_id=str(match.application_id),
            fields=["full_name"],
            now=timezone.now(),
        )
    proposal = open_proposal(match.pk)
    newest = Case.objects.filter(application=match.application_id).order_by("-opened_at").first()
    return {
        **match_json(match),
        "person_name": _name_of(match) if personal else None,
        "entry": match.entry,
        "reason": match.reason or None,
        "case_id": str(newest.pk) if newest else None,
        "proposal_id": str(proposal.pk) if proposal else None,
    }


def _name_of(match: ScreeningMatch) -> str | None:
    return crypto.unless_shredded(lambda: match.application.full_name, None)
