"""Pages of a person's wallet: its state, its proof by signature, its change (RAT-012).

The server writes the message, keeps it, and verifies what comes back; the page only shows it and
carries the signature. So the pages work with any tool that can sign, with or without a script.
"""

from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import wallet_proofs, wallets
from accounts.access import signed_in
from accounts.addresses import InvalidAddress
from accounts.models import WalletChange, WalletProof
from accounts.reauthentication import recently_signed_in
from accounts.selectors import pending_change, proof_for, wallet_of
from accounts.siwe import MalformedSignature
from accounts.wallets import WalletRefused
from agora.lib import throttle
from agora.lib.outcome import OutsideError
from kyc.selectors import application_of
from tokens import chain
from tokens.forms import SignatureForm, WalletForm

# Pages that open this one in the wallet's own browser, where it announces itself by EIP-6963. Sources:
# docs.metamask.io (deeplinks), developer.trustwallet.com (deeplinking), docs.cdp.coinbase.com (mobile).
_DEEP_LINKS = (
    ("MetaMask", "https://link.metamask.io/dapp/{bare}"),
    ("Trust Wallet", "https://link.trustwallet.com/open_url?coin_id=60&url={quoted}"),
    ("Coinbase Wallet", "https://go.cb-w.com/dapp?cb_url={quoted}"),
)


# Each post is an audit row. Proving a wallet leaves the checks of exchange keys their minute.
_limited = throttle.limited("key", counter="wallet_page")


@login_required
@never_cache
@require_safe
def wallet(request: HttpRequest) -> HttpResponse:
    """The wallet, what is known of who owns it, and what is about to replace it."""
    user = signed_in(request)
    context = {
        "wallet": wallet_of(user),
        "change": pending_change(user),
        "is_onboarded": application_of(user) is not None,
        "hours": settings.WALLET_COOL_DOWN_HOURS,
        "deep_links": _deep_links(reverse("wallet")),
    }
    return render(request, "tokens/wallet.html", context)


@login_required
@require_POST
@_limited
def wallet_prove(request: HttpRequest) -> HttpResponse:
    """Give out a message that proves the wallet of now."""
    user = signed_in(request)
    own = wallet_of(user)
    if own is None:
        return redirect("wallet_change")
    try:
        proof = wallet_proofs.start_proof(
            user=user, purpose="verify", address=own.address, now=timezone.now()
        )
    except WalletRefused as refusal:
        messages.error(request, str(refusal.message))
        return redirect("wallet")
    return redirect("wallet_proof", proof.pk)


@login_required
@recently_signed_in
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@_limited
def wallet_change(request: HttpRequest) -> HttpResponse:
    """Ask for the first or another wallet's address, and give out the message that proves it."""
    user = signed_in(request)
    own = wallet_of(user)
    form = WalletForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            proof = wallet_proofs.start_proof(
                user=user,
                purpose="change" if own else "verify",
                address=form.cleaned_data["address"],
                now=timezone.now(),
            )
        except InvalidAddress as error:
            form.add_error("address", error)
        except WalletRefused as refusal:
            form.add_error("address", str(refusal.message))
        else:
            return redirect("wallet_proof", proof.pk)
    context = {
        "form": form,
        "wallet": own,
        "change": pending_change(user),
        "hours": settings.WALLET_COOL_DOWN_HOURS,
        "deep_links": _deep_links(reverse("wallet_change")),
    }
    status = 422 if form.errors else 200
    return render(request, "tokens/wallet_change.html", context, status=status)


@login_required
@recently_signed_in
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@_limited
def wallet_proof(request: HttpRequest, proof_id: UUID) -> HttpResponse:
    """Show the message to sign, and take the signature."""
    user, now = signed_in(request), timezone.now()
    try:
        proof = proof_for(user=user, proof_id=proof_id)
    except WalletProof.DoesNotExist as error:
        raise Http404 from error
    form = SignatureForm(request.POST or None)
    status = 200
    if request.method == "POST":
        answer = _finish(request, proof, form, now=now)
        if answer is not None:
            return answer
        proof.refresh_from_db()
        status = 422
    context = {
        "proof": proof,
        "form": form,
        "is_open": proof.used_at is None and proof.expires_at > now,
        "is_change": proof.purpose == WalletProof.Purpose.CHANGE,
        "hours": settings.WALLET_COOL_DOWN_HOURS,
        "chain_id": hex(settings.CHAIN_ID),
        "deep_links": _deep_links(request.path),
    }
    return render(request, "tokens/wallet_proof.html", context, status=status)


def _finish(
    request: HttpRequest, proof: WalletProof, form: SignatureForm, *, now: datetime
) -> HttpResponse | None:
    """Where to go once the signature is taken; None when the form says why it is not."""
    if not form.is_valid():
        return None
    try:
        wallet_proofs.finish_proof(
            user=proof.user,
            proof_id=proof.pk,
            signature=form.cleaned_data["signature"],
            contract=chain.accepts_signature,
            now=now,
        )
    except MalformedSignature as error:
        form.add_error("signature", str(error.message))
    except WalletRefused as refusal:
        form.add_error(None, str(refusal.message))
    except OutsideError:
        text = _("The chain does not answer. Your message still holds: send it again in a minute.")
        form.add_error(None, text)
    else:
        _tell(request, proof)
        return redirect("wallet")
    return None


def _tell(request: HttpRequest, proof: WalletProof) -> None:
    if proof.purpose == WalletProof.Purpose.CHANGE:
        messages.success(request, _("The new address is proved. The change waits for its time."))
    else:
        messages.success(request, _("Your wallet is proved to be yours."))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def wallet_change_cancel(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """Ask before a change is cancelled, then keep the wallet of before."""
    user = signed_in(request)
    try:
        change = WalletChange.objects.get(pk=change_id, user=user)
    except WalletChange.DoesNotExist as error:
        raise Http404 from error
    if request.method != "POST":
        return render(request, "tokens/wallet_change_cancel.html", {"change": change})
    try:
        wallets.cancel_change(user=user, change_id=change_id, now=timezone.now())
    except WalletRefused as refusal:
        messages.error(request, str(refusal.message))
    else:
        messages.success(request, _("The change is cancelled. Your wallet stays as it is."))
    return redirect("wallet")


def _deep_links(path: str) -> list[tuple[str, str]]:
    """Name and address of each wallet app's link to a page of this site."""
    page = settings.SITE_URL + path
    bare = page.partition("://")[2]
    return [
        (name, form.format(bare=bare, quoted=quote(page, safe=""))) for name, form in _DEEP_LINKS
    ]
