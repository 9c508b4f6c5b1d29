"""Pages of notices: what a person was told, and where it leads."""

from datetime import datetime
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST, require_safe

from accounts.access import signed_in
from accounts.models import Notice
from accounts.notices import mark_all_read, mark_read
from accounts.selectors import notices_of
from agora.lib import hosts
from agora.lib.pages import next_or

NOTICES_PER_PAGE = 20


@login_required
@require_safe
def notices(request: HttpRequest) -> HttpResponse:
    """All that the person was told, newest first."""
    told = notices_of(signed_in(request))
    page = Paginator(told, NOTICES_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "accounts/notices.html", {"page": page, "now": timezone.now()})


@login_required
@require_POST
def notice_open(request: HttpRequest, notice_id: UUID) -> HttpResponse:
    """Mark a notice as read and lead to what it is about."""
    notice = _read_or_404(request, notice_id)
    path = notice.url or reverse("notices")
    return HttpResponseRedirect(hosts.address(path, by_office=hosts.is_office(request)))


@login_required
@require_POST
def notice_read(request: HttpRequest, notice_id: UUID) -> HttpResponse:
    """Mark a notice as read and stay."""
    _read_or_404(request, notice_id)
    return HttpResponseRedirect(next_or(request, reverse("notices")))


@login_required
@require_POST
def notices_read(request: HttpRequest) -> HttpResponse:
    """Mark all as read that stood on the page when it was drawn: what came since is not missed."""
    now = timezone.now()
    until = _moment(request.POST.get("until", "")) or now
    mark_all_read(user=signed_in(request), until=until, now=now)
    return HttpResponseRedirect(reverse("notices"))


def _read_or_404(request: HttpRequest, notice_id: UUID) -> Notice:
    try:
        return mark_read(user=signed_in(request), notice_id=notice_id, now=timezone.now())
    except Notice.DoesNotExist as error:
        raise Http404 from error


def _moment(text: str) -> datetime | None:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found is not None and timezone.is_aware(found) else None
