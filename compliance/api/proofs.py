"""API of a person's part in the proof of reserve."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import own_account
from agora.lib import rest
from agora.lib.catalog import Text
from agora.lib.problems import Problem
from compliance.reserves import holdings
from compliance.reserves.liabilities import ProofError


class ProofNode(serializers.Serializer[Any]):
    """A sibling on the way up: its digest, and the base units below it."""

    hash = serializers.CharField()
    sum = serializers.CharField()


class ProofRoot(serializers.Serializer[Any]):
    """What was published: digest, base units owed, and to how many holders."""

    hash = serializers.CharField()
    sum = serializers.CharField()
    holders = serializers.CharField()


class ProofLeaf(serializers.Serializer[Any]):
    """The holder's own leaf."""

    index = serializers.CharField()
    account = serializers.CharField()
    units = serializers.CharField(help_text="In base units of 10^-18.")
    salt = serializers.CharField()


class InclusionProof(serializers.Serializer[Any]):
    """An inclusion proof, as docs/liabilities-tree.md specifies it."""

    format = serializers.CharField()
    snapshot = serializers.UUIDField()
    root = ProofRoot()
    leaf = ProofLeaf()
    path = ProofNode(many=True)


class ReserveProof(serializers.Serializer[Any]):
    """The proofs of a person's accounts in one published snapshot; mostly it is one."""

    user_id = serializers.UUIDField()
    snapshot_id = serializers.UUIDField()
    block_number = serializers.IntegerField()
    signed_at = serializers.DateTimeField()
    proofs = InclusionProof(many=True)


class ReserveProofOfUser(rest.Endpoint):
    """Proofs for the token's own account."""

    scopes: ClassVar = {"GET": "read"}
    query_parameters = frozenset({"snapshot"})

    @extend_schema(
        operation_id="read_reserve_proof",
        tags=["proof of reserve"],
        parameters=[
            OpenApiParameter(
                "snapshot",
                type={"type": "string", "format": "uuid"},
                description="A published snapshot; default: the newest one that you are in.",
            )
        ],
        responses={200: ReserveProof},
        summary="Read the proof that one's balance is in a published root",
        description=(
            "Only one's own: any other user id is 404, and so is a snapshot in which you held "
            "nothing. Compare `root.hash` with the root that `/api/v1/reserves` publishes."
        ),
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        user = own_account(request, user_id)
        holding = holdings.holding_of(user, snapshot_id=_snapshot(request))
        if holding is None:
            raise Problem("not_found", detail=_why_none(request))
        try:
            proofs = holdings.proofs_of(holding)
        except ProofError as error:
            raise Problem("not_found", detail=str(error.message)) from error
        return Response(
            {
                "user_id": str(user_id),
                "snapshot_id": str(holding.signature.snapshot_id),
                "block_number": holding.signature.snapshot.block_number,
                "signed_at": rest.moment(holding.signature.signed_at),
                "proofs": [proof.as_json() for proof in proofs],
            }
        )


def _why_none(request: Request) -> Text:
    named = _snapshot(request)
    if named and holdings.without_tree(snapshot_id=named):
        return _("The tree of this snapshot is not kept any more; its root stays published.")
    return _("You held no tokens in a published snapshot.")


def _snapshot(request: Request) -> UUID | None:
    text = request.query_params.get("snapshot")
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError as error:
        raise ParseError(_("The snapshot must be a UUID.")) from error
