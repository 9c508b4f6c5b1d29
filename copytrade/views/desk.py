"""The master's desk: trade here, and followers copy it (EXE-1).

Each act is reviewed or confirmed on a page of its own and posted with a key, so that a form sent
twice acts once. Nothing waits for the exchange here: the desk shows what becomes of it.
"""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import signed_in
from agora.lib.money import plain
from agora.lib.pages import fragment
from copytrade.forms.desk import CloseForm, ConfirmForm, ReplaceForm, TicketForm
from copytrade.models import MasterOrder, OrderType, Side, Strategy
from copytrade.selectors import desk as selectors
from copytrade.services import desk, ticket
from copytrade.services.ticket import DeskRefused

POLL_SECONDS = 3


@login_required
@require_safe
def desk_page(request: HttpRequest, strategy_id: uuid.UUID) -> HttpResponse:
    """The desk of one's own strategy; follows what happens, or shows it again when reloaded."""
    strategy = _own(request, strategy_id)
    asked = {name: request.GET[name] for name in ("symbol", "side") if name in request.GET}
    return _page(request, strategy, TicketForm(initial=asked, pairs=strategy.symbols))


@fragment
@require_safe
def desk_state(request: HttpRequest, strategy_id: uuid.UUID) -> HttpResponse:
    """What changes on the desk; an empty 304 while nothing has."""
    strategy = _own(request, strategy_id)
    if not request.headers.get("HX-Request"):
        return redirect("desk", strategy_id=strategy_id)
    context = _state(strategy, now=timezone.now())
    if request.headers.get("HX-PTag") == context["tag"]:
        return HttpResponseNotModified()
    response = render(request, "copytrade/_desk_state.html", context)
    response["HX-PTag"] = str(context["tag"])
    return response


@fragment
@require_safe
def desk_prices(request: HttpRequest, strategy_id: uuid.UUID) -> HttpResponse:
    """The newest prices of the strategy's pairs."""
    strategy = _own(request, strategy_id)
    if not request.headers.get("HX-Request"):
        return redirect("desk", strategy_id=strategy_id)
    context = _price_context(strategy, now=timezone.now())
    return render(request, "copytrade/_desk_prices.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def desk_review(request: HttpRequest, strategy_id: uuid.UUID) -> HttpResponse:
    """The order as it would be sent, and how many would copy it; nothing is sent yet."""
    if request.method != "POST":
        return redirect("desk", strategy_id=strategy_id)
    strategy, now = _own(request, strategy_id), timezone.now()
    form = TicketForm(request.POST, pairs=strategy.symbols)
    if not form.is_valid():
        return _page(request, strategy, form, status=422)
    try:
        context = _reviewed(strategy, form.cleaned_data, now=now)
    except DeskRefused as refusal:
        form.refuse(refusal)
        return _page(request, strategy, form, status=422)
    return render(request, "copytrade/desk_review.html", context)


def _reviewed(strategy: Strategy, data: dict[str, Any], *, now: datetime) -> dict[str, object]:
    """What the review page shows; raises DeskRefused as placing would."""
    symbol, kind = str(data["symbol"]), str(data["type"])
    amount, price = data["amount"], data["price"]
    market = ticket.market_of(symbol)
    reference = price or ticket.price_of(strategy=strategy, symbol=symbol, now=now)
    quantity = (
        ticket.quantity_for(value=amount, price=reference, market=market, type=kind)
        if data["unit"] == "quote"
        else amount
    )
    desk.check(
        strategy=strategy,
        side=str(data["side"]),
        type=kind,
        symbol=symbol,
        quantity=quantity,
        price=price,
        now=now,
    )
    terms = {"symbol": symbol, "side": data["side"], "type": kind}
    numbers = {"quantity": plain(quantity), "price": "" if price is None else plain(price)}
    return {
        "strategy": strategy,
        "market": market,
        "side": data["side"],
        "buying": data["side"] == Side.BUY,
        "limit": kind == OrderType.LIMIT,
        "quantity": quantity,
        "price": price,
        "reference": reference,
        "value": quantity * reference,
        "followers": selectors.followers_of(strategy),
        "confirm": ConfirmForm(initial={**terms, **numbers, "placement_key": uuid.uuid4()}),
    }


@login_required
@require_POST
def desk_confirm(request: HttpRequest, strategy_id: uuid.UUID) -> HttpResponse:
    """Place the order that was reviewed; the same form sent twice places one order."""
    strategy = _own(request, strategy_id)
    form = ConfirmForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("The order was not placed. Fill in the ticket again."))
        return redirect("desk", strategy_id=strategy_id)
    data = form.cleaned_data
    try:
        desk.place(
            strategy=strategy,
            by=signed_in(request),
            side=data["side"],
            type=data["type"],
            symbol=data["symbol"],
            quantity=data["quantity"],
            price=data["price"],
            source=MasterOrder.Source.PAGE,
            placement_key=f"page:{data['placement_key']}",
            now=timezone.now(),
        )
    except DeskRefused as refusal:
        shown = {
            "symbol": data["symbol"],
            "side": data["side"],
            "type": data["type"],
            "amount": plain(data["quantity"]),
            "unit": "base",
            "price": "" if data["price"] is None else plain(data["price"]),
        }
        ticket_form = TicketForm(shown, pairs=strategy.symbols)
        ticket_form.is_valid()
        ticket_form.refuse(refusal)
        return _page(request, strategy, ticket_form, status=422)
    messages.success(request, _("Your order is on its way to the exchange."))
    return redirect("desk", strategy_id=strategy_id)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def desk_cancel(request: HttpRequest, strategy_id: uuid.UUID, order_id: uuid.UUID) -> HttpResponse:
    """Ask before an open order is cancelled, then have it cancelled."""
    strategy = _own(request, strategy_id)
    order = _order(strategy, order_id)
    if request.method != "POST":
        return render(request, "copytrade/desk_cancel.html", {"strategy": strategy, "order": order})
    try:
        desk.cancel(strategy=strategy, by=signed_in(request), order_id=order_id, now=timezone.now())
    except DeskRefused as refusal:
        messages.error(request, str(refusal.message))
    else:
        messages.success(request, _("The exchange is asked to cancel the order."))
    return redirect("desk", strategy_id=strategy_id)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def desk_replace(request: HttpRequest, strategy_id: uuid.UUID, order_id: uuid.UUID) -> HttpResponse:
    """Change quantity and price of an open limit order by putting a new one in its place."""
    strategy = _own(request, strategy_id)
    order = _order(strategy, order_id)
    rest = {
        "quantity": plain(order.quantity - order.filled),
        "price": plain(order.price or Decimal(0)),
    }
    form = ReplaceForm(request.POST or None, initial={**rest, "placement_key": uuid.uuid4()})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            desk.replace(
                strategy=strategy,
                by=signed_in(request),
                order_id=order_id,
                quantity=data["quantity"],
                price=data["price"],
                source=MasterOrder.Source.PAGE,
                placement_key=f"page:{data['placement_key']}",
                now=timezone.now(),
            )
        except DeskRefused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("The order is being changed at the exchange."))
            return redirect("desk", strategy_id=strategy_id)
    context = {"strategy": strategy, "order": order, "form": form}
    status = 422 if form.errors else 200
    return render(request, "copytrade/desk_replace.html", context, status=status)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def desk_close(request: HttpRequest, strategy_id: uuid.UUID) -> HttpResponse:
    """Sell a part of a position at the market, or all of it, once that is confirmed."""
    strategy = _own(request, strategy_id)
    asked = {
        "symbol": request.GET.get("symbol", ""),
        "part": request.GET.get("part", "100"),
        "placement_key": uuid.uuid4(),
    }
    form = CloseForm(request.POST or None, initial=asked, pairs=strategy.symbols)
    symbol = str(form["symbol"].value() or "")
    if symbol not in strategy.symbols:
        raise Http404
    if request.method == "POST" and form.is_valid():
        try:
            desk.close_position(
                strategy=strategy,
                by=signed_in(request),
                symbol=symbol,
                fraction=form.fraction,
                source=MasterOrder.Source.PAGE,
                placement_key=f"page:{form.cleaned_data['placement_key']}",
                now=timezone.now(),
            )
        except DeskRefused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Your order is on its way to the exchange."))
            return redirect("desk", strategy_id=strategy_id)
    context = {
        "strategy": strategy,
        "form": form,
        "symbol": symbol,
        "free": desk.free_position(strategy=strategy, symbol=symbol),
        "asset": symbol.partition("/")[0],
        "followers": selectors.followers_of(strategy),
    }
    status = 422 if form.errors else 200
    return render(request, "copytrade/desk_close.html", context, status=status)


# --- Parts ----------------------------------------------------------------------------------------


def _own(request: HttpRequest, strategy_id: uuid.UUID) -> Strategy:
    try:
        return selectors.own_strategy(user=signed_in(request), strategy_id=strategy_id)
    except Strategy.DoesNotExist as error:
        raise Http404 from error


def _order(strategy: Strategy, order_id: uuid.UUID) -> MasterOrder:
    try:
        return selectors.order_of(strategy=strategy, order_id=order_id)
    except MasterOrder.DoesNotExist as error:
        raise Http404 from error


def _page(
    request: HttpRequest, strategy: Strategy, form: TicketForm, *, status: int = 200
) -> HttpResponse:
    now = timezone.now()
    context = _state(strategy, now=now) | _price_context(strategy, now=now) | {"form": form}
    return render(request, "copytrade/desk.html", context, status=status)


def _state(strategy: Strategy, *, now: datetime) -> dict[str, object]:
    found = selectors.desk_of(strategy=strategy, now=now)
    return {
        "strategy": strategy,
        "desk": found,
        "poll_seconds": POLL_SECONDS,
        "tag": found.tag,
    }


def _price_context(strategy: Strategy, *, now: datetime) -> dict[str, object]:
    prices = selectors.prices_of(strategy=strategy, now=now)
    return {"strategy": strategy, "prices": prices, "poll_seconds": POLL_SECONDS}
