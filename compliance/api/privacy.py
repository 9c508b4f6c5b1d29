"""API of one's own privacy: consents, who looked at documents, erasure (LGPD art. 8, 9 and 18)."""

from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.core.paginator import Paginator
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import own_account
from agora.lib import rest
from agora.lib.problems import Problem, wrong
from compliance import audit
from compliance.models import ErasureRequest
from compliance.personal_data import erasure
from compliance.personal_data.erasure import ErasureRefused
from compliance.personal_data.obstacles import Obstacle
from kyc import consent
from kyc.models import Consent, Document, DocumentView
from kyc.selectors import looks_at_documents

ERASURE_STATES = [(value, value) for value in ("NONE", *ErasureRequest.State.values)]
CONSENT_DOCUMENTS = [
    (terms.document, terms.document) for terms in (consent.ACCOUNT, consent.VERIFICATION)
]
ASKED_FOR = [(consent.VERIFICATION.document, consent.VERIFICATION.document)]
LOOK_KINDS = [(value, value) for value in Document.Kind.values]
LOOK_PURPOSES = [(value, value) for value in DocumentView.Purpose.values]
_PAGE = 50


class TermsView(serializers.Serializer[Any]):
    """A text in force."""

    document = serializers.ChoiceField(choices=CONSENT_DOCUMENTS)
    version = serializers.CharField()
    sha256 = serializers.CharField()
    text = serializers.CharField(help_text="In English: what is agreed to, and hashed.")
    translation = serializers.CharField(help_text="The same in the language of the request.")


class ConsentView(serializers.Serializer[Any]):
    """That the person agreed to a text."""

    document = serializers.ChoiceField(choices=CONSENT_DOCUMENTS)
    version = serializers.CharField()
    sha256 = serializers.CharField()
    text = serializers.CharField()
    language = serializers.CharField(help_text="In which it was offered beside the English text.")
    accepted_at = serializers.DateTimeField()
    withdrawn_at = serializers.DateTimeField(allow_null=True)


class ConsentList(serializers.Serializer[Any]):
    """What the person agreed to, newest first, and the texts in force."""

    results = ConsentView(many=True)
    in_force = TermsView(many=True)


class ConsentRequest(rest.StrictSerializer):
    """Consent to a text that the person has read."""

    document = serializers.ChoiceField(choices=ASKED_FOR)
    version = rest.Text(max_length=20, help_text="The version that the person has read.")


class LookView(serializers.Serializer[Any]):
    """That somebody looked at a document on one day (UTC)."""

    document_id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=LOOK_KINDS)
    by_officer = serializers.BooleanField(
        help_text="An officer of Agora, or the person themselves."
    )
    purpose = serializers.ChoiceField(choices=LOOK_PURPOSES)
    pages = serializers.IntegerField(help_text="How many of its pages.")
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()


class LookPage(serializers.Serializer[Any]):
    """A page of looks, newest first."""

    results = LookView(many=True)
    page = serializers.IntegerField()
    pages = serializers.IntegerField()


class ObstacleView(serializers.Serializer[Any]):
    """What has to be wound up first."""

    code = serializers.CharField()
    message = serializers.CharField()
    page = serializers.CharField(help_text="Where to see to it; empty when only Agora can.")


class ErasureView(serializers.Serializer[Any]):
    """The request that stands, if there is one."""

    state = serializers.ChoiceField(choices=ERASURE_STATES)
    requested_at = serializers.DateTimeField(allow_null=True)
    execute_after = serializers.DateTimeField(
        allow_null=True, help_text="Until then it can be undone."
    )
    obstacles = ObstacleView(many=True)
    page = serializers.URLField(help_text="Where the person reads what is erased and what stays.")


class ErasureWish(rest.StrictSerializer):
    """Nothing has to be said, unless tokens are given up."""

    gives_up_tokens = rest.Flag(
        required=False,
        default=False,
        help_text=(
            "The tokens that the person's wallets still hold do not stand against it, such as when a "
            "key is lost. They stay where they are."
        ),
    )


class Consents(rest.Endpoint):
    """What the token's owner agreed to."""

    rates: ClassVar = {"GET": "read", "POST": "onboard"}
    scopes: ClassVar = {"GET": "read", "POST": "trade"}

    @extend_schema(
        operation_id="list_consents",
        tags=["personal data"],
        responses={200: ConsentList},
        summary="List one's consents, and the texts in force",
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        user = own_account(request, user_id)
        rows = Consent.objects.filter(user=user).select_related("text")
        texts = (consent.ACCOUNT, consent.VERIFICATION)
        return Response(
            {"results": [_consent(row) for row in rows], "in_force": [_terms(t) for t in texts]}
        )

    @extend_schema(
        operation_id="give_consent",
        tags=["personal data"],
        request=ConsentRequest,
        responses={201: ConsentView},
        summary="Agree to the text on documents",
        description="Needed before the first upload; a repeat changes nothing.",
    )
    def post(self, request: Request, user_id: UUID) -> Response:
        asked = rest.validated(ConsentRequest, request)
        user = own_account(request, user_id)
        terms = consent.VERIFICATION
        if asked["version"] != terms.version:
            raise wrong("version", _("The consent text has changed. Read it again."))
        language = get_language() or settings.LANGUAGE_CODE
        row = consent.record(user=user, terms=terms, language=language, now=timezone.now())
        return Response(_consent(row), status=201)


class DocumentLooks(rest.Endpoint):
    """Who looked at the documents of the token's owner."""

    rates: ClassVar = {"GET": "read"}
    scopes: ClassVar = {"GET": "read"}
    query_parameters = frozenset({"page"})

    @extend_schema(
        operation_id="list_document_looks",
        tags=["personal data"],
        parameters=[OpenApiParameter("page", type={"type": "integer", "minimum": 1, "default": 1})],
        responses={200: LookPage},
        summary="List who looked at one's documents",
        description="One row for a viewer, a document and a day in UTC; an officer is not named.",
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        user = own_account(request, user_id)
        pages = Paginator(looks_at_documents(user), _PAGE)
        page = pages.get_page(request.query_params.get("page", "1"))
        return Response(
            {
                "results": [
                    {
                        "document_id": str(look["document_id"]),
                        "kind": look["document__kind"],
                        "by_officer": look["viewer_id"] != user.pk,
                        "purpose": look["purpose"],
                        "pages": look["pages"],
                        "first_at": rest.moment(look["first_at"]),
                        "last_at": rest.moment(look["last_at"]),
                    }
                    for look in page
                ],
                "page": page.number,
                "pages": pages.num_pages,
            }
        )


class Erasure(rest.Endpoint):
    """The erasure of the token's own account."""

    http_method_names = ("get", "head", "post", "delete")
    rates: ClassVar = {"GET": "read", "POST": "export", "DELETE": "trade"}
    scopes: ClassVar = {"GET": "read", "POST": "security", "DELETE": "security"}

    @extend_schema(
        operation_id="read_erasure",
        tags=["personal data"],
        responses={200: ErasureView},
        summary="Read whether an erasure stands, and what stands against one",
        description="503 while the wallet's balance cannot be read from the chain.",
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        user = own_account(request, user_id)
        asked = erasure.of_user(user.pk)
        try:
            found = (
                [Obstacle(code) for code in asked.obstacles] if asked else erasure.standing(user)
            )
        except ErasureRefused as refused:
            raise _problem(refused) from refused
        return Response(_erasure(asked, found))

    @extend_schema(
        operation_id="request_erasure",
        tags=["personal data"],
        request=ErasureWish,
        responses={202: ErasureView},
        summary="Ask for the erasure of one's data",
        description=(
            "The account is closed after `execute_after`; until then DELETE undoes it. The person is "
            "told by e-mail. 409 `erasure_refused`, with the reason in `reason`, while something has "
            "to be wound up: GET lists it. 503 while the chain cannot be read."
        ),
    )
    def post(self, request: Request, user_id: UUID) -> Response:
        wish = rest.validated(ErasureWish, request)
        user = own_account(request, user_id)
        try:
            asked = erasure.request(
                user=user,
                actor=audit.actor_of(user),
                gives_up_tokens=wish["gives_up_tokens"],
                now=timezone.now(),
            )
        except ErasureRefused as refused:
            raise _problem(refused) from refused
        return Response(_erasure(asked, []), status=202)

    @extend_schema(
        operation_id="undo_erasure",
        tags=["personal data"],
        responses={200: ErasureView},
        summary="Keep the account after all",
    )
    def delete(self, request: Request, user_id: UUID) -> Response:
        user = own_account(request, user_id)
        try:
            asked = erasure.withdraw(
                user_id=user.pk, actor=audit.actor_of(user), now=timezone.now()
            )
        except ErasureRefused as refused:
            raise _problem(refused) from refused
        return Response(_erasure(asked, []))


def _problem(refused: ErasureRefused) -> Problem:
    if refused.code == "unknown":
        return Problem("unavailable", detail=refused.message)
    return Problem("erasure_refused", detail=refused.message, extra={"reason": refused.code})


def _terms(terms: consent.Terms) -> dict[str, object]:
    return {
        "document": terms.document,
        "version": terms.version,
        "sha256": terms.sha256,
        "text": terms.text,
        "translation": str(_(terms.text)),
    }


def _consent(row: Consent) -> dict[str, object]:
    return {
        "document": row.text.document,
        "version": row.text.version,
        "sha256": row.text_id,
        "text": row.text.text,
        "language": row.language,
        "accepted_at": rest.moment(row.accepted_at),
        "withdrawn_at": rest.moment(row.withdrawn_at),
    }


def _erasure(asked: ErasureRequest | None, found: list[Obstacle]) -> dict[str, object]:
    return {
        "state": asked.state if asked else "NONE",
        "requested_at": rest.moment(asked.requested_at) if asked else None,
        "execute_after": rest.moment(asked.execute_after) if asked else None,
        "obstacles": [
            {"code": one.code, "message": str(one.message), "page": one.href} for one in found
        ],
        "page": settings.SITE_URL.rstrip("/") + reverse("erasure"),
    }
