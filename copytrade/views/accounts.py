"""Pages of a person's exchange accounts (SUB-1)."""

import uuid

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import signed_in
from accounts.models import User
from accounts.reauthentication import recently_signed_in
from copytrade.forms.accounts import AccountForm, KeyForm, LabelForm
from copytrade.models import ExchangeAccount
from copytrade.reasons import text_of
from copytrade.selectors import accounts as selectors
from copytrade.services import accounts as services
from copytrade.services import keys
from copytrade.services.accounts import AccountRefused
from copytrade.services.keys import KeyRefused

Refused = (AccountRefused, KeyRefused)


@login_required
@require_safe
def exchange_accounts(request: HttpRequest) -> HttpResponse:
    """The person's accounts: which are in use, which need something done."""
    rows = [(row, text_of(row.state_reason)) for row in selectors.accounts_of(signed_in(request))]
    return render(request, "copytrade/accounts.html", {"rows": rows})


@sensitive_post_parameters("api_key", "secret")
@sensitive_variables("form")
@login_required
@recently_signed_in
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def exchange_account_new(request: HttpRequest) -> HttpResponse:
    """Enter a key; it is checked at the exchange before it is stored."""
    user = signed_in(request)
    form = AccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            made = services.add_account(
                user=user,
                exchange=data["exchange"],
                label=data["label"],
                examined=keys.examine(user=user, api_key=data["api_key"], secret=data["secret"]),
                now=timezone.now(),
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("“%(name)s” is connected.") % {"name": made.label})
            _warn(request, made)
            return redirect("exchange-accounts")
    return _form_page(request, "copytrade/account_new.html", form)


@sensitive_post_parameters("api_key", "secret")
@sensitive_variables("form")
@login_required
@recently_signed_in
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def exchange_account_key(request: HttpRequest, account_id: uuid.UUID) -> HttpResponse:
    """Enter another key of the same account."""
    user = signed_in(request)
    account = _own(user, account_id)
    form = KeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            account = services.replace_key(
                user=user,
                account_id=account_id,
                examined=keys.examine(user=user, api_key=data["api_key"], secret=data["secret"]),
                now=timezone.now(),
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("“%(name)s” uses the new key.") % {"name": account.label})
            _warn(request, account)
            return redirect("exchange-accounts")
    return _form_page(request, "copytrade/account_key.html", form, account=account)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def exchange_account_rename(request: HttpRequest, account_id: uuid.UUID) -> HttpResponse:
    """Give an account another name."""
    user = signed_in(request)
    account = _own(user, account_id)
    form = LabelForm(request.POST or None, initial={"label": account.label})
    if request.method == "POST" and form.is_valid():
        try:
            services.rename_account(
                user=user,
                account_id=account_id,
                label=form.cleaned_data["label"],
                now=timezone.now(),
            )
        except AccountRefused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("The name is changed."))
            return redirect("exchange-accounts")
    return _form_page(request, "copytrade/account_rename.html", form, account=account)


@login_required
@require_POST
def exchange_account_resume(request: HttpRequest, account_id: uuid.UUID) -> HttpResponse:
    """Check the key of a paused account again, and use it if it is fine."""
    user = signed_in(request)
    account = _own(user, account_id)
    try:
        services.resume_account(
            user=user,
            account_id=account_id,
            examined=keys.examine_stored(account),
            now=timezone.now(),
        )
    except Refused as refusal:
        messages.error(request, str(refusal.message))
    else:
        messages.success(request, _("“%(name)s” is in use again.") % {"name": account.label})
    return redirect("exchange-accounts")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def exchange_account_remove(request: HttpRequest, account_id: uuid.UUID) -> HttpResponse:
    """Ask before an account's key is erased, then erase it."""
    user = signed_in(request)
    account = _own(user, account_id)
    if request.method != "POST":
        return render(request, "copytrade/account_remove.html", {"account": account})
    try:
        services.remove_account(user=user, account_id=account_id, now=timezone.now())
    except AccountRefused as refusal:
        messages.error(request, str(refusal.message))
    else:
        messages.success(request, _("“%(name)s” is removed.") % {"name": account.label})
    return redirect("exchange-accounts")


def _own(user: User, account_id: uuid.UUID) -> ExchangeAccount:
    try:
        return selectors.account_for(user=user, account_id=account_id)
    except ExchangeAccount.DoesNotExist as error:
        raise Http404 from error


def _warn(request: HttpRequest, account: ExchangeAccount) -> None:
    if account.can_withdraw is None:
        messages.warning(
            request,
            _(
                "The exchange does not tell whether this key may withdraw. Make sure at the exchange "
                "that it may not."
            ),
        )
    if not account.ip_restricted:
        messages.warning(
            request,
            _(
                "This key works from any network address. Bind it to Agora's address at the exchange: "
                "then it is of no use to anybody who steals it."
            ),
        )


def _form_page(request: HttpRequest, template: str, form: Form, **context: object) -> HttpResponse:
    context |= {"form": form, "addresses": settings.EGRESS_ADDRESSES}
    return render(request, template, context, status=422 if form.errors else 200)
