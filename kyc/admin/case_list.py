"""Columns and filters of the case queue."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.access import signed_in
from agora.lib.catalog import Text
from kyc.cases.queue import overdue, urgency, waiting_for
from kyc.models import Case
from kyc.states import State

STATE_COLOURS = {
    State.PENDING: "info",
    State.UNDER_REVIEW: "primary",
    State.INFO_REQUESTED: "default",
    State.ESCALATED: "warning",
    State.AWAITING_SECOND: "warning",
    State.APPROVED: "success",
    State.REJECTED: "danger",
    State.ENDED: "default",
}
_DUE: dict[str, Text] = {
    "overdue": _("overdue by %(time)s"),
    "soon": _("due soon: %(time)s left"),
    "in_time": _("in time: %(time)s left"),
}
DUE_COLOURS = {"overdue": "danger", "soon": "warning", "in_time": "success"}


def waiting_count(request: HttpRequest) -> str:
    """For the menu: how many cases this officer could take next; nothing when there is none."""
    waiting = waiting_for(officer=signed_in(request), now=timezone.now()).count()
    return str(waiting) if waiting else ""


def due(case: Case, now: datetime) -> tuple[str, str]:
    """How a case stands to its due time, for the colour and in words; closed and waiting: none."""
    urgent = urgency(case, now)
    words = _DUE.get(urgent, "–")
    return urgent, str(words) % {"time": span(abs(case.due_at - now))}


def span(length: timedelta) -> str:
    """A length of time in whole days, hours or minutes, whichever tells enough."""
    minutes = int(length.total_seconds() // 60)
    if minutes >= 48 * 60:
        return str(_("%(d)d d") % {"d": minutes // 1440})
    if minutes >= 60:
        return str(_("%(h)d h") % {"h": minutes // 60})
    return str(_("%(m)d min") % {"m": minutes})


class QueueFilter(admin.SimpleListFilter):
    """Whose cases, and how urgent; without a choice all open ones."""

    title = _("queue")
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("mine", _("Mine")),
            ("unassigned", _("Unassigned")),
            ("overdue", _("Overdue")),
            ("closed", _("Closed")),
            ("all", _("All, closed ones too")),
        ]

    def choices(self, changelist: Any) -> Iterator[Any]:
        everything = super().choices(changelist)
        yield {**next(everything), "display": _("Open")}
        yield from everything

    def queryset(self, request: HttpRequest, queryset: QuerySet[Case]) -> QuerySet[Case]:
        chosen = self.value()
        if chosen == "all":
            return queryset
        if chosen == "closed":
            return queryset.filter(closed_at__isnull=False)
        opened = queryset.filter(closed_at=None)
        if chosen == "mine":
            return opened.filter(assigned_to=request.user.pk)
        if chosen == "unassigned":
            return opened.filter(assigned_to=None)
        if chosen == "overdue":
            return opened.filter(overdue(timezone.now()))
        return opened
