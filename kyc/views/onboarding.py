"""The onboarding page (RAT-001, RAT-012)."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import signed_in
from accounts.selectors import wallet_of
from agora.lib.pages import next_or
from agora.lib.throttle import limited
from kyc.consent import ACCOUNT
from kyc.forms import OnboardingForm
from kyc.selectors import application_of
from kyc.services import OnboardingError, onboard


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@limited("onboard")
def onboarding(request: HttpRequest) -> HttpResponse:
    """Ask for what tier 1 needs and approve at once, or say field by field what is wrong."""
    user = signed_in(request)
    application = application_of(user)
    if application is not None:
        if application.status == application.Status.APPROVED:
            return redirect("dashboard")
        return redirect("verification")
    wallet = wallet_of(user)
    form = OnboardingForm(
        request.POST or None, initial={"wallet_address": wallet.address} if wallet else {}
    )
    if request.method == "POST" and form.is_valid():
        try:
            application = onboard(
                user=user,
                **form.cleaned_data,
                now=timezone.now(),
                language=get_language() or settings.LANGUAGE_CODE,
            )
        except OnboardingError as error:
            form.take_errors(error)
        else:
            if not application.is_approved:
                return redirect("verification")
            messages.success(request, _("You are approved for tier 1. You can buy now."))
            return HttpResponseRedirect(next_or(request, reverse("buy")))
    context = {
        "form": form,
        "next": request.POST.get("next") or request.GET.get("next", ""),
        "wallet": wallet,
        "consent_text": _(ACCOUNT.text),
        "consent_original": ACCOUNT.text,
        "consent_version": ACCOUNT.version,
    }
    return render(request, "kyc/onboarding.html", context, status=422 if form.errors else 200)
