"""API of decisions by two people: what waits, what it does, and the second person's word."""

from collections.abc import Callable
from datetime import datetime
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
from accounts.models import User
from accounts.officers import OfficerEndpoint
from agora.lib import idempotency, rest
from agora.lib.openapi import IDEMPOTENCY_KEY, PAGES
from agora.lib.problems import Problem
from compliance import four_eyes
from compliance.api.proposing import (
    EXAMPLE,
    PROPOSAL_STATES,
    ProposalMade,
    ProposalRequest,
    prepared,
)
from compliance.four_eyes import Refused
from compliance.models import Proposal


class ProposalLine(serializers.Serializer[Any]):
    """One line of what it does."""

    label = serializers.CharField()  # type: ignore[assignment]
    value = serializers.CharField()


class ProposalSummary(serializers.Serializer[Any]):
    """A decision that one person proposed and another one takes, without what is personal in it."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    title = serializers.CharField()
    object_type = serializers.CharField()
    object_id = serializers.CharField()
    payload = serializers.DictField()
    reason = serializers.CharField()
    state = serializers.ChoiceField(choices=PROPOSAL_STATES)
    maker_id = serializers.UUIDField()
    proposed_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    checker_id = serializers.UUIDField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    note = serializers.CharField()


class ProposalView(ProposalSummary):
    """All of it, with what it does in words."""

    lines = ProposalLine(many=True)


class ProposalPage(rest.Page):
    """A page of proposals."""

    results = ProposalSummary(many=True)


class ApprovalRequest(rest.StrictSerializer):
    """What the second person adds."""

    note = rest.Text(max_length=1000, required=False, default="", allow_blank=True)


class RefusalRequest(rest.StrictSerializer):
    """Why the second person refuses."""

    note = rest.Text(max_length=1000)


class NewestProposed(rest.NewestFirst):
    ordering = ("-proposed_at", "-id")


class Proposals(OfficerEndpoint):
    """What was proposed, and proposing."""

    rates: ClassVar = {"POST": "trade"}
    permissions: ClassVar = {
        "GET": "compliance.view_proposal",
        "POST": "compliance.view_proposal",
    }
    query_parameters = frozenset({"state", "waits", "cursor", "page_size"})

    @extend_schema(
        operation_id="list_proposals",
        tags=["decisions"],
        parameters=[
            OpenApiParameter("state", enum=Proposal.State.values, description="Only these."),
            OpenApiParameter(
                "waits",
                enum=["me"],
                description=(
                    "Only what the token's owner may approve now: a sign-off of reserves "
                    "(`reserves.sign_off`) waits for who may sign them, a decision on an escalated case "
                    "for its group."
                ),
            ),
            *PAGES,
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
        return NewestProposed.listed(
            found.filter(state=state) if state else found, request, summary_json
        )

    @extend_schema(
        operation_id="propose",
        tags=["decisions"],
        parameters=[IDEMPOTENCY_KEY],
        request=ProposalRequest,
        responses={201: ProposalMade},
        examples=[EXAMPLE],
        summary="Propose a decision that a second person takes",
        description=(
            "Needs the permission of the kind. Approval and rejection of a person are proposed in "
            "their case: `/admin/cases/{case_id}/approve`."
        ),
    )
    def post(self, request: Request) -> Response:
        key = idempotency.key_of(request)
        asked = rest.validated(ProposalRequest, request)
        maker, now = user_of(request), timezone.now()
        perform = prepared(asked, maker=maker, now=now)
        return idempotency.once(request, client=maker.pk, key=key, now=now, perform=perform)


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
        return _answer(request, _looked_up, proposal_id=proposal_id, reader=user_of(request))


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
        given = {"proposal_id": proposal_id, "checker": user_of(request), "note": asked["note"]}
        return _answer(request, four_eyes.approve, **given)


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
        given = {"proposal_id": proposal_id, "checker": user_of(request), "note": asked["note"]}
        return _answer(request, four_eyes.refuse, **given)


class WithdrawProposal(OfficerEndpoint):
    """The first person takes it back."""

    rates: ClassVar = {"POST": "trade"}
    permissions: ClassVar = {"POST": "compliance.view_proposal"}

    @extend_schema(
        operation_id="withdraw_proposal",
        tags=["decisions"],
        request=rest.NoBody,
        responses={200: ProposalView},
        summary="Withdraw your own proposal",
    )
    def post(self, request: Request, proposal_id: UUID) -> Response:
        rest.validated(rest.NoBody, request)
        return _answer(request, four_eyes.withdraw, proposal_id=proposal_id, maker=user_of(request))


def _looked_up(*, proposal_id: UUID, reader: User, now: datetime) -> Proposal:
    return four_eyes.readable_by(reader).get(pk=proposal_id)


def _answer(request: Request, act: Callable[..., Proposal], **given: Any) -> Response:
    """Call the service; the proposal as it stands then, or the problem."""
    now = timezone.now()
    try:
        proposal = act(**given, now=now)
    except Proposal.DoesNotExist as error:
        raise Problem("not_found") from error
    except PermissionDenied as error:
        raise Problem("forbidden") from error
    except Refused as refusal:
        raise Problem(
            "decision_refused", detail=refusal.message, extra={"reason": refusal.code}
        ) from refusal
    lines = _lines(proposal, reader=user_of(request), now=now)
    return Response({**summary_json(proposal), "lines": lines})


def _lines(proposal: Proposal, *, reader: User, now: datetime) -> list[dict[str, str]]:
    """What it does; nothing for a maker who may not read it any more and takes it back."""
    if not four_eyes.readable_by(reader).filter(pk=proposal.pk).exists():
        return []
    four_eyes.note_look(proposal=proposal, reader=reader, now=now)
    return [
        {"label": str(label), "value": str(value)} for label, value in four_eyes.lines_of(proposal)
    ]


def summary_json(proposal: Proposal) -> dict[str, object]:
    """A proposal on the wire; its title in the language that is active, times in UTC."""
    return {
        "id": str(proposal.pk),
        "kind": proposal.kind,
        "title": str(four_eyes.title_of(proposal)),
        "object_type": proposal.object_type,
        "object_id": proposal.object_id,
        "payload": proposal.payload,
        "reason": proposal.reason,
        "state": proposal.state,
        "maker_id": str(proposal.maker_id),
        "proposed_at": rest.moment(proposal.proposed_at),
        "expires_at": rest.moment(proposal.expires_at),
        "checker_id": str(proposal.checker_id) if proposal.checker_id else None,
        "decided_at": rest.moment(proposal.decided_at),
        "note": proposal.note,
    }
