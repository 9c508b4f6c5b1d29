"""Pages of the buy flow: dashboard, buy, review, orders and receipt (RAT-013 to RAT-015)."""

import uuid
from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import signed_in
from accounts.models import User, Wallet
from accounts.selectors import wallet_of
from agora.lib.outcome import OutsideError
from agora.lib.pages import fragment
from kyc.gates import approved_required
from kyc.holds import is_held
from kyc.models import Application
from kyc.selectors import application_of, limit_status
from tokens.selectors import Balance, balance_of
from trading import quotes
from trading.estimates import Estimate, estimate, limit_message
from trading.forms import ConfirmForm, QuantityForm
from trading.models import Order
from trading.quotes import Quote, QuoteExpired, QuoteInvalid, QuoteUnavailable
from trading.reserve_proofs import counted_in
from trading.selectors import headline, order_for, orders_of, timeline
from trading.services import OrderRefused, cancel_order, place_order
from trading.states import MOVES, State

ORDERS_PER_PAGE = 20
RECENT_ORDERS = 5
FAST_POLL_SECONDS, SLOW_POLL_SECONDS, FAST_FOR_SECONDS = 2, 10, 60


@login_required
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """Balance as the chain has it, today's limit, the last orders and what to do next."""
    user, now = signed_in(request), timezone.now()
    wallet = wallet_of(user)
    application = application_of(user)
    context = {
        "application": application,
        "paused": _pause(application, wallet),
        "wallet": wallet,
        "balance": _balance(wallet.address) if wallet else None,
        "limit": limit_status(user=user, now=now),
        "orders": orders_of(user)[:RECENT_ORDERS],
    }
    return render(request, "trading/dashboard.html", context)


def _balance(address: str) -> Balance | None:
    try:
        return balance_of(address)
    except OutsideError:
        return None


def _pause(application: Application | None, wallet: Wallet | None) -> str:
    """The code with which every order of somebody approved would be refused now; empty for none."""
    if application is None or not application.is_approved:
        return ""
    if is_held(application.pk):
        return "buying_paused"
    return "wallet_disputed" if wallet and wallet.disputed_at else ""


@approved_required
@require_safe
def buy(request: HttpRequest) -> HttpResponse:
    """The first step of a purchase: how many shares."""
    form = QuantityForm(initial={"quantity": request.GET.get("quantity", "0.5")})
    return _buy_page(request, form, now=timezone.now())


@fragment
@require_safe
def buy_estimate(request: HttpRequest) -> HttpResponse:
    """The estimate of the buy page, redrawn while a person types; 422 with the reason if unusable."""
    user, now = signed_in(request), timezone.now()
    form = QuantityForm(request.GET)
    quote = _quote(now=now)
    found = _estimate(form, quote=quote, user=user, now=now) if form.is_valid() and quote else None
    context = {"form": form, "quote": quote, "estimate": found, "stale": _stale(quote, now=now)}
    return render(request, "trading/_estimate.html", context, status=422 if form.errors else 200)


@approved_required
@require_http_methods(["GET", "HEAD", "POST"])
def buy_review(request: HttpRequest) -> HttpResponse:
    """The second step: price, worst price and fee frozen, to be confirmed before the price expires."""
    if request.method != "POST":
        return redirect("buy")
    user, now = signed_in(request), timezone.now()
    form = QuantityForm(request.POST)
    quote = _quote(now=now)
    wallet = wallet_of(user)
    paused = _pause(application_of(user), wallet)
    if paused or not form.is_valid() or quote is None or quote.stale(now):
        return _buy_page(request, form, now=now, quote=quote, status=422)
    found = _estimate(form, quote=quote, user=user, now=now)
    if found.problem:
        form.add_error("quantity", found.problem)
        return _buy_page(request, form, now=now, quote=quote, status=422)
    context = {
        "estimate": found,
        "quote": quote,
        "wallet": wallet,
        "confirm": ConfirmForm(
            initial={
                "quantity": found.quantity_text,
                "quote": quotes.freeze(quote),
                "placement_key": uuid.uuid4(),
            }
        ),
    }
    return render(request, "trading/review.html", context)


@approved_required
@require_POST
def buy_confirm(request: HttpRequest) -> HttpResponse:
    """Place the order that was reviewed; the same form sent twice leads to the same order."""
    user, now = signed_in(request), timezone.now()
    form = ConfirmForm(request.POST)
    if not form.is_valid():
        return _buy_page(request, QuantityForm(request.POST), now=now, status=422)
    data = form.cleaned_data
    key = str(data["placement_key"])
    try:
        placed = place_order(
            user=user,
            quantity=data["quantity"],
            quote=quotes.thaw(data["quote"], now=now),
            source=Order.Source.PAGE,
            placement_key=key,
            now=now,
        )
    except (QuoteExpired, QuoteInvalid):
        earlier = orders_of(user).filter(placement_key=key).first()
        if earlier is not None:
            return redirect("order", order_id=earlier.pk)
        problem = _("The price was only held for a short time. Here is the new one.")
    except OrderRefused as refusal:
        limit = limit_status(user=user, now=now)
        exceeded = refusal.code == "limit_exceeded" and limit is not None
        problem = (
            limit_message(limit, requested_usd=refusal.extra["requested_usd"])
            if exceeded and limit is not None
            else str(refusal.message)
        )
    else:
        return redirect("order", order_id=placed.pk)
    return _buy_page(request, QuantityForm(request.POST), now=now, problem=problem, status=422)


def _buy_page(
    request: HttpRequest,
    form: QuantityForm,
    *,
    now: datetime,
    quote: Quote | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    user = signed_in(request)
    quote = quote or _quote(now=now)
    probe = form if form.is_bound else QuantityForm({"quantity": form.initial.get("quantity", "")})
    found = (
        _estimate(probe, quote=quote, user=user, now=now) if probe.is_valid() and quote else None
    )
    context = {
        "form": form,
        "quote": quote,
        "estimate": found,
        "stale": _stale(quote, now=now),
        "limit": limit_status(user=user, now=now),
        "problem": problem,
        "paused": _pause(application_of(user), wallet_of(user)),
    }
    return render(request, "trading/buy.html", context, status=status)


def _quote(*, now: datetime) -> Quote | None:
    try:
        return quotes.current_quote(now=now)
    except QuoteUnavailable:
        return None


def _stale(quote: Quote | None, *, now: datetime) -> bool:
    return quote is not None and quote.stale(now)


def _estimate(form: QuantityForm, *, quote: Quote, user: User, now: datetime) -> Estimate:
    return estimate(
        quantity=form.cleaned_data["quantity"],
        quote=quote,
        limit=limit_status(user=user, now=now),
    )


@login_required
@require_safe
def orders(request: HttpRequest) -> HttpResponse:
    """All orders of the person, newest first."""
    page = Paginator(orders_of(signed_in(request)), ORDERS_PER_PAGE).get_page(
        request.GET.get("page")
    )
    return render(request, "trading/orders.html", {"page": page})


@login_required
@require_safe
def order(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """One order with its timeline; follows the order by itself, or by reloading without a script."""
    found = _order_or_404(request, order_id)
    return render(request, "trading/order.html", _order_context(found, now=timezone.now()))


@fragment
@require_safe
def order_status(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """What the order page shows of its order; an empty 304 while nothing has changed."""
    if not request.headers.get("HX-Request"):
        return redirect("order", order_id=order_id)
    context = _order_context(_order_or_404(request, order_id), now=timezone.now())
    tag = str(context["tag"])
    if request.headers.get("HX-PTag") == tag:
        return HttpResponseNotModified()
    response = render(request, "trading/_order_progress.html", context)
    response["HX-PTag"] = tag
    return response


def _order_or_404(request: HttpRequest, order_id: UUID) -> Order:
    try:
        return order_for(user=signed_in(request), order_id=order_id)
    except Order.DoesNotExist as error:
        raise Http404 from error


def _order_context(found: Order, *, now: datetime) -> dict[str, object]:
    finished = found.state in MOVES.terminal
    young = (now - found.created_at).total_seconds() < FAST_FOR_SECONDS
    queued = _cancellable(found)
    poll_seconds = FAST_POLL_SECONDS if young and not queued else SLOW_POLL_SECONDS
    return {
        "order": found,
        "headline": headline(found),
        "steps": timeline(found),
        "finished": finished,
        "cancellable": queued,
        "minted": found.state == State.MINT_CONFIRMED,
        "counted": counted_in(found),
        "poll_seconds": None if finished else poll_seconds,
        # The tag changes with the pace, so that the page gets told to slow down.
        "tag": f"{found.pk}-{found.version}-{int(found.attention)}-{0 if finished else poll_seconds}",
    }


def _cancellable(found: Order) -> bool:
    return found.state == State.PENDING and found.sent_at is None and found.queued_until is not None


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def order_cancel(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Ask before an order that waits for the market is cancelled, then cancel it."""
    found = _order_or_404(request, order_id)
    if request.method == "POST":
        try:
            cancel_order(user=signed_in(request), order_id=order_id, now=timezone.now())
        except OrderRefused as refusal:
            messages.error(request, str(refusal.message))
        else:
            messages.success(request, _("The order is cancelled and its limit is free again."))
        return redirect("order", order_id=order_id)
    if not _cancellable(found):
        messages.error(request, _("The order is already at the broker and cannot be cancelled."))
        return redirect("order", order_id=order_id)
    return render(request, "trading/order_cancel.html", {"order": found})


@login_required
@require_safe
def order_receipt(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """A page to print: what was bought, what it cost and the evidence of each step."""
    found = _order_or_404(request, order_id)
    if not found.filled_quantity:
        messages.info(request, _("There is a receipt once the broker has bought the share."))
        return redirect("order", order_id=order_id)
    context = _order_context(found, now=timezone.now())
    context["application"] = application_of(signed_in(request))
    context["receipt_url"] = request.build_absolute_uri(reverse("order", args=[found.pk]))
    return render(request, "trading/receipt.html", context)
