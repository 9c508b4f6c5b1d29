"""API of proof of reserve: for officers every snapshot, for everybody what two people signed."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import user_of
from accounts.officers import OfficerEndpoint
from agora.lib import rest
from agora.lib.openapi import PAGES
from agora.lib.pages import attachment
from agora.lib.problems import Problem
from compliance import audit
from compliance.models import ReserveSignature, ReserveSnapshot
from compliance.reserves import content, exports, selectors, snapshots

SNAPSHOT_STATES = [(value, value) for value in ReserveSnapshot.State.values]
_LIMITS = (
    "It is no audit, speaks of one moment only, does not show whether the shares are borrowed or "
    "pledged, nor whether controls work (PCAOB, investor advisory of 8 March 2023)."
)


class SnapshotBlock(serializers.Serializer[Any]):
    """The block that a snapshot is of."""

    number = serializers.IntegerField(allow_null=True)
    hash = serializers.CharField()
    time = serializers.DateTimeField(allow_null=True)
    finality = serializers.CharField(help_text="`finalized` or `depth`.")


class SnapshotTree(serializers.Serializer[Any]):
    """The tree over all holders; the sum is in base units of 10^-18."""

    root = serializers.CharField()  # type: ignore[assignment]
    sum = serializers.CharField(allow_null=True)


class Explanation(serializers.Serializer[Any]):
    """A difference in the words of those who signed, and when it was seen first."""

    row = serializers.IntegerField()
    kind = serializers.CharField()
    since = serializers.DateTimeField()
    text = serializers.CharField()


class PublicReserves(serializers.Serializer[Any]):
    """A signed snapshot without anything personal; figures in shares, as text."""

    id = serializers.UUIDField()
    symbol = serializers.CharField()
    chain_id = serializers.IntegerField()
    contract = serializers.CharField()
    block = SnapshotBlock()
    figures = serializers.DictField(child=serializers.CharField())
    difference = serializers.CharField()
    agrees = serializers.BooleanField()
    explanations = Explanation(many=True)
    tree = SnapshotTree()
    content_hash = serializers.CharField()
    built_at = serializers.DateTimeField()
    signed_at = serializers.DateTimeField()


class PublicReservesPage(rest.Page):
    """A page of signed snapshots."""

    limits = serializers.CharField(help_text="What none of this proves.")
    results = PublicReserves(many=True)


class SnapshotView(serializers.Serializer[Any]):
    """A snapshot as officers see it."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=SNAPSHOT_STATES)
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    built_at = serializers.DateTimeField(allow_null=True)
    block = SnapshotBlock()
    figures = serializers.DictField(child=serializers.CharField())
    difference = serializers.CharField(allow_null=True)
    breaks = serializers.IntegerField()
    tree = SnapshotTree()
    content_hash = serializers.CharField()
    needs_attention = serializers.BooleanField()
    last_error = serializers.CharField()
    signed_at = serializers.DateTimeField(allow_null=True)


class SnapshotPage(rest.Page):
    """A page of snapshots."""

    results = SnapshotView(many=True)


class NewestRequested(rest.NewestFirst):
    ordering = ("-requested_at", "-id")


class NewestBuilt(rest.NewestFirst):
    ordering = ("-built_at", "-snapshot_id")


class Snapshots(OfficerEndpoint):
    """Every snapshot, and asking for another."""

    permissions: ClassVar = {
        "GET": "compliance.view_reservesnapshot",
        "POST": "compliance.add_reservesnapshot",
    }
    rates: ClassVar = {"GET": "read", "POST": "export"}
    query_parameters = frozenset({"cursor", "page_size"})

    @extend_schema(
        operation_id="list_reserve_snapshots",
        tags=["proof of reserve"],
        parameters=PAGES,
        responses={200: SnapshotPage},
        summary="List reserve snapshots, newest first",
    )
    def get(self, request: Request) -> Response:
        return NewestRequested.listed(_all(), request, snapshot_json)

    @extend_schema(
        operation_id="request_reserve_snapshot",
        tags=["proof of reserve"],
        request=rest.NoBody,
        responses={202: SnapshotView},
        summary="Ask for a reserve snapshot",
        description=(
            "A worker builds it in a moment: look at it by its id until it is READY. While one is "
            "asked for and not built yet, the answer is that one."
        ),
    )
    def post(self, request: Request) -> Response:
        rest.validated(rest.NoBody, request)
        asked = snapshots.request(actor=audit.actor_of(user_of(request)), now=timezone.now())
        return Response(snapshot_json(asked), status=202)


class SnapshotById(OfficerEndpoint):
    """One snapshot."""

    permissions: ClassVar = {"GET": "compliance.view_reservesnapshot"}

    @extend_schema(
        operation_id="get_reserve_snapshot",
        tags=["proof of reserve"],
        responses={200: SnapshotView},
        summary="Look at a reserve snapshot",
    )
    def get(self, request: Request, snapshot_id: UUID) -> Response:
        found = _all().filter(pk=snapshot_id).first()
        if found is None:
            raise Problem("not_found")
        return Response(snapshot_json(found))


class SnapshotFile(OfficerEndpoint):
    """One snapshot with all its rows and sources, as a file."""

    permissions: ClassVar = {"GET": "compliance.view_reservesnapshot"}
    rates: ClassVar = {"GET": "export"}
    query_parameters = frozenset({"form"})

    @extend_schema(
        operation_id="export_reserve_snapshot",
        tags=["proof of reserve"],
        parameters=[
            OpenApiParameter("form", enum=list(exports.FORMS), description="Default json.")
        ],
        responses={
            (200, exports.CONTENT_TYPES["json"]): OpenApiTypes.OBJECT,
            (200, "text/csv"): OpenApiTypes.STR,
            (200, exports.CONTENT_TYPES["xlsx"]): OpenApiTypes.BINARY,
            (200, exports.CONTENT_TYPES["pdf"]): OpenApiTypes.BINARY,
        },
        summary="Export a reserve snapshot",
        description="JSON holds the document whose SHA-256 in canonical form is `content_hash`.",
    )
    def get(self, request: Request, snapshot_id: UUID) -> HttpResponseBase:
        try:
            file = exports.export(
                snapshot_id=snapshot_id,
                form=request.query_params.get("form", "json"),
                actor=audit.actor_of(user_of(request)),
                now=timezone.now(),
            )
        except ReserveSnapshot.DoesNotExist as error:
            raise Problem("not_found") from error
        except exports.UnknownForm as error:
            raise ParseError(_("Choose csv, xlsx, json or pdf.")) from error
        return attachment(file.content, name=file.name, content_type=file.content_type)


class Reserves(rest.Endpoint):
    """Signed snapshots, for everybody."""

    authentication_classes = ()
    permission_classes = ()
    query_parameters = frozenset({"cursor", "page_size"})

    @extend_schema(
        operation_id="list_reserves",
        tags=["proof of reserve"],
        auth=[],
        parameters=PAGES,
        responses={200: PublicReservesPage},
        summary="List signed proofs of reserve, newest first",
        description=_LIMITS,
    )
    def get(self, request: Request) -> Response:
        response = NewestBuilt.listed(selectors.published(), request, public_json)
        response.data["limits"] = _LIMITS
        return response


def _all() -> QuerySet[ReserveSnapshot]:
    return ReserveSnapshot.objects.select_related("signature")


def _block(snapshot: ReserveSnapshot) -> dict[str, object]:
    return {
        "number": snapshot.block_number,
        "hash": snapshot.block_hash,
        "time": content.moment(snapshot.block_time),
        "finality": snapshot.finality,
    }


def _tree(snapshot: ReserveSnapshot) -> dict[str, object]:
    return {"root": snapshot.tree_root, "sum": rest.amount(snapshot.tree_sum)}


def snapshot_json(snapshot: ReserveSnapshot) -> dict[str, object]:
    """A snapshot on the wire, for officers."""
    signature = getattr(snapshot, "signature", None)
    return {
        "id": str(snapshot.pk),
        "state": snapshot.state,
        "requested_by": snapshot.requested_by,
        "requested_at": rest.moment(snapshot.requested_at),
        "built_at": rest.moment(snapshot.built_at),
        "block": _block(snapshot),
        "figures": snapshot.figures,
        "difference": rest.amount(snapshot.difference),
        "breaks": snapshot.breaks,
        "tree": _tree(snapshot),
        "content_hash": snapshot.content_hash,
        "needs_attention": snapshot.attention,
        "last_error": snapshot.last_error,
        "signed_at": rest.moment(signature.signed_at if signature else None),
    }


def public_json(signature: ReserveSignature) -> dict[str, object]:
    """A signed snapshot on the wire, for everybody: totals only."""
    snapshot = signature.snapshot
    return {
        "id": str(snapshot.pk),
        "symbol": snapshot.symbol,
        "chain_id": snapshot.chain_id,
        "contract": snapshot.contract,
        "block": _block(snapshot),
        "figures": snapshot.figures,
        "difference": rest.amount(snapshot.difference),
        "agrees": snapshot.agrees,
        "explanations": signature.explanations,
        "tree": _tree(snapshot),
        "content_hash": snapshot.content_hash,
        "built_at": rest.moment(snapshot.built_at),
        "signed_at": rest.moment(signature.signed_at),
    }
