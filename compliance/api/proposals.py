"""API of decisions by two people: what waits, what it does, and the second person's word."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import user_of
from accounts.officers import OfficerEndpoint
from agora.lib import rest
from agora.lib.problems import Problem
from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import Proposal

PROPOSAL_STATES = [(value, value) for value in Proposal.State.values]


class ProposalLine(serializers.Serializer[Any]):
    """One line of what it does."""

    label = serializers.CharField()  # type: ignore[assignment]
    value = serializers.CharField()


class ProposalView(serializers.Serializer[Any]):
    """A decision that one person proposed and another one takes."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    title = serializers.CharField()
    object_type = serializers.CharField()
    object_id = serializers.CharField()
    payload = serializers.DictField()
    lines = ProposalLine(many=True)
    reason = serializers.CharField()
    state = serializers.ChoiceField(choices=PROPOSAL_STATES)
    maker_id = serializers.UUIDField()
    proposed_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    checker_id = serializers.UUIDField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    note = serializers.CharField()


class ProposalPage(serializers.Serializer[Any]):
    """A page of proposals."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = ProposalView(many=True)


class ApprovalRequest(rest.StrictSerializer):
    """What the second person adds."""

    note = rest.Text(max_length=1000, required=False, default="", allow_blank=True)


class RefusalRequest(rest.StrictSerializer):
    """Why the second person refuses."""

    note = rest.Text(max_length=1000)


class WithdrawalRequest(rest.StrictSerializer):
    """Nothing has to be said."""


class NewestProposed(rest.NewestFirst):
    ordering = ("-proposed_at", "-id")


class Proposals(OfficerEndpoint):
    """What was proposed."""

    permissions: ClassVar = {"GET": "compliance.view_proposal"}
    query_parameters = frozenset({"state", "waits", "cursor", "page_size"})

    @extend_schema(
        operation_id="list_proposals",
        tags=["decisions"],
        parameters=[
            OpenApiParameter("state", enum=Proposal.State.values, description="Only these."),
            OpenApiParameter(
                "waits", enum=["me"], description="Only what the token's owner may decide now."
            ),
            OpenApiParameter("cursor", description="From the links `next` and `previous`."),
            OpenApiParameter(
                "page_size",
                type={"type": "integer", "minimum": 1, "maximum": 100, "default": 50},
            ),
        ],
        responses={200: ProposalPage},
        summary="List decisions by two people, newest first",
    )
    def get(self, request: Request) -> Response:
        state, waits = request.query_params.get("state"), request.query_params.get("waits")
        if state not in (None, *Proposal.State.values) or waits not in (None, "me"):
            raise ParseError(_("Ask for one of the states, or for waits=me."))
        found = (
            four_eyes.waiting_for(user_of(request), now=timezone.now())
            if waits
            else four_eyes.readable_by(user_of(request))
        )
        pages = NewestProposed()
        page = pages.paginate_queryset(
            found.filter(state=state) if state else found, request, view=self
        )
        return pages.get_paginated_response([proposal_json(proposal) for proposal in page or []])


class ProposalById(OfficerEndpoint):
    """One proposal."""

    permissions: ClassVar = {"GET": "compliance.view_proposal"}

    @extend_schema(
        operation_id="get_proposal",
        tags=["decisions"],
        responses={200: ProposalView},
        summary="Look at one decision by two people",
    )
    def get(self, request: Request, proposal_id: UUID) -> Response:
        return _answer(lambda: four_eyes.readable_by(user_of(request)).get(pk=proposal_id))


class ApproveProposal(OfficerEndpoint):
    """The second person's yes."""

    rates: ClassVar = {"POST": "trade"}
    permissions: ClassVar = {"POST": four_eyes.CHECKER}

    @extend_schema(
        operation_id="approve_proposal",
        tags=["decisions"],
        request=ApprovalRequest,
        responses={200: ProposalView},
        summary="Approve what another person proposed; it takes effect at once",
    )
    def post(self, request: Request, proposal_id: UUID) -> Response:
        asked = rest.validated(ApprovalRequest, request)
        return _answer(
            lambda: four_eyes.approve(
                proposal_id=proposal_id,
                checker=user_of(request),
                note=asked["note"],
                now=timezone.now(),
            )
        )


class RefuseProposal(OfficerEndpoint):
    """The second person's no."""

    rates: ClassVar = {"POST": "trade"}
    permissions: ClassVar = {"POST": four_eyes.CHECKER}

    @extend_schema(
        operation_id="refuse_proposal",
        tags=["decisions"],
        request=RefusalRequest,
        responses={200: ProposalView},
        summary="Refuse what another person proposed, with a reason",
    )
    def post(self, request: Request, proposal_id: UUID) -> Response:
        asked = rest.validated(RefusalRequest, request)
        return _answer(
            lambda: four_eyes.refuse(
                proposal_id=proposal_id,
                checker=user_of(request),
                note=asked["note"],
                now=timezone.now(),
            )
        )


class WithdrawProposal(OfficerEndpoint):
    """The first person takes it back."""

    rates: ClassVar = {"POST": "trade"}
    permissions: ClassVar = {"POST": "compliance.view_proposal"}

    @extend_schema(
        operation_id="withdraw_proposal",
        tags=["decisions"],
        request=WithdrawalRequest,
        responses={200: ProposalView},
        summary="Withdraw your own proposal",
    )
    def post(self, request: Request, proposal_id: UUID) -> Response:
        rest.validated(WithdrawalRequest, request)
        return _answer(
            lambda: four_eyes.withdraw(
                proposal_id=proposal_id, maker=user_of(request), now=timezone.now()
            )
        )


def _answer(act: Callable[[], Proposal]) -> Response:
    try:
        proposal = act()
    except Proposal.DoesNotExist as error:
        raise Problem("not_found") from error
    except PermissionDenied as error:
        raise Problem("forbidden") from error
    except Refused as refusal:
        raise Problem(
            "decision_refused", detail=refusal.message, extra={"reason": refusal.code}
        ) from refusal
    return Response(proposal_json(proposal))


def proposal_json(proposal: Proposal) -> dict[str, object]:
    """A proposal on the wire; labels in the language that is active, times in UTC."""
    try:
        kind = four_eyes.kind_of(proposal.kind)
        title, lines = str(kind.title), list(kind.lines(proposal))
    except Refused:  # a kind of an earlier release
        title, lines = proposal.kind, []
    return {
        "id": str(proposal.pk),
        "kind": proposal.kind,
        "title": title,
        "object_type": proposal.object_type,
        "object_id": proposal.object_id,
        "payload": proposal.payload,
        "lines": [{"label": str(label), "value": str(value)} for label, value in lines],
        "reason": proposal.reason,
        "state": proposal.state,
        "maker_id": str(proposal.maker_id),
        "proposed_at": rest.moment(proposal.proposed_at),
        "expires_at": rest.moment(proposal.expires_at),
        "checker_id": str(proposal.checker_id) if proposal.checker_id else None,
        "decided_at": rest.moment(proposal.decided_at),
        "note": proposal.note,
    }
