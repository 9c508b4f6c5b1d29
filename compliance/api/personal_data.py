"""API of one's own data: ask for a copy, and see whether it is ready (LGPD art. 18)."""

from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import own_account
from agora.lib import rest
from agora.lib.problems import Problem
from compliance import audit
from compliance.models import DataExport
from compliance.personal_data import exports

DATA_EXPORT_STATES = [(value, value) for value in DataExport.State.values]


class DataExportView(serializers.Serializer[Any]):
    """A copy of everything held about the account."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=DATA_EXPORT_STATES)
    requested_at = serializers.DateTimeField()
    built_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    size = serializers.IntegerField(allow_null=True, help_text="Bytes of the ZIP file.")
    sha256 = serializers.CharField(help_text="Of the ZIP file; empty until it is ready.")
    page = serializers.URLField(help_text="Where the person downloads it, once signed in anew.")


class DataExportPage(serializers.Serializer[Any]):
    """The newest copies."""

    results = DataExportView(many=True)


class DataExports(rest.Endpoint):
    """Copies of the data of the token's own account."""

    rates: ClassVar = {"GET": "read", "POST": "export"}
    scopes: ClassVar = {"GET": "read", "POST": "read"}

    @extend_schema(
        operation_id="list_data_exports",
        tags=["personal data"],
        responses={200: DataExportPage},
        summary="List copies of one's own data",
        description="The newest ten. Only one's own: any other user id is 404.",
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        user = own_account(request, user_id)
        found = DataExport.objects.filter(user_id=user.pk)[:10]
        return Response({"results": [_view(export) for export in found]})

    @extend_schema(
        operation_id="request_data_export",
        tags=["personal data"],
        request=rest.NoBody,
        responses={202: DataExportView},
        summary="Ask for a copy of everything held about oneself",
        description=(
            "It is put together in the background; GET tells when it is ready. A token alone does not "
            "open the file: the person downloads it from the page, having just shown who they are. "
            "409 `export_refused` while one is being made, or when one was made within the last day."
        ),
    )
    def post(self, request: Request, user_id: UUID) -> Response:
        rest.validated(rest.NoBody, request)
        user = own_account(request, user_id)
        try:
            export = exports.request(user=user, actor=audit.actor_of(user), now=timezone.now())
        except exports.ExportRefused as refusal:
            raise Problem("export_refused", detail=str(refusal.message)) from refusal
        return Response(_view(export), status=202)


def _view(export: DataExport) -> dict[str, object]:
    return {
        "id": str(export.pk),
        "state": export.state,
        "requested_at": rest.moment(export.requested_at),
        "built_at": export.built_at and rest.moment(export.built_at),
        "expires_at": export.expires_at and rest.moment(export.expires_at),
        "size": export.size,
        "sha256": export.sha256,
        "page": settings.SITE_URL.rstrip("/") + reverse("privacy"),
    }
