"""The page on which people ask to have their name or tax id put right (LGPD art. 18 III)."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import signed_in
from accounts.reauthentication import recently_signed_in
from agora.lib.throttle import limited
from kyc import corrections
from kyc.corrections import CorrectionRefused
from kyc.forms import CorrectionForm
from kyc.models import Correction
from kyc.selectors import application_of, corrections_of


@recently_signed_in
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limited("onboard")
def correction(request: HttpRequest) -> HttpResponse:
    """Ask for a correction, and see what became of those asked for before."""
    user = signed_in(request)
    if application_of(user) is None:
        return redirect("onboarding")
    form = CorrectionForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            corrections.ask(user=user, **form.cleaned_data, now=timezone.now())
        except CorrectionRefused as refused:
            form.add_error(refused.field or None, str(refused.message))
        else:
            messages.success(request, _("Asked for. We tell you as soon as we have looked at it."))
            return redirect("correction")
    asked = list(corrections_of(user))
    context = {
        "form": form,
        "corrections": asked,
        "is_open": any(one.state == Correction.State.OPEN for one in asked),
    }
    return render(request, "kyc/correction.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
@limited("onboard")
def withdraw(request: HttpRequest) -> HttpResponse:
    """Take the open wish back."""
    try:
        corrections.withdraw(user=signed_in(request), now=timezone.now())
    except CorrectionRefused as refused:
        messages.error(request, str(refused.message))
    else:
        messages.success(request, _("Taken back. Nothing was changed."))
    return redirect("correction")
