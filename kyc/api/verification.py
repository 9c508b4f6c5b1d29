"""API of a person's own verification: where it stands, and handing in (ID-2)."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import own_account
from accounts.models import User
from agora.lib import idempotency, rest
from agora.lib.idempotency import Answer
from agora.lib.openapi import IDEMPOTENCY_KEY
from agora.lib.problems import FieldError, Problem, pointer
from kyc import cases
from kyc.cases.needs import Need
from kyc.cases.record import LONGEST_TEXT

STANDINGS = ["open", "in_review", "needs_you", "rejected", "suspended", "complete"]
NEEDS = [(need, need) for need in Need.values]
_ABOUT_FIELDS = {"text_missing": "answer", "text_too_long": "answer"}


class HandInRequest(rest.StrictSerializer):
    """What goes with the documents; `answer` is needed when `ANSWER` is among the needs."""

    answer = rest.Text(max_length=LONGEST_TEXT, required=False, allow_blank=True, default="")


class VerificationView(serializers.Serializer[Any]):
    """Where the verification stands. Times are UTC."""

    user_id = serializers.UUIDField()
    status = serializers.ChoiceField(
        choices=STANDINGS,
        help_text=(
            "`open`: a higher tier can be applied for; `in_review`: officers have it; `needs_you`: "
            "hand in what `needs` lists; `rejected`; `suspended`; `complete`: the highest tier."
        ),
    )
    tier = serializers.IntegerField()
    approved = serializers.BooleanField(help_text="Whether the person may buy.")
    target_tier = serializers.IntegerField(allow_null=True)
    target_daily_limit_usd = serializers.CharField(allow_null=True)
    needs = serializers.ListField(
        child=serializers.ChoiceField(choices=NEEDS), help_text="What is asked for."
    )
    missing = serializers.ListField(
        child=serializers.ChoiceField(choices=NEEDS),
        help_text="Documents among the needs that were not uploaded yet.",
    )
    may_hand_in = serializers.BooleanField()
    question = serializers.CharField(help_text="What the officer asks, in their words.")
    result = serializers.CharField(help_text="Why the last application was rejected.")
    explanation = serializers.CharField(help_text="The officer's words about that.")
    apply_from = serializers.DateTimeField(
        allow_null=True, help_text="From when a rejected person may apply again."
    )


class Verification(rest.Endpoint):
    """The verification of the token's own account."""

    rates: ClassVar = {"GET": "read", "POST": "onboard"}
    scopes: ClassVar = {"GET": "read", "POST": "trade"}

    @extend_schema(
        operation_id="read_verification",
        tags=["verification"],
        responses={200: VerificationView},
        summary="Read where the verification stands",
        description="Only one's own: any other user id is 404, as before onboarding.",
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        return Response(_body(own_account(request, user_id)))

    @extend_schema(
        operation_id="hand_in_verification",
        tags=["verification"],
        parameters=[IDEMPOTENCY_KEY],
        request=HandInRequest,
        responses={201: VerificationView},
        summary="Apply for the next tier, or answer what was asked for",
        description=(
            "The documents are uploaded before. Not possible now: 409 `verification_refused`, with "
            "the reason in `reason`."
        ),
    )
    def post(self, request: Request, user_id: UUID) -> Response:
        key = idempotency.key_of(request)
        asked = rest.validated(HandInRequest, request)
        user = own_account(request, user_id)
        return idempotency.once(
            request,
            client=user.pk,
            key=key,
            now=timezone.now(),
            perform=lambda: _hand_in(user, asked["answer"]),
        )


def _hand_in(user: User, answer: str) -> Answer:
    if cases.standing(user=user, now=timezone.now()) is None:
        raise Problem("not_found")
    try:
        cases.hand_in(user=user, answer=answer, now=timezone.now())
    except cases.CaseError as error:
        field = _ABOUT_FIELDS.get(error.code)
        if field is not None:
            wrong = FieldError(pointer(field), error.message, error.code)
            raise Problem("invalid", errors=[wrong]) from error
        raise Problem(
            "verification_refused", detail=error.message, extra={"reason": error.code}
        ) from error
    return Answer(body=_body(user))


def _body(user: User) -> dict[str, object]:
    stands = cases.standing(user=user, now=timezone.now())
    if stands is None:
        raise Problem("not_found")
    return {
        "user_id": str(user.pk),
        "status": stands.code,
        "tier": stands.application.tier_id,
        "approved": stands.application.is_approved,
        "target_tier": stands.target and stands.target.number,
        "target_daily_limit_usd": stands.target and rest.usd(stands.target.daily_limit_usd),
        "needs": [need.value for need in stands.needs],
        "missing": [need.value for need in stands.missing],
        "may_hand_in": stands.may_hand_in,
        "question": stands.question,
        "result": str(stands.result),
        "explanation": stands.explanation,
        "apply_from": rest.moment(stands.apply_from),
    }
