"""Pages of the address book (WAL-1)."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import signed_in
from accounts.address_book import (
    AddressRefused,
    clean_address,
    create_entry,
    delete_entry,
    relabel_entry,
)
from accounts.addresses import FORMS, Chain, Exchange, cautions
from accounts.forms import AddressForm, LabelForm
from accounts.models import AddressEntry, User
from accounts.reauthentication import recently_signed_in
from accounts.selectors import address_for, addresses_of
from agora.lib.pages import fragment

ADDRESSES_PER_PAGE = 20
# In the page's address, where an empty value means any place.
OWN = "own"


@login_required
@recently_signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def addresses(request: HttpRequest) -> HttpResponse:
    """The address book: list, filter, and the form that adds to it."""
    user = signed_in(request)
    form = AddressForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            entry = create_entry(user=user, **form.cleaned_data, now=timezone.now())
        except AddressRefused as refusal:
            form.add_error(refusal.field or None, str(refusal.message))
        else:
            messages.success(request, _("“%(label)s” is in your book.") % {"label": entry.label})
            return redirect("addresses")
    chosen = _filter(request)
    page = Paginator(_chosen(user, chosen), ADDRESSES_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "chosen": chosen,
        "query": urlencode({name: value for name, value in chosen.items() if value}),
        "chains": Chain.choices,
        "exchanges": [(value or OWN, label) for value, label in Exchange.choices],
        "forms": [(chain.label, FORMS[chain]) for chain in Chain],
    }
    status = 422 if form.errors else 200
    return render(request, "accounts/addresses.html", context, status=status)


def _filter(request: HttpRequest) -> dict[str, str]:
    """What the list is narrowed to; what is not known narrows nothing."""
    chain, exchange = request.GET.get("chain", ""), request.GET.get("exchange", "")
    known = {OWN, *filter(None, Exchange.values)}
    return {
        "chain": chain if chain in Chain.values else "",
        "exchange": exchange if exchange in known else "",
    }


def _chosen(user: User, chosen: dict[str, str]) -> QuerySet[AddressEntry]:
    exchange = chosen["exchange"]
    place = None if not exchange else str(Exchange.OWN) if exchange == OWN else exchange
    return addresses_of(user, chain=chosen["chain"], exchange=place)


@fragment
@require_POST
def address_check(request: HttpRequest) -> HttpResponse:
    """What the form says of an address while it is typed. Posted: addresses stay out of logs."""
    form = AddressForm(request.POST)
    form.is_valid()  # the rest of the form may still be empty
    data = form.cleaned_data
    chain, exchange, tag = data.get("chain", ""), data.get("exchange", ""), data.get("tag")
    context: dict[str, object] = {
        "chain": Chain(chain) if chain else None,
        "form_of_chain": FORMS[Chain(chain)] if chain else "",
        "forms": [(one.label, FORMS[one]) for one in Chain],
    }
    address = data.get("address", "")
    if chain and address:
        try:
            checked = clean_address(exchange=exchange, chain=chain, address=address, tag=tag)
        except AddressRefused as refusal:
            context["problem"] = refusal.message
        else:
            context |= {"checked": checked, "typed": address}
            context["cautions"] = cautions(
                chain=chain, exchange=exchange, address=checked.address, tag=checked.tag
            )
    return render(request, "accounts/_address_check.html", context)


@login_required
@recently_signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def address_relabel(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    """Give an address another label."""
    user, entry = signed_in(request), _entry_or_404(request, entry_id)
    form = LabelForm(request.POST or None, initial={"label": entry.label})
    if request.method == "POST" and form.is_valid():
        label = form.cleaned_data["label"]
        try:
            relabel_entry(user=user, entry_id=entry_id, label=label, now=timezone.now())
        except AddressRefused as refusal:
            form.add_error("label", str(refusal.message))
        except AddressEntry.DoesNotExist as error:  # deleted since the line above
            raise Http404 from error
        else:
            return redirect("addresses")
    context = {"form": form, "entry": entry}
    status = 422 if form.errors else 200
    return render(request, "accounts/address_relabel.html", context, status=status)


@login_required
@recently_signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def address_delete(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    """Ask before an address is deleted, then delete it."""
    entry = _entry_or_404(request, entry_id)
    if request.method != "POST":
        return render(request, "accounts/address_delete.html", {"entry": entry})
    try:
        delete_entry(user=signed_in(request), entry_id=entry_id, now=timezone.now())
    except AddressEntry.DoesNotExist as error:  # deleted since the line above
        raise Http404 from error
    messages.success(request, _("“%(label)s” is deleted.") % {"label": entry.label})
    return redirect("addresses")


def _entry_or_404(request: HttpRequest, entry_id: UUID) -> AddressEntry:
    try:
        return address_for(user=signed_in(request), entry_id=entry_id)
    except AddressEntry.DoesNotExist as error:
        raise Http404 from error
