"""The public page of the reserves: the newest that is signed, and everything before."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_safe

from agora.lib.money import plain
from compliance.models import ReserveRow, ReserveSignature
from compliance.reserves import selectors

_MOST_PAGES = 10_000
_MOST_DIGITS = len(str(_MOST_PAGES))  # looked at before the number is read: a long one takes long


@require_safe
def reserves(request: HttpRequest) -> HttpResponse:
    """Two queries at most, whatever has been traded: snapshots hold their totals."""
    number = _page_number(request.GET.get("page", "1"))
    history, has_next = selectors.page_of(number)
    if number > 1 and not history:
        raise Http404
    latest = history[0] if number == 1 and history else selectors.latest()
    context = {
        "latest": latest and _told(latest),
        "history": [_told(each) for each in history],
        "page": number,
        "previous_page": number - 1,
        "next_page": number + 1 if has_next else 0,
        "contract": settings.CONTRACT_ADDRESS,
    }
    return render(request, "compliance/reserves.html", context)


def _page_number(text: str) -> int:
    is_short = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    if not is_short or not 1 <= int(text) <= _MOST_PAGES:
        raise Http404
    return int(text)


def _told(signature: ReserveSignature) -> dict[str, object]:
    """One published snapshot as the page shows it."""
    snapshot, kinds = signature.snapshot, dict(ReserveRow.Kind.choices)
    return {
        "snapshot": snapshot,
        "signed_at": signature.signed_at,
        "figures": snapshot.figures,
        "difference": plain(snapshot.difference) if snapshot.difference else "0",
        "agrees": snapshot.agrees,
        "explanations": [
            {**each, "kind": kinds[each["kind"]], "since": parse_datetime(each["since"])}
            for each in signature.explanations
        ],
    }
