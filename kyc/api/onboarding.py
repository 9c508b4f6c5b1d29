"""API of onboarding (RAT-001)."""

from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import user_of
from accounts.models import User
from agora.lib import idempotency, rest
from agora.lib.idempotency import Answer
from agora.lib.openapi import IDEMPOTENCY_KEY
from agora.lib.problems import FieldError, Problem, pointer, wrong
from kyc import selectors, services
from kyc.consent import ACCOUNT
from kyc.models import Application


class OnboardRequest(rest.StrictSerializer):
    """A KYC-light application for the token's account."""

    full_name = rest.Text(max_length=200)
    email = rest.Text(
        max_length=254, required=False, help_text="If given, it must be the account's own address."
    )
    country = serializers.ChoiceField(choices=Application.Country.choices)
    tax_id = rest.Text(max_length=40, help_text="CPF for BR, RUC for PY; checksum included.")
    wallet_address = rest.Text(max_length=80, help_text="EVM address; mixed case is EIP-55.")
    consent = rest.Flag(help_text="True after the person agreed to the text of GET on this path.")
    consent_version = rest.Text(
        max_length=20, required=False, help_text="If given, it must be the current version."
    )


class DailyLimitView(serializers.Serializer[Any]):
    """How much may still be ordered today, in USD."""

    limit_usd = serializers.CharField()
    used_usd = serializers.CharField()
    left_usd = serializers.CharField()
    resets_at = serializers.DateTimeField()
    zone = serializers.CharField()


class Onboarded(serializers.Serializer[Any]):
    """The application and what it allows. The tax id and the name are never sent back."""

    user_id = serializers.UUIDField()
    application_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Application.Status.values)
    tier = serializers.IntegerField()
    country = serializers.ChoiceField(choices=Application.Country.choices)
    wallet_address = serializers.CharField()
    daily_limit = DailyLimitView(
        allow_null=True, help_text="Null while the application is `PENDING`: nothing can be bought."
    )


class Consent(serializers.Serializer[Any]):
    """What a person agrees to by `consent`."""

    consent_version = serializers.CharField()
    consent_text = serializers.CharField()


_EXAMPLE = OpenApiExample(
    "A person in Brazil",
    value={
        "full_name": "Ana Souza",
        "country": "BR",
        "tax_id": "529.982.247-25",
        "wallet_address": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "consent": True,
    },
    request_only=True,
)


class Onboard(rest.Endpoint):
    """Onboarding of the token's account."""

    rates: ClassVar = {"GET": "read", "POST": "onboard"}
    scopes: ClassVar = {"GET": "read", "POST": "trade"}

    @extend_schema(
        operation_id="read_consent",
        tags=["onboarding"],
        responses={200: Consent},
        summary="Read the consent text",
    )
    def get(self, request: Request) -> Response:
        return Response({"consent_version": ACCOUNT.version, "consent_text": ACCOUNT.text})

    @extend_schema(
        operation_id="onboard",
        tags=["onboarding"],
        parameters=[IDEMPOTENCY_KEY],
        request=OnboardRequest,
        responses={201: Onboarded},
        examples=[_EXAMPLE],
        summary="Onboard the token's account",
        description=(
            "KYC-light: approved for tier 1 at once, or `PENDING` until officers have looked at it, or "
            "refused with nothing stored. Where a pending one stands is at "
            "`/users/{user_id}/verification`."
        ),
    )
    def post(self, request: Request) -> Response:
        key = idempotency.key_of(request)
        asked = rest.validated(OnboardRequest, request)
        user = user_of(request)
        email = asked.pop("email", user.email)
        if email.strip().lower() != user.email.lower():
            raise wrong("email", _("This is not the e-mail address of the account."), code="email")
        if asked.pop("consent_version", ACCOUNT.version) != ACCOUNT.version:
            raise wrong("consent_version", _("The consent text has changed. Read it again."))
        return idempotency.once(
            request,
            client=user.pk,
            key=key,
            now=timezone.now(),
            perform=lambda: _onboard(user, asked),
        )


def _onboard(user: User, asked: dict[str, Any]) -> Answer:
    now = timezone.now()
    if selectors.application_of(user) is not None:
        raise Problem("already_onboarded")
    try:
        application = services.onboard(user=user, now=now, **asked)
    except services.OnboardingError as error:
        raise _refused(error) from error
    return Answer(body=_onboarded(user, application))


def _onboarded(user: User, application: Application) -> dict[str, object]:
    return {
        "user_id": str(user.pk),
        "application_id": str(application.pk),
        "status": application.status,
        "tier": application.tier_id,
        "country": application.country,
        "wallet_address": user.wallet.address,
        "daily_limit": daily_limit_json(selectors.limit_status(user=user, now=timezone.now())),
    }


def daily_limit_json(limit: selectors.LimitStatus | None) -> dict[str, object] | None:
    """A person's limit on the wire; null before they are approved."""
    if limit is None:
        return None
    return {
        "limit_usd": rest.usd(limit.limit_usd),
        "used_usd": rest.usd(limit.used_usd),
        "left_usd": rest.usd(limit.left_usd),
        "resets_at": rest.moment(limit.resets_at),
        "zone": limit.zone,
    }


def _refused(error: services.OnboardingError) -> Problem:
    errors = [
        FieldError(pointer(*([] if field == "__all__" else [field])), str(message), "invalid")
        for field, messages in error.errors.items()
        for message in messages
    ]
    return Problem("invalid", errors=errors)
