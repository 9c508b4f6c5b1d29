"""API of documents (ID-2): upload, list, read, withdraw."""

from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import own_account
from agora.lib import rest
from agora.lib.problems import Problem, retry_after, wrong
from kyc import documents, selectors
from kyc.documents import DocumentRefused, DocumentsUnavailable
from kyc.filetypes import MEDIA_TYPES
from kyc.models import Document

KINDS = [(value, value) for value in Document.Kind.values]
STATES = [(value, value) for value in Document.State.values]
REASONS = [(value, value) for value in Document.Reason.values]
TYPES = [(value, value) for value in MEDIA_TYPES]


class DocumentUpload(rest.StrictSerializer):
    """A document as multipart/form-data."""

    kind = serializers.ChoiceField(choices=KINDS)
    file = serializers.FileField(
        allow_empty_file=True,
        use_url=False,
        help_text="JPEG, PNG, WebP or PDF, told by its content; its name is not looked at.",
    )


class DocumentInfo(serializers.Serializer[Any]):
    """A document; its pages are shown on the site and are not sent here."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=KINDS)
    state = serializers.ChoiceField(choices=STATES)
    reason = serializers.ChoiceField(choices=REASONS, allow_null=True, help_text="If rejected.")
    note = serializers.CharField(
        allow_null=True, help_text="What the officer added for the person."
    )
    media_type = serializers.ChoiceField(choices=TYPES)
    size = serializers.IntegerField(help_text="Bytes of the file as it came.")
    sha256 = serializers.CharField(help_text="Of the file as it came, in hex.")
    page_count = serializers.IntegerField()
    uploaded_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)


class DocumentList(serializers.Serializer[Any]):
    """All documents of a person but for withdrawn ones, newest first."""

    results = DocumentInfo(many=True)


class Documents(rest.Endpoint):
    """Documents of the token's account."""

    parser_classes = (MultiPartParser,)  # type: ignore[assignment]
    rates: ClassVar = {"GET": "read", "POST": "document"}
    scopes: ClassVar = {"GET": "read", "POST": "trade"}

    @extend_schema(
        operation_id="list_documents",
        tags=["onboarding"],
        responses={200: DocumentList},
        summary="List the account's documents",
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        application = selectors.application_of(own_account(request, user_id))
        found = selectors.documents_of(application) if application else []
        return Response({"results": [_info(document) for document in found]})

    @extend_schema(
        operation_id="upload_document",
        tags=["onboarding"],
        request={"multipart/form-data": DocumentUpload},
        responses={201: DocumentInfo, 200: DocumentInfo},
        summary="Upload a document",
        description=(
            "It waits for review, in place of one of the same kind that waits. The same file again "
            "gives the document that is there (200), so a request whose answer was lost can be "
            "repeated. 409 `consent_needed` until the person has agreed to the text `verification` "
            "(`consents`), and again once that text has changed. Refused files are named at `#/file` "
            "and nothing of them is stored; 503 with `Retry-After` when storage or virus scanner do "
            "not answer, or many files come in at once."
        ),
    )
    def post(self, request: Request, user_id: UUID) -> Response:
        user, now = own_account(request, user_id), timezone.now()
        asked = rest.validated(DocumentUpload, request)
        try:
            if len(request.FILES.getlist("file")) > 1:
                raise DocumentRefused("several")
            document = documents.store(user=user, **asked, now=now)
        except DocumentRefused as refusal:
            raise _problem(refusal) from refusal
        status = HTTPStatus.CREATED if document.uploaded_at == now else HTTPStatus.OK
        location = reverse("api:document", args=[user.pk, document.pk])
        return Response(_info(document), status=status, headers={"Location": location})


class DocumentById(rest.Endpoint):
    """One document of the token's account."""

    http_method_names = ("get", "head", "delete")
    rates: ClassVar = {"GET": "read", "DELETE": "trade"}
    scopes: ClassVar = {"GET": "read", "DELETE": "trade"}

    @extend_schema(
        operation_id="read_document",
        tags=["onboarding"],
        responses={200: DocumentInfo},
        summary="Read a document's status",
    )
    def get(self, request: Request, user_id: UUID, document_id: UUID) -> Response:
        user = own_account(request, user_id)
        try:
            document = selectors.document_for(user=user, document_id=document_id)
        except Document.DoesNotExist as error:
            raise Problem("not_found") from error
        return Response(_info(document))

    @extend_schema(
        operation_id="withdraw_document",
        tags=["onboarding"],
        responses={204: None},
        summary="Withdraw a document",
        description="Possible while it waits for review; its pages are deleted.",
    )
    def delete(self, request: Request, user_id: UUID, document_id: UUID) -> Response:
        user = own_account(request, user_id)
        try:
            documents.withdraw(user=user, document_id=document_id, now=timezone.now())
        except Document.DoesNotExist as error:
            raise Problem("not_found") from error
        except DocumentRefused as refusal:
            raise _problem(refusal) from refusal
        return Response(status=HTTPStatus.NO_CONTENT)


_PROBLEMS = {
    "consent": "consent_needed",
    "consent_changed": "consent_needed",
    "not_onboarded": "not_approved",
    "erased": "forbidden",
    "too_many_documents": "too_many_documents",
    "too_many_today": "too_many_documents",
    "not_waiting": "document_reviewed",
}


def _problem(refusal: DocumentRefused) -> Problem:
    if isinstance(refusal, DocumentsUnavailable):
        headers = retry_after(refusal.retry_after)
        return Problem("unavailable", detail=refusal.message, headers=headers)
    if refusal.field and refusal.code not in _PROBLEMS:
        return wrong(refusal.field, refusal.message, code=refusal.code)
    return Problem(_PROBLEMS[refusal.code], detail=refusal.message)


def _info(document: Document) -> dict[str, object]:
    return {
        "id": str(document.pk),
        "kind": document.kind,
        "state": document.state,
        "reason": document.reason or None,
        "note": document.note or None,
        "media_type": document.media_type,
        "size": document.size,
        "sha256": document.sha256,
        "page_count": document.page_count,
        "uploaded_at": rest.moment(document.uploaded_at),
        "decided_at": rest.moment(document.decided_at),
    }
