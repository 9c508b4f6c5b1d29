"""Pages of subscribing to a strategy: form, preview with the follower's own limits, confirmation."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import signed_in
from accounts.models import User
from agora.lib.pages import fragment
from copytrade.forms.subscriptions import SubscribeForm
from copytrade.models import Strategy
from copytrade.selectors import subscriptions as selectors
from copytrade.selectors.preview import Preview, preview_of
from copytrade.services import funds, subscribing
from copytrade.services.funds import FundsUnknown
from copytrade.services.subscriptions import SubscriptionRefused, refuse_overdrawn
from copytrade.services.terms import faults_of, stop_equity_of

LINES_SHOWN = 50


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def subscription_new(request: HttpRequest, strategy_id: uuid.UUID) -> HttpResponse:
    """Choose terms, see what they would have copied, then subscribe; nothing is stored before."""
    user = signed_in(request)
    invite = request.POST.get("invite") or request.GET.get("invite", "")
    strategy = _strategy(user, strategy_id, invite)
    if strategy.master_id == user.pk:
        messages.error(request, _("This is your own strategy. You cannot copy yourself."))
        return redirect("strategy", strategy_id=strategy.pk)
    running = selectors.running_copy(user=user, strategy_id=strategy.pk)
    if running is not None:
        messages.info(request, _("You copy this strategy already."))
        return redirect("subscription", subscription_id=running.pk)
    context = {"strategy": strategy, "invite": invite}
    form = SubscribeForm(request.POST or None, user=user, strategy=strategy)
    if not form.fields["account"].queryset.exists():  # type: ignore[attr-defined]
        return render(request, "copytrade/subscribe_no_account.html", context)
    context["form"] = form
    if request.method != "POST":
        return render(request, "copytrade/subscribe.html", context)
    step = request.POST.get("step", "")
    if step == "change" or not form.is_valid():
        status = 422 if step != "change" else 200
        return render(request, "copytrade/subscribe.html", context, status=status)
    return _go_on(request, form, context, user=user, strategy=strategy, invite=invite)


def _go_on(
    request: HttpRequest,
    form: SubscribeForm,
    context: dict[str, object],
    *,
    user: User,
    strategy: Strategy,
    invite: str,
) -> HttpResponse:
    """Show the preview of a form that is filled in, or subscribe by one that was reviewed."""
    now = timezone.now()
    try:
        held = funds.held_now(form.account)
        if request.POST.get("step") == "confirm":
            made = subscribing.subscribe(
                user=user,
                strategy_id=strategy.pk,
                account_id=form.account.pk,
                terms=form.terms(),
                start=form.cleaned_data["start"],
                held=held,
                invite_code=invite,
                now=now,
            )
            messages.success(request, _("You now copy %(name)s.") % {"name": strategy.name})
            return redirect("subscription", subscription_id=made.pk)
        _refuse_early(
            form, strategy=strategy, held=funds.free_of(account_id=form.account.pk, held=held)
        )
    except FundsUnknown as unknown:
        form.add_error("account", str(unknown.message))
    except SubscriptionRefused as refusal:
        if refusal.code == "already_subscribed":
            return redirect("subscriptions")
        form.refuse(refusal)
    if form.errors:
        return render(request, "copytrade/subscribe.html", context, status=422)
    return render(
        request, "copytrade/subscribe_review.html", context | _review(form, strategy, user, now)
    )


def _refuse_early(form: SubscribeForm, *, strategy: Strategy, held: Decimal) -> None:
    """What subscribing would refuse, told before the preview."""
    if faults := faults_of(form.terms(), strategy=strategy):
        raise SubscriptionRefused("terms_invalid", faults=faults)
    refuse_overdrawn(form.terms().allocated, free=held)


def _review(
    form: SubscribeForm, strategy: Strategy, user: User, now: datetime
) -> dict[str, object]:
    terms = form.terms()
    preview = _preview(form, strategy=strategy, user=user, now=now)
    return {
        "terms": terms,
        "account": form.account,
        "choices": shown_choices(form, ("sizing", "minimum", "on_stop", "start")),
        "slippage_percent": form.data.get("slippage"),
        "stop_equity": stop_equity_of(equity=terms.allocated, percent=terms.stop_loss_percent),
        "hidden": hidden_of(form),
        "preview": preview,
        "lines": preview.lines[:LINES_SHOWN],
    }


def shown_choices(form: Form, names: Iterable[str]) -> dict[str, object]:
    """The words of what was chosen, by field."""
    return {
        name: dict(form.fields[name].choices)[form.cleaned_data[name]]  # type: ignore[attr-defined]
        for name in names
    }


def hidden_of(form: Form) -> list[tuple[str, str]]:
    """Everything that was filled in, to be sent along unseen with the next step."""
    data = form.data
    return [
        (name, value)
        for name in form.fields
        for value in (data.getlist(name) if hasattr(data, "getlist") else [])
    ]


def _preview(form: SubscribeForm, *, strategy: Strategy, user: User, now: datetime) -> Preview:
    terms = form.terms()
    stop_equity = stop_equity_of(equity=terms.allocated, percent=terms.stop_loss_percent)
    return preview_of(user=user, strategy=strategy, terms=terms, stop_equity=stop_equity, now=now)


@fragment
@require_POST
def subscription_preview(request: HttpRequest, strategy_id: uuid.UUID) -> HttpResponse:
    """The preview's figures, redrawn while a person changes the form."""
    user = signed_in(request)
    strategy = _strategy(user, strategy_id, request.POST.get("invite", ""))
    form = SubscribeForm(request.POST, user=user, strategy=strategy)
    context: dict[str, object] = {"strategy": strategy}
    if form.is_valid() and not faults_of(form.terms(), strategy=strategy):
        context["preview"] = _preview(form, strategy=strategy, user=user, now=timezone.now())
    return render(request, "copytrade/_preview_figures.html", context)


def _strategy(user: User, strategy_id: uuid.UUID, invite: str) -> Strategy:
    try:
        return subscribing.strategy_to_copy(user=user, strategy_id=strategy_id, invite_code=invite)
    except Strategy.DoesNotExist as error:
        raise Http404 from error
