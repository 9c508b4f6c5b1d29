"""The red button: stop everything of a strategy or a subscription at once, and let it go on."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from accounts.access import signed_in
from accounts.models import User
from copytrade.forms.risk import KillForm
from copytrade.models import KillSwitch, Strategy, Subscription
from copytrade.services import kill


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def engage(request: HttpRequest, level: str, target_id: UUID) -> HttpResponse:
    """Ask why, then stop what belongs to the person: a `strategy` or a `subscription`.

    Wider levels are for officers, in the back office.
    """
    strategy, subscription = _target_or_404(signed_in(request), level, target_id)
    back = _page_of(strategy, subscription)
    form = KillForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            engaged = kill.engage(
                level=level,
                strategy=strategy,
                subscription=subscription,
                reason=form.cleaned_data["reason"],
                by=signed_in(request),
                now=timezone.now(),
            )
        except kill.KillRefused as refusal:
            form.add_error(None, str(refusal.message))
        else:
            for text in told(engaged):
                messages.warning(request, text)
            return redirect(back)
    context = {
        "form": form,
        "level": level,
        "strategy": strategy or (subscription.strategy if subscription else None),
        "back": back,
    }
    return render(
        request, "copytrade/kill_engage.html", context, status=422 if form.errors else 200
    )


def told(engaged: kill.Engaged) -> list[str]:
    """What an engaged switch has to say, in sentences."""
    found = [_("Stopped. Nothing more is sent to the exchange.")]
    if engaged.in_flight:
        found.append(
            ngettext(
                "%(n)d order was on its way at that moment.",
                "%(n)d orders were on their way at that moment.",
                engaged.in_flight,
            )
            % {"n": engaged.in_flight}
        )
    if engaged.left:
        found.append(
            ngettext(
                "%(n)d of them is not answered yet.",
                "%(n)d of them are not answered yet.",
                engaged.left,
            )
            % {"n": engaged.left}
        )
    if engaged.resting:
        found.append(
            ngettext(
                "%(n)d order is open at the exchange and stays so. Cancel it there if you want.",
                "%(n)d orders are open at the exchange and stay so. Cancel them there if you want.",
                engaged.resting,
            )
            % {"n": engaged.resting}
        )
    return found


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def release(request: HttpRequest, switch_id: int) -> HttpResponse:
    """Ask, then let orders go out again."""
    user = signed_in(request)
    switch = (
        KillSwitch.objects.select_related("strategy", "subscription__strategy")
        .filter(pk=switch_id, released_at__isnull=True)
        .first()
    )
    if switch is None or not _is_mine(user, switch):
        raise Http404
    back = _page_of(switch.strategy, switch.subscription)
    if request.method == "POST":
        try:
            kill.release(switch_id=switch.pk, by=user, now=timezone.now())
        except kill.KillRefused as refusal:
            messages.error(request, str(refusal.message))
        else:
            messages.success(request, _("Orders go out again. Closes that waited are sent now."))
        return redirect(back)
    return render(request, "copytrade/kill_release.html", {"switch": switch, "back": back})


def _target_or_404(
    user: User, level: str, target_id: UUID
) -> tuple[Strategy | None, Subscription | None]:
    strategy, subscription = None, None
    if level == "strategy":
        strategy = Strategy.objects.filter(pk=target_id, master=user).first()
    if level == "subscription":
        subscription = (
            Subscription.objects.filter(pk=target_id, follower=user)
            .select_related("strategy")
            .first()
        )
    if strategy is None and subscription is None:
        raise Http404
    return strategy, subscription


def _is_mine(user: User, switch: KillSwitch) -> bool:
    if switch.strategy is not None:
        return switch.strategy.master_id == user.pk
    return switch.subscription is not None and switch.subscription.follower_id == user.pk


def _page_of(strategy: Strategy | None, subscription: Subscription | None) -> str:
    if subscription is not None:
        return reverse("subscription", args=[subscription.pk])
    return reverse("strategy", args=[strategy.pk]) if strategy else reverse("risk-limits")
