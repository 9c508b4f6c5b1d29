"""API of a person's documents for officers: their pages as pictures, and the judgement of each."""

from functools import partial
from typing import ClassVar
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import user_of
from accounts.officers import OfficerEndpoint
from agora.lib.pages import private_image
from agora.lib.problems import Problem, retry_after
from kyc import cases, documents
from kyc.api.case_actions import CaseAction, CaseRequest, RejectDocumentRequest
from kyc.api.case_schema import CaseView
from kyc.documents import DocumentRefused, DocumentsUnavailable
from kyc.documents.viewing import VIEW_PERMISSION
from kyc.models import Document


class DocumentPageImage(OfficerEndpoint):
    """One page of somebody's document."""

    permissions: ClassVar = {"GET": VIEW_PERMISSION}

    @extend_schema(
        operation_id="view_document_page",
        tags=["cases"],
        responses={(200, "image/jpeg"): OpenApiTypes.BINARY},
        summary="Look at one page of a document",
        description=(
            "A picture marked with who looks and when; each look is written down, for the person too. "
            "Keep no copy: it is sent with `no-store`. Never of one's own documents, and 403 for whoever "
            "does not review the person: take the case first."
        ),
    )
    def get(self, request: Request, document_id: UUID, page: int) -> HttpResponse:
        officer = user_of(request)
        others = Document.objects.exclude(application__user=officer)
        if not others.filter(pk=document_id).exists():
            raise Problem("not_found")
        try:
            image = documents.page_image(
                document_id=document_id, page=page, viewer=officer, now=timezone.now()
            )
        except Document.DoesNotExist as error:
            raise Problem("not_found") from error
        except DocumentsUnavailable as error:
            headers = retry_after(error.retry_after)
            raise Problem("unavailable", detail=error.message, headers=headers) from error
        except DocumentRefused as error:
            raise Problem("forbidden", detail=error.message) from error
        return private_image(image)


class DocumentJudgement(CaseAction):
    """Base of the two judgements, which are a part of reviewing the case."""

    permissions: ClassVar = {"POST": "kyc.review_document"}


class AcceptDocument(DocumentJudgement):
    """A document that is accepted."""

    @extend_schema(
        operation_id="accept_document",
        tags=["cases"],
        request=CaseRequest,
        responses={200: CaseView},
        summary="Accept a document of the case that you are reviewing; the person is told",
    )
    def post(self, request: Request, case_id: UUID, document_id: UUID) -> Response:
        judge = partial(cases.judge_document, document_id=document_id, accept=True)
        return self.act(request, case_id, judge, CaseRequest)


class RejectDocument(DocumentJudgement):
    """A document that is not accepted."""

    @extend_schema(
        operation_id="reject_document",
        tags=["cases"],
        request=RejectDocumentRequest,
        responses={200: CaseView},
        summary="Do not accept a document of the case that you are reviewing; the person is told why",
    )
    def post(self, request: Request, case_id: UUID, document_id: UUID) -> Response:
        judge = partial(cases.judge_document, document_id=document_id, accept=False)
        return self.act(request, case_id, judge, RejectDocumentRequest)
