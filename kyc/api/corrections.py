"""API of corrections of one's own data (LGPD art. 18 III)."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import own_account
from agora.lib import rest
from agora.lib.problems import Problem, wrong
from kyc import corrections
from kyc.corrections import LONGEST_TEXT, CorrectionRefused
from kyc.models import Correction
from kyc.selectors import corrections_of

CORRECTION_STATES = [(value, value) for value in Correction.State.values]
CORRECTION_FIELDS = [("full_name", "full_name"), ("tax_id", "tax_id")]


class CorrectionRequest(rest.StrictSerializer):
    """What is wrong. A value that is left out stays as it is."""

    full_name = rest.Text(max_length=200, required=False, default="")
    tax_id = rest.Text(max_length=40, required=False, default="")
    reason = rest.Text(max_length=LONGEST_TEXT, help_text="Why, for the officers.")


class CorrectionView(serializers.Serializer[Any]):
    """A correction asked for; the values themselves are never sent back."""

    id = serializers.UUIDField()
    corrects = serializers.ListField(child=serializers.ChoiceField(choices=CORRECTION_FIELDS))
    state = serializers.ChoiceField(choices=CORRECTION_STATES)
    asked_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    answer = serializers.CharField(help_text="Why it was declined, in an officer's words.")


class CorrectionList(serializers.Serializer[Any]):
    """The newest corrections asked for."""

    results = CorrectionView(many=True)


class Corrections(rest.Endpoint):
    """Corrections of the data of the token's own account."""

    http_method_names = ("get", "head", "post", "delete")
    rates: ClassVar = {"GET": "read", "POST": "onboard", "DELETE": "onboard"}
    scopes: ClassVar = {"GET": "read", "POST": "trade", "DELETE": "trade"}

    @extend_schema(
        operation_id="list_corrections",
        tags=["personal data"],
        responses={200: CorrectionList},
        summary="List corrections of one's own data",
        description="The newest ten. Only one's own: any other user id is 404.",
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        user = own_account(request, user_id)
        return Response({"results": [_view(correction) for correction in corrections_of(user)]})

    @extend_schema(
        operation_id="request_correction",
        tags=["personal data"],
        request=CorrectionRequest,
        responses={202: CorrectionView},
        summary="Ask for a correction of one's name or tax id",
        description=(
            "Two officers decide; a document that shows it is uploaded before. 409 "
            "`correction_refused`, with the reason in `reason`, while one is open, when nothing would "
            "change, or before onboarding."
        ),
    )
    def post(self, request: Request, user_id: UUID) -> Response:
        asked = rest.validated(CorrectionRequest, request)
        user = own_account(request, user_id)
        try:
            correction = corrections.ask(user=user, **asked, now=timezone.now())
        except CorrectionRefused as refused:
            raise _problem(refused) from refused
        return Response(_view(correction), status=202)

    @extend_schema(
        operation_id="withdraw_correction",
        tags=["personal data"],
        responses={200: CorrectionView},
        summary="Take back the open wish for a correction",
    )
    def delete(self, request: Request, user_id: UUID) -> Response:
        try:
            correction = corrections.withdraw(
                user=own_account(request, user_id), now=timezone.now()
            )
        except CorrectionRefused as refused:
            raise _problem(refused) from refused
        return Response(_view(correction))


def _problem(refused: CorrectionRefused) -> Problem:
    if refused.field:
        return wrong(refused.field, refused.message, code=refused.code)
    return Problem("correction_refused", detail=refused.message, extra={"reason": refused.code})


def _view(correction: Correction) -> dict[str, object]:
    return {
        "id": str(correction.pk),
        "corrects": correction.fields,
        "state": correction.state,
        "asked_at": rest.moment(correction.asked_at),
        "decided_at": rest.moment(correction.decided_at),
        "answer": correction.answer,
    }
