"""The verification page: a person's tier, what it allows, and the way to a higher one (ID-2)."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import signed_in
from kyc import cases
from kyc.cases.needs import DOCUMENTS, HINTS, Need
from kyc.cases.person import Standing
from kyc.forms import HandInForm
from kyc.limits import limit_status
from kyc.models import ZONES, Tier


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def verification(request: HttpRequest) -> HttpResponse:
    """Show where the verification stands; a POST hands in what was asked for."""
    user = signed_in(request)
    now = timezone.now()
    stands = cases.standing(user=user, now=now)
    if stands is None:
        return redirect("onboarding")
    posted = request.POST if request.method == "POST" else None
    form = HandInForm(posted, asks_for_words=Need.ANSWER in stands.needs)
    if form.is_valid():
        try:
            cases.hand_in(user=user, answer=form.cleaned_data.get("answer", ""), now=now)
        except cases.CaseError as error:
            form.add_error(None, str(error.message))
        else:
            messages.success(request, _("Handed in. We tell you as soon as we have looked at it."))
            return HttpResponseRedirect(reverse("verification"))
    context = {
        "stands": stands,
        "lines": _lines(stands),
        "form": form,
        "limit": limit_status(user=user, now=now),
        "tiers": Tier.objects.order_by("number"),
        "zone": str(ZONES[stands.application.country]),
    }
    return render(request, "kyc/verification.html", context, status=422 if form.errors else 200)


def _lines(stands: Standing) -> list[dict[str, object]]:
    """The documents to hand in, and whether each is there."""
    return [
        {"need": need, "hint": HINTS[need], "there": need not in stands.missing}
        for need in stands.needs
        if need in DOCUMENTS
    ]
