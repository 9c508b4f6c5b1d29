"""Pages of single strategies: what everybody sees, and what their master does (MKT-2)."""

import uuid
from collections.abc import Callable
from datetime import UTC

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import signed_in
from accounts.models import User
from copytrade.forms.strategies import NewStrategyForm, StrategyForm, initial_of
from copytrade.models import Strategy, TrackRecord
from copytrade.selectors import strategies as selectors
from copytrade.services import strategies as services
from copytrade.services.strategies import StrategyRefused
from copytrade.states import StrategyState, SubscriptionState
from copytrade.views.curve import draw
from copytrade.views.market import signed_percent, tone_of

RECENT_TRADES = 20


@login_required
@require_safe
def strategy(request: HttpRequest, strategy_id: uuid.UUID) -> HttpResponse:
    """A strategy with its curve, figures, trades, positions and terms."""
    try:
        found = selectors.strategy_for(user=signed_in(request), strategy_id=strategy_id)
    except Strategy.DoesNotExist as error:
        raise Http404 from error
    return _detail(request, found)


@login_required
@require_safe
def invitation(request: HttpRequest, code: str) -> HttpResponse:
    """The same page for who has the link, which is the only way to a private strategy."""
    try:
        found = selectors.invited(code=code)
    except Strategy.DoesNotExist as error:
        raise Http404 from error
    return _detail(request, found, invite=code)


def _detail(request: HttpRequest, found: Strategy, *, invite: str = "") -> HttpResponse:
    user, today = signed_in(request), timezone.now().astimezone(UTC).date()
    records = selectors.records_of(found)
    period = _period(request)
    points = selectors.curve_of(found, days=period, today=today)
    mine = selectors.subscription_of(user=user, strategy=found)
    context = {
        "strategy": found,
        "is_master": found.master_id == user.pk,
        "subscription": mine,
        "copying": mine is not None and mine.state != SubscriptionState.STOPPED,
        "open": found.state == StrategyState.ACTIVE and found.copiers < found.max_followers,
        "places_left": found.max_followers - found.copiers,
        "period": period,
        "periods": TrackRecord.Period.choices,
        "record": records.get(period),
        "change": signed_percent(records[period].roi) if period in records else "",
        "tone": tone_of(records[period].roi) if period in records else "",
        "curve": draw(points),
        "trades": selectors.trades_of(found)[:RECENT_TRADES],
        "positions": selectors.positions_of(found),
        "invite": invite,
        "invite_url": request.build_absolute_uri(reverse("invitation", args=[found.invite_code])),
    }
    return render(request, "copytrade/strategy.html", context)


def _period(request: HttpRequest) -> int:
    asked = request.GET.get("period", "")
    known = {str(period): period for period in TrackRecord.Period.values}
    return known.get(asked, TrackRecord.Period.QUARTER)


@login_required
@require_safe
def my_strategies(request: HttpRequest) -> HttpResponse:
    """The master's own strategies, with what can be done about each."""
    user = signed_in(request)
    context = {
        "strategies": list(selectors.strategies_of(user)),
        "can_publish": selectors.free_accounts(user).exists(),
    }
    return render(request, "copytrade/my_strategies.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def strategy_new(request: HttpRequest) -> HttpResponse:
    """Publish a strategy on an exchange account of one's own."""
    user = signed_in(request)
    if not selectors.free_accounts(user).exists():
        return render(request, "copytrade/strategy_no_account.html")
    form = NewStrategyForm(request.POST or None, master=user)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_strategy(
                master=user,
                account_id=form.cleaned_data["account"].pk,
                terms=form.terms(),
                now=timezone.now(),
            )
        except StrategyRefused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Your strategy is published."))
            return redirect("strategy", strategy_id=made.pk)
    context = {"form": form}
    return render(request, "copytrade/strategy_form.html", context, status=_status(form))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def strategy_edit(request: HttpRequest, strategy_id: uuid.UUID) -> HttpResponse:
    """Change the terms; followers are told of what concerns them."""
    user = signed_in(request)
    found = _own(user, strategy_id)
    if found.state == StrategyState.DELETED:
        messages.error(request, _("The strategy was deleted and cannot be changed."))
        return redirect("strategy", strategy_id=found.pk)
    form = StrategyForm(request.POST or None, initial=initial_of(found))
    if request.method == "POST" and form.is_valid():
        try:
            services.update_strategy(
                master=user,
                strategy_id=found.pk,
                changes=vars(form.terms()),
                now=timezone.now(),
            )
        except StrategyRefused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("The terms are changed."))
            return redirect("strategy", strategy_id=found.pk)
    context = {"form": form, "strategy": found}
    return render(request, "copytrade/strategy_form.html", context, status=_status(form))


def _status(form: StrategyForm) -> int:
    return 422 if form.errors else 200


def _own(user: User, strategy_id: uuid.UUID) -> Strategy:
    try:
        return selectors.own_strategy(master=user, strategy_id=strategy_id)
    except Strategy.DoesNotExist as error:
        raise Http404 from error


ACTS: dict[str, tuple[Callable[..., Strategy], "str | Promise"]] = {
    "pause": (services.pause_strategy, gettext_lazy("The strategy is paused.")),
    "resume": (services.resume_strategy, gettext_lazy("The strategy goes on.")),
    "delete": (services.delete_strategy, gettext_lazy("The strategy is deleted.")),
}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def strategy_act(request: HttpRequest, strategy_id: uuid.UUID, act: str) -> HttpResponse:
    """Ask before a strategy is paused, resumed or deleted, then do it."""
    user = signed_in(request)
    found = _own(user, strategy_id)
    if request.method != "POST":
        return render(request, "copytrade/strategy_act.html", {"strategy": found, "act": act})
    perform, told = ACTS[act]
    try:
        perform(master=user, strategy_id=found.pk, now=timezone.now())
    except StrategyRefused as refusal:
        messages.error(request, str(refusal.message))
    else:
        messages.success(request, str(told))
    return redirect("strategies-mine")
