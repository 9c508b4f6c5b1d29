"""Pages that answer what became of a signal: for its master in sum, for a follower their own copy."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from copytrade.models import CopyOrder, Signal
from copytrade.selectors import explain


@login_required
@require_safe
def signal(request: HttpRequest, signal_id: UUID) -> HttpResponse:
    """A signal: its master sees how all copies came out, a follower sees their own."""
    user = signed_in(request)
    try:
        found = explain.signal_for(user=user, signal_id=signal_id)
    except Signal.DoesNotExist as error:
        raise Http404 from error
    is_master = found.strategy.master_id == user.pk
    own = explain.legs_for(user).filter(signal=found)
    context = {
        "signal": found,
        "headline": explain.headline(found),
        "answer": explain.explain_signal(found) if is_master else None,
        "legs": [explain.explain_leg(leg) for leg in own],
    }
    return render(request, "copytrade/signal.html", context)


@login_required
@require_safe
def leg(request: HttpRequest, leg_id: UUID) -> HttpResponse:
    """One copy of the person's: what was to be copied, what was, and why not all of it."""
    user = signed_in(request)
    try:
        found = explain.leg_for(user=user, leg_id=leg_id)
    except CopyOrder.DoesNotExist as error:
        raise Http404 from error
    answer = explain.explain_leg(found)
    context = {
        "signal": found.signal,
        "headline": explain.headline(found.signal),
        "answer": answer,
        "fills": found.fills.order_by("at", "pk"),
    }
    return render(request, "copytrade/leg.html", context)
