"""Pages of risk limits: a person's own, and those of each subscription (RISK-1)."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import signed_in
from accounts.models import User
from accounts.reauthentication import ask, has_shown_recently
from agora.lib.formats import percent_of
from copytrade.forms.risk import LimitsForm, PersonLimitsForm, initial_of
from copytrade.models import RiskLimits, Subscription
from copytrade.replication.risk import OF_THE_DAY
from copytrade.selectors.risk import Standing, limits_of, standings
from copytrade.services import risk
from copytrade.services.risk import RiskRefused
from copytrade.states import SubscriptionState


@dataclass(frozen=True)
class Row:
    """A subscription with its limits, and where it stands today."""

    subscription: Subscription
    limits: RiskLimits | None
    standing: Standing | None

    @property
    def loss(self) -> Decimal:
        return max(self.standing.loss, Decimal(0)) if self.standing else Decimal(0)

    @property
    def used(self) -> int:
        """How many percent of the day's limit are used up."""
        return percent_of(self.loss, self.limits.daily_loss) if self.limits else 0

    @property
    def is_held_back(self) -> bool:
        return (
            self.subscription.state == SubscriptionState.REDUCING
            and self.subscription.state_reason in OF_THE_DAY
        )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def limits(request: HttpRequest) -> HttpResponse:
    """The person's own limits, and a list of their subscriptions'.

    Tightening them is always possible at once; widening needs somebody who has just shown who they are.
    """
    user = signed_in(request)
    row = limits_of(user=user)
    form = PersonLimitsForm(
        request.POST if request.method == "POST" else None, initial=initial_of(row)
    )
    if request.method == "POST" and form.is_valid():
        if risk.widens(row, form.limits()) and not has_shown_recently(request):
            return ask(request)
        try:
            risk.set_limits(by=user, user=user, limits=form.limits(), now=timezone.now())
        except RiskRefused as refusal:
            form.add_error(refusal.field or None, str(refusal.message))
        else:
            messages.success(request, _("Your limits are set. They apply from the next order on."))
            return redirect("risk-limits")
    rows = _rows(user)
    total = sum((r.standing.loss for r in rows if r.standing), Decimal(0))
    context = {
        "form": form,
        "rows": rows,
        "limits": row,
        "loss": max(total, Decimal(0)),
        "used": percent_of(max(total, Decimal(0)), row.daily_loss),
    }
    return render(request, "copytrade/risk.html", context, status=422 if form.errors else 200)


def _rows(user: User) -> list[Row]:
    subscriptions = list(
        Subscription.objects.filter(follower=user)
        .exclude(state=SubscriptionState.STOPPED)
        .select_related("strategy", "risk_limits")
    )
    found = standings(subscription_ids=[s.pk for s in subscriptions], now=timezone.now())
    return [Row(s, getattr(s, "risk_limits", None), found.get(s.pk)) for s in subscriptions]


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def subscription_limits(request: HttpRequest, subscription_id: UUID) -> HttpResponse:
    """The limits of one subscription."""
    user = signed_in(request)
    subscription = _subscription_or_404(user, subscription_id)
    row = limits_of(subscription=subscription)
    form = LimitsForm(request.POST if request.method == "POST" else None, initial=initial_of(row))
    if request.method == "POST" and form.is_valid():
        if risk.widens(row, form.limits()) and not has_shown_recently(request):
            return ask(request)
        try:
            risk.set_limits(
                by=user,
                subscription_id=subscription.pk,
                limits=form.limits(),
                now=timezone.now(),
            )
        except RiskRefused as refusal:
            form.add_error(refusal.field or None, str(refusal.message))
        else:
            messages.success(request, _("The limits are set. They apply from the next order on."))
            return redirect("risk-limits")
    context = {"form": form, "subscription": subscription}
    return render(
        request, "copytrade/risk_subscription.html", context, status=422 if form.errors else 200
    )


def _subscription_or_404(user: User, subscription_id: UUID) -> Subscription:
    found = (
        Subscription.objects.filter(pk=subscription_id, follower=user)
        .select_related("strategy")
        .first()
    )
    if found is None:
        raise Http404
    return found
