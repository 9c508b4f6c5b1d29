"""API of the audit trail's rows: what happened, newest first."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import user_of
from accounts.officers import OfficerEndpoint
from agora.lib import rest
from agora.lib.openapi import PAGES
from compliance.api.trail import CHOICES, FILTER, moment_of, text_of
from compliance.models import AuditRow
from compliance.trail import search
from compliance.trail.export import TEXTS
from compliance.trail.own import readable_by


class AuditRowView(serializers.Serializer[Any]):
    """One thing that happened. Its place in the chain is null for the seconds until it is sealed."""

    uid = serializers.UUIDField()
    at = serializers.DateTimeField()
    actor = serializers.CharField()
    action = serializers.CharField()
    object_type = serializers.CharField()
    object_id = serializers.CharField()
    evidence = serializers.DictField()
    row_hash = serializers.CharField(help_text="SHA-256 of the row, in hex.")
    position = serializers.IntegerField(allow_null=True)


class AuditRowPage(rest.Page):
    """A page of the trail."""

    results = AuditRowView(many=True)


class NewestHappened(rest.NewestFirst):
    ordering = ("-at", "-id")


class AuditRows(OfficerEndpoint):
    """The trail, to be read; a copy that proves itself is an export."""

    permissions: ClassVar = {"GET": "compliance.view_auditrow"}
    query_parameters = frozenset({*CHOICES, "cursor", "page_size"})

    @extend_schema(
        operation_id="list_audit_rows",
        tags=["audit"],
        parameters=[*FILTER, *PAGES],
        responses={200: AuditRowPage},
        summary="List rows of the audit trail, newest first",
        description=(
            "Without those about oneself, and without those about what people have shown of "
            "themselves for who may not read cases."
        ),
    )
    def get(self, request: Request) -> Response:
        return NewestHappened.listed(_chosen(request), request, row_json)


def _chosen(request: Request) -> QuerySet[AuditRow]:
    """What the query asks for, of what its owner reads; raises ParseError."""
    asked: Mapping[str, str] = request.query_params
    rows = readable_by(user_of(request)).select_related("seal")
    since, until = moment_of(asked.get("since")), moment_of(asked.get("until"))
    if since:
        rows = rows.filter(at__gte=since)
    if until:
        rows = rows.filter(at__lt=until)
    texts = {name: text_of(asked[name]) for name in TEXTS if asked.get(name)}
    if "object_id" in texts and "object_type" not in texts:
        rows = rows.filter(search.of_object(texts.pop("object_id")))
    return rows.filter(**texts)


def row_json(row: AuditRow) -> dict[str, object]:
    """A row on the wire."""
    seal = getattr(row, "seal", None)
    return {
        "uid": str(row.uid),
        "at": rest.moment(row.at),
        "actor": row.actor,
        "action": row.action,
        "object_type": row.object_type,
        "object_id": row.object_id,
        "evidence": row.evidence,
        "row_hash": bytes(row.row_hash).hex(),
        "position": seal.position if seal else None,
    }
