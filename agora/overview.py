"""The first page of the back office: what waits for officers, in a few counts with links."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from agora.lib.catalog import Text
from compliance import four_eyes
from compliance.models import ReserveSnapshot
from kyc.cases.queue import overdue
from kyc.models import Case
from kyc.states import WITH_OFFICERS
from trading.models import Order


@dataclass(frozen=True)
class Figure:
    """One count: what of, how many, whether that is all right, and where to look."""

    title: Text
    value: Text
    words: Text
    address: str
    good: bool


def environment(_request: HttpRequest) -> tuple[str, str]:
    """The label on every page: whether what is decided here moves anything real, and its colour."""
    if settings.LIVE_VENDORS:
        names = ", ".join(sorted(name.title() for name in settings.LIVE_VENDORS))
        return str(_("LIVE: %(vendors)s, chain %(chain)s") % _where(names)), "danger"
    return str(_("Test: paper, sandbox, testnet, chain %(chain)s") % _where("")), "info"


def _where(vendors: str) -> dict[str, object]:
    return {"vendors": vendors, "chain": settings.CHAIN_ID}


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the counts that the officer may see to the context of the first page."""
    return {**context, "figures": figures(request.user, timezone.now())}


def figures(officer: Any, now: datetime) -> list[Figure]:
    """The counts, for who may see what they count; a query or two for each."""
    shown: list[Figure] = []
    if officer.has_perm("kyc.view_case"):
        shown += _cases(officer, now)
    if officer.has_perm("compliance.view_proposal"):
        shown.append(_decisions(officer, now))
    if officer.has_perm("trading.view_order"):
        shown.append(_orders())
    if officer.has_perm("compliance.view_reservesnapshot"):
        shown.append(_reserve())
    return shown


def _cases(officer: Any, now: datetime) -> list[Figure]:
    """Without one's own, which one does not see in the queue either."""
    others = Case.objects.filter(closed_at=None).exclude(application__user=officer.pk)
    counts = others.aggregate(
        waiting=Count("pk", filter=Q(state__in=WITH_OFFICERS)),
        late=Count("pk", filter=overdue(now)),
    )
    address = reverse("admin:kyc_case_changelist")
    return [
        Figure(
            title=_("Cases with officers"),
            value=str(counts["waiting"]),
            words=_("waiting or under review"),
            address=address,
            good=True,
        ),
        Figure(
            title=_("Overdue cases"),
            value=str(counts["late"]),
            words=_("past their due time") if counts["late"] else _("all in time"),
            address=f"{address}?{urlencode({'queue': 'overdue'})}",
            good=not counts["late"],
        ),
    ]


def _decisions(officer: Any, now: datetime) -> Figure:
    waiting = four_eyes.waiting_for(officer, now=now)
    address = reverse("admin:compliance_proposal_changelist")
    return Figure(
        title=_("Decisions for you"),
        value=str(waiting.count()),
        words=_("proposed by others"),
        address=f"{address}?{urlencode({'waits': 'me'})}",
        good=True,
    )


def _orders() -> Figure:
    waiting = Order.objects.filter(attention=True).count()
    address = reverse("admin:trading_order_changelist")
    return Figure(
        title=_("Orders that need a person"),
        value=str(waiting),
        words=_("to be tried again or ended") if waiting else _("all go on by themselves"),
        address=f"{address}?{urlencode({'attention__exact': 1})}",
        good=not waiting,
    )


def _reserve() -> Figure:
    address = reverse("admin:compliance_reservesnapshot_changelist")
    newest = (
        ReserveSnapshot.objects.filter(state=ReserveSnapshot.State.READY)
        .select_related("signature")
        .order_by("-built_at")
        .only("built_at", "difference", "breaks", "signature__signed_at")
        .first()
    )
    return Figure(
        title=_("Proof of reserve"),
        value=f"{newest.built_at:%Y-%m-%d}" if newest else "–",
        words=_found(newest) if newest else _("No proof of reserve yet."),
        address=address,
        good=newest is None or not newest.breaks,
    )


def _found(snapshot: ReserveSnapshot) -> Text:
    if snapshot.breaks:
        told = _("differences that nothing explains: %(count)s")
        return str(told % {"count": snapshot.breaks})
    if hasattr(snapshot, "signature"):
        return _("accounts for everything, signed")
    return _("accounts for everything, not signed yet")
