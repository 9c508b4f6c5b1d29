"""API of the audit trail: exports that prove themselves."""

from datetime import UTC, datetime
from typing import ClassVar

from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.request import Request

from accounts.authentication import user_of
from accounts.officers import OfficerEndpoint
from compliance import audit
from compliance.trail.archive import FORMS
from compliance.trail.export import TEXTS, Filter
from compliance.trail.own import unread_by
from compliance.trail.usage_export import KINDS, TRAIL, Refused
from compliance.views.trail import archive_response

CHOICES = ("since", "until", *TEXTS)
FILTER = [
    OpenApiParameter(
        "since", type=OpenApiTypes.DATETIME, description="Rows of this time or later."
    ),
    OpenApiParameter(
        "until", type=OpenApiTypes.DATETIME, description="Rows from before this time."
    ),
    *(OpenApiParameter(name, description="Rows with exactly this value.") for name in TEXTS),
]


class AuditExport(OfficerEndpoint):
    """The trail, or a part of it, with what is needed to verify it."""

    permissions: ClassVar = {"GET": "compliance.export_auditrow"}
    rates: ClassVar = {"GET": "export"}
    query_parameters = frozenset({"form", "kind", *CHOICES})

    @extend_schema(
        operation_id="export_audit_trail",
        tags=["audit"],
        parameters=[
            OpenApiParameter(
                "kind",
                enum=list(KINDS),
                description="What to export; default trail. Uses are chosen by whole days only.",
            ),
            OpenApiParameter("form", enum=list(FORMS), description="Of the rows; default jsonl."),
            *FILTER,
        ],
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
        summary="Export the audit trail, or uses of tokens and nonces",
        description=(
            "A ZIP archive: rows, hashes of the rows that the filter leaves out, and a manifest, which "
            "also says what the token's owner does not read; "
            "docs/verify/verify_audit_export.py verifies it. The export is recorded in the trail. "
            "Uses of tokens and nonces hold network addresses and come with the digest of each day."
        ),
    )
    def get(self, request: Request) -> HttpResponseBase:
        asked = request.query_params
        form = asked.get("form", FORMS[0])
        if form not in FORMS:
            raise ParseError(_("Choose jsonl or csv."))
        kind = asked.get("kind", TRAIL)
        if kind not in KINDS:
            raise ParseError(_("Choose trail, token-uses or nonce-uses."))
        chosen = Filter(
            since=moment_of(asked.get("since")),
            until=moment_of(asked.get("until")),
            without=unread_by(user_of(request)),
            **{name: text_of(asked.get(name, "")) for name in TEXTS},
        )
        actor = audit.actor_of(user_of(request))
        try:
            return archive_response(kind=kind, chosen=chosen, form=form, actor=actor)
        except Refused as refused:
            raise ParseError(refused.message) from refused


def text_of(text: str) -> str:
    """A value to look for; raises ParseError for what no text in the database can hold."""
    if "\0" in text:
        raise ParseError(_("A filter holds a character that no row can have."))
    return text


def moment_of(text: str | None) -> datetime | None:
    """A time with its zone, as UTC; raises ParseError, also for one that lies outside the calendar."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo:
            return parsed.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ParseError(_("Write times as 2026-11-30T14:00:00Z.")) from error
    raise ParseError(_("Write times with their zone, as 2026-11-30T14:00:00Z."))
