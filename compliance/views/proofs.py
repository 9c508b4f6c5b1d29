"""A person's part in the proof of reserve: their balance, its proof, and how to check it."""

import json
from io import BytesIO
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from eth_utils.address import to_checksum_address

from accounts.access import signed_in
from agora.lib.money import shares_of
from agora.lib.pages import attachment
from compliance.reserves import holdings
from compliance.reserves.holdings import Holding
from compliance.reserves.liabilities import Proof, ProofError

VERIFIER = "verify_reserve_proof.py"


@login_required
@require_safe
def my_reserves(request: HttpRequest, snapshot_id: UUID | None = None) -> HttpResponse:
    """The person's balance in a published snapshot, and each step from it to the root."""
    user = signed_in(request)
    holding = holdings.holding_of(user, snapshot_id=snapshot_id)
    thinned = holdings.without_tree(snapshot_id=snapshot_id) if snapshot_id else None
    if holding is None and snapshot_id is not None and thinned is None:
        raise Http404
    context = {
        "thinned": thinned,
        "holding": holding,
        "snapshot": holding and holding.signature.snapshot,
        "parts": _parts(holding) if holding else [],
        "total": holding and shares_of(int(holding.signature.snapshot.tree_sum or 0)),
        "others": [each.signature for each in holdings.holdings_of(user)],
    }
    response = render(request, "compliance/my_reserves.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


def _parts(holding: Holding) -> list[dict[str, object]]:
    try:
        proofs = holdings.proofs_of(holding)
    except ProofError:
        return []
    return [
        {
            "proof": proof,
            "address": to_checksum_address(proof.address),
            "number": number,
            "shares": shares_of(proof.units),
            "leaf": proof.climb[0].hash.hex(),
            "steps": _steps(proof),
        }
        for number, proof in enumerate(proofs, start=1)
    ]


def _steps(proof: Proof) -> list[dict[str, object]]:
    """What stands beside each node on the way up, and what both make."""
    climbed = proof.climb
    return [
        {
            "level": level + 1,
            "on_the_left": bool(proof.index >> level & 1),
            "hash": sibling.hash.hex(),
            "sum": sibling.sum,
            "made_hash": climbed[level + 1].hash.hex(),
            "made_sum": climbed[level + 1].sum,
        }
        for level, sibling in enumerate(proof.path)
    ]


@login_required
@require_safe
def proof_file(request: HttpRequest, snapshot_id: UUID, number: int) -> FileResponse:
    """One account's proof as a file; accounts are told by number, so that no address is in a URL."""
    holding = holdings.holding_of(signed_in(request), snapshot_id=snapshot_id)
    if holding is None or not 1 <= number <= len(holding.addresses):
        raise Http404
    try:
        proof = holdings.proofs_of(holding)[number - 1]
    except ProofError as error:
        raise Http404 from error
    text = json.dumps(proof.as_json(), indent=2) + "\n"
    return attachment(
        BytesIO(text.encode()),
        name=f"agora-reserve-proof-{snapshot_id}.json",
        content_type="application/json",
    )


@require_safe
def verifier(request: HttpRequest) -> FileResponse:
    """The stand-alone program that checks such a file."""
    path = Path(settings.BASE_DIR) / "docs" / "verify" / VERIFIER
    return attachment(path.open("rb"), name=VERIFIER, content_type="text/x-python; charset=utf-8")
