"""Pages of a follower's subscriptions: list, one of them, change, pause, resume, stop (SUB-1)."""

import uuid
from collections.abc import Callable
from decimal import Decimal

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import signed_in
from accounts.models import User
from copytrade.forms.subscriptions import EditForm, StopForm, initial_of
from copytrade.models import Subscription
from copytrade.selectors import subscriptions as selectors
from copytrade.selectors.equity import subscription_equity
from copytrade.services import funds
from copytrade.services import subscriptions as services
from copytrade.services.funds import FundsUnknown
from copytrade.services.subscriptions import SubscriptionRefused
from copytrade.states import SubscriptionState
from copytrade.views.subscribing import hidden_of, shown_choices

PER_PAGE = 20
LEGS_SHOWN = 20
_RUNNING = (SubscriptionState.ACTIVE, SubscriptionState.PAUSED, SubscriptionState.REDUCING)


@login_required
@require_safe
def subscriptions(request: HttpRequest) -> HttpResponse:
    """All subscriptions of the person with what each is worth, newest first."""
    found = Paginator(selectors.subscriptions_of(signed_in(request)), PER_PAGE)
    page = found.get_page(request.GET.get("page"))
    rows = selectors.standings_of(list(page.object_list))
    return render(request, "copytrade/subscriptions.html", {"page": page, "rows": rows})


@login_required
@require_safe
def subscription(request: HttpRequest, subscription_id: uuid.UUID) -> HttpResponse:
    """One subscription: its worth, what it holds, what became of the last signals, its terms."""
    found = _own(signed_in(request), subscription_id)
    context = {
        "subscription": found,
        "standing": selectors.standing_of(found),
        "holdings": selectors.holdings_of(found),
        "latest": selectors.latest_of(found, limit=LEGS_SHOWN),
        "running": found.state in _RUNNING,
        "choices": {
            "sizing": found.get_sizing_display(),
            "minimum": found.get_minimum_display(),
            "on_stop": found.get_on_stop_display(),
        },
        "slippage_percent": Decimal(found.slippage_bps) / 100,
    }
    return render(request, "copytrade/subscription.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def subscription_edit(request: HttpRequest, subscription_id: uuid.UUID) -> HttpResponse:
    """Change the terms: what the change comes to is shown before it is saved."""
    user = signed_in(request)
    found = _own(user, subscription_id)
    if found.state not in _RUNNING:
        messages.error(request, _("The subscription is being stopped or has ended."))
        return redirect("subscription", subscription_id=found.pk)
    pairs = dict.fromkeys([*found.symbols, *found.strategy.symbols])
    form = EditForm(request.POST or None, initial=initial_of(found), pairs=pairs)
    context: dict[str, object] = {
        "form": form,
        "subscription": found,
        "equity": subscription_equity(subscription=found),
    }
    step = request.POST.get("step", "")
    if request.method != "POST" or step == "change" or not form.is_valid():
        status = 422 if step != "change" and form.errors else 200
        return render(request, "copytrade/subscription_edit.html", context, status=status)
    try:
        answer = _go_on(request, form, context, user=user, found=found)
    except FundsUnknown as unknown:
        form.add_error("allocated", str(unknown.message))
    except SubscriptionRefused as refusal:
        form.refuse(refusal)
    else:
        return answer
    return render(request, "copytrade/subscription_edit.html", context, status=422)


def _go_on(
    request: HttpRequest,
    form: EditForm,
    context: dict[str, object],
    *,
    user: User,
    found: Subscription,
) -> HttpResponse:
    """Show what the change comes to, or save the one that was reviewed."""
    changes = form.choices_made()
    raises = changes["allocated"] > found.allocated
    held = funds.held_now(found.account) if raises else None
    if request.POST.get("step") != "confirm":
        context["planned"] = services.plan(subscription=found, changes=changes, held=held)
        context["choices"] = shown_choices(form, ("sizing", "minimum", "on_stop"))
        context["slippage_percent"] = form.data.get("slippage")
        context["hidden"] = hidden_of(form)
        return render(request, "copytrade/subscription_edit_review.html", context)
    services.update(
        user=user,
        subscription_id=found.pk,
        changes=changes,
        version=form.cleaned_data["version"],
        held=held,
        now=timezone.now(),
    )
    messages.success(request, _("The settings are saved. They apply to new orders."))
    return redirect("subscription", subscription_id=found.pk)


@login_required
@require_POST
def subscription_pause(request: HttpRequest, subscription_id: uuid.UUID) -> HttpResponse:
    """Copy closes only."""
    return _act(
        request,
        subscription_id,
        lambda user: services.pause(user=user, subscription_id=subscription_id, now=timezone.now()),
        told=_("Copying is paused: only closes are copied."),
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def subscription_resume(request: HttpRequest, subscription_id: uuid.UUID) -> HttpResponse:
    """Copy everything again; after a loss limit only once the person has confirmed it."""
    found = _own(signed_in(request), subscription_id)
    held_back = found.state == SubscriptionState.REDUCING
    confirmed = bool(request.POST.get("confirm"))
    if request.method != "POST" or (held_back and not confirmed):
        context = {"subscription": found, "standing": selectors.standing_of(found)}
        return render(request, "copytrade/subscription_resume.html", context)
    return _act(
        request,
        subscription_id,
        lambda user: services.resume(
            user=user, subscription_id=subscription_id, confirm=confirmed, now=timezone.now()
        ),
        told=_("Copying goes on."),
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def subscription_stop(request: HttpRequest, subscription_id: uuid.UUID) -> HttpResponse:
    """Ask what happens to the positions, then begin to stop."""
    found = _own(signed_in(request), subscription_id)
    form = StopForm(request.POST or None, initial={"on_stop": found.on_stop})
    if request.method != "POST" or not form.is_valid():
        context = {
            "subscription": found,
            "form": form,
            "holdings": selectors.holdings_of(found),
            "ended": found.state == SubscriptionState.STOPPED,
        }
        status = 422 if form.errors else 200
        return render(request, "copytrade/subscription_stop.html", context, status=status)
    return _act(
        request,
        subscription_id,
        lambda user: services.stop(
            user=user,
            subscription_id=subscription_id,
            on_stop=form.cleaned_data["on_stop"],
            now=timezone.now(),
        ),
        told=_("Copying is being stopped. You are told when it is done."),
    )


def _act(
    request: HttpRequest,
    subscription_id: uuid.UUID,
    act: Callable[[User], Subscription],
    *,
    told: str,
) -> HttpResponse:
    try:
        act(signed_in(request))
    except Subscription.DoesNotExist as error:
        raise Http404 from error
    except SubscriptionRefused as refusal:
        messages.error(request, str(refusal.message))
    else:
        messages.success(request, told)
    return redirect("subscription", subscription_id=subscription_id)


def _own(user: User, subscription_id: uuid.UUID) -> Subscription:
    try:
        return selectors.subscription_for(user=user, subscription_id=subscription_id)
    except Subscription.DoesNotExist as error:
        raise Http404 from error
