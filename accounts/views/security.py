"""Pages about signing in safely that allauth does not have."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from accounts.second_factors import has_second_factor


@login_required
@require_safe
def second_factor_needed(request: HttpRequest) -> HttpResponse:
    """Why the back office is still closed to an officer, and what opens it."""
    if has_second_factor(signed_in(request)):
        return redirect("mfa_index")
    return render(request, "accounts/second_factor_needed.html")
