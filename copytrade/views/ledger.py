"""Pages of the ledger: trades with filters and files, and its comparison with the exchange (LED-1)."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import signed_in
from agora.lib import throttle
from agora.lib.pages import attachment
from copytrade.forms.ledger import BookForm, HistoryForm
from copytrade.models import ExchangeAccount
from copytrade.selectors import history, proof
from copytrade.selectors.risk import zone_of
from copytrade.services import proof as proving
from copytrade.services.exports import COLUMNS, FORMS, ExportRefused, export_history

ROWS_PER_PAGE = 50
_WITHOUT_CURSOR = ("older", "what", "form")


@login_required
@require_safe
def trades(request: HttpRequest) -> HttpResponse:
    """The person's trades, newest first; filters stand in the address, pages are keyset pages."""
    user = signed_in(request)
    zone = zone_of(user)
    asked = request.GET.copy()
    asked.setdefault("zone", zone)
    form = HistoryForm(asked, user=user)
    if not form.is_valid():
        return render(request, "copytrade/trades.html", {"form": form}, status=422)
    filters = form.filters(zone=zone)
    found = history.trades_of(user=user, filters=filters).select_related(
        "account", "copy_order__signal__strategy", "strategy", "subscription__strategy"
    )
    try:
        page = history.page_of(found, cursor=request.GET.get("older", ""), size=ROWS_PER_PAGE)
    except history.BadCursor:
        return redirect("copy-ledger")
    for name in _WITHOUT_CURSOR:
        asked.pop(name, None)
    context = {
        "form": form,
        "page": page,
        "totals": history.totals_of(found),
        "zone": filters.zone,
        "query": asked.urlencode(),
        "filtered": any(asked.get(name) for name in form.fields if name != "zone"),
        "is_first": not request.GET.get("older"),
    }
    return render(request, "copytrade/trades.html", context)


@login_required
@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    """The same rows as a file; an address that asks for something odd leads back to the page."""
    user = signed_in(request)
    form = HistoryForm(request.GET, user=user)
    what, kind = request.GET.get("what", "trades"), request.GET.get("form", "csv")
    if not form.is_valid() or what not in COLUMNS or kind not in FORMS:
        messages.error(request, _("Choose the filters again, then the kind of file."))
        return redirect("copy-ledger")
    if not throttle.allowed(rate="export", who=str(user.pk)):
        return render(request, "429.html", status=429)
    try:
        exported = export_history(
            user=user,
            what=what,
            form=kind,
            filters=form.filters(zone=zone_of(user)),
            now=timezone.now(),
        )
    except ExportRefused as refusal:
        messages.error(request, str(refusal.message))
        return redirect("copy-ledger")
    return attachment(exported.file, name=exported.name, content_type=exported.content_type)


@login_required
@require_safe
def comparison(request: HttpRequest) -> HttpResponse:
    """Ledger and exchange side by side, for each account of the person."""
    return render(
        request, "copytrade/proof.html", {"proofs": proof.proofs_of(user=signed_in(request))}
    )


@login_required
@require_POST
def compare_now(request: HttpRequest, account_id: UUID) -> HttpResponse:
    """Compare one of the person's accounts at once."""
    account = _account_or_404(request, account_id)
    if not throttle.allowed(rate="export", who=f"proof:{account.pk}"):
        return render(request, "429.html", status=429)
    try:
        proved = proving.prove(account_id=account.pk, now=timezone.now())
    except proving.ProofRefused as refusal:
        messages.error(request, str(refusal.message))
    else:
        if proved.differences:
            messages.warning(request, _("There are differences. They are listed below."))
        else:
            messages.success(request, _("Ledger and exchange agree in every asset."))
    return redirect("copy-proof")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def book_difference(request: HttpRequest, account_id: UUID, asset: str) -> HttpResponse:
    """Ask what a difference was, then book it as a deposit or withdrawal."""
    account = _account_or_404(request, account_id)
    rows = [row for row in proof.proof_of(account).differences if row.asset == asset]
    if not rows:
        messages.error(request, _("There is no difference to book."))
        return redirect("copy-proof")
    form = BookForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            proving.book_difference(
                account_id=account.pk,
                asset=asset,
                note=form.cleaned_data["note"],
                by=signed_in(request),
                now=timezone.now(),
            )
        except proving.ProofRefused as refusal:
            messages.error(request, str(refusal.message))
        else:
            messages.success(request, _("Booked. Ledger and exchange agree again."))
        return redirect("copy-proof")
    context = {"account": account, "row": rows[0], "form": form}
    return render(
        request, "copytrade/book_difference.html", context, status=422 if form.errors else 200
    )


def _account_or_404(request: HttpRequest, account_id: UUID) -> ExchangeAccount:
    found = ExchangeAccount.objects.filter(pk=account_id, user=signed_in(request)).first()
    if found is None:
        raise Http404
    return found
