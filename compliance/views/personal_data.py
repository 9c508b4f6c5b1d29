"""The person's page on their own data: consents, who looked, a copy, erasure (LGPD art. 18)."""

from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import signed_in
from accounts.models import User
from accounts.reauthentication import recently_signed_in
from compliance import audit
from compliance.forms import ErasureForm
from compliance.models import DataExport, ErasureRequest
from compliance.personal_data import erasure, exports
from compliance.personal_data.erasure import ErasureRefused
from compliance.personal_data.obstacles import Obstacle
from compliance.personal_data.sharing import recipients
from kyc import erasure as kyc
from kyc.models import Consent, Document, DocumentView
from kyc.selectors import looks_at_documents

_PAGE = 20


@login_required
@never_cache
@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """What the person agreed to, who looked at their documents, their copies, and erasure."""
    user, now = signed_in(request), timezone.now()
    looks = Paginator(looks_at_documents(user), _PAGE).get_page(request.GET.get("page"))
    context = {
        "consents": Consent.objects.filter(user=user).select_related("text"),
        "looks": [
            {
                **look,
                "by_officer": look["viewer_id"] != user.pk,
                "kind": Document.Kind(look["document__kind"]).label,
                "why": DocumentView.Purpose(look["purpose"]).label,
            }
            for look in looks
        ],
        "page": looks,
        "recipients": recipients(),
        "exports": DataExport.objects.filter(user_id=user.pk).exclude(
            state=DataExport.State.EXPIRED
        )[:5],
        "erasure": erasure.of_user(user.pk),
        "export_days": settings.DATA_EXPORT_DAYS,
        "now": now,
    }
    return render(request, "compliance/privacy.html", context)


@login_required
@require_POST
def request_export(request: HttpRequest) -> HttpResponse:
    """Have a copy of everything held about the person put together."""
    user = signed_in(request)
    try:
        exports.request(user=user, actor=audit.actor_of(user), now=timezone.now())
    except exports.ExportRefused as refusal:
        messages.error(request, str(refusal.message))
    else:
        messages.success(
            request, _("Your copy is being put together. You are told when it is ready.")
        )
    return redirect("privacy")


@recently_signed_in
@never_cache
@require_safe
def export_file(request: HttpRequest, export_id: UUID) -> StreamingHttpResponse:
    """The ZIP file of a copy, to its person alone, who has just shown who they are."""
    user, now = signed_in(request), timezone.now()
    try:
        export = exports.of_person(user_id=user.pk, export_id=export_id, now=now)
    except DataExport.DoesNotExist as error:
        raise Http404 from error
    body = exports.download(export=export, actor=audit.actor_of(user), now=now)
    name = f"agora-{export.requested_at:%Y-%m-%d}.zip"
    return StreamingHttpResponse(
        body,
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(export.size),
            "X-Content-Type-Options": "nosniff",
        },
    )


@recently_signed_in
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def request_erasure(request: HttpRequest) -> HttpResponse:
    """Say what is erased and what the law keeps, what has to be wound up first, and ask for it."""
    user, now = signed_in(request), timezone.now()
    form, refusal = ErasureForm(request.POST if request.method == "POST" else None), None
    asked = erasure.of_user(user.pk)
    if request.method == "POST" and form.is_valid():
        try:
            erasure.request(
                user=user,
                actor=audit.actor_of(user),
                gives_up_tokens=form.cleaned_data["gives_up_tokens"],
                now=now,
            )
        except ErasureRefused as error:
            refusal = error
        else:
            return redirect("erasure")
    found = refusal.obstacles if refusal else _obstacles(user, asked)
    context = {
        "form": form,
        "refusal": refusal,
        "asked": asked,
        "obstacles": found,
        "only_tokens": [obstacle.code for obstacle in found] == ["tokens_held"],
        "keeps": kyc.has_records(user),
        "years": round(erasure.retention_days() / 365),
        "undo_days": settings.ERASURE_UNDO_DAYS,
    }
    status = 422 if form.errors or refusal else 200
    return render(request, "compliance/erasure.html", context, status=status)


def _obstacles(user: User, asked: ErasureRequest | None) -> Sequence[Obstacle]:
    """What stands against it as the page is opened; an unreadable chain is told when it is sent."""
    if asked is not None:
        return []
    try:
        return erasure.standing(user)
    except ErasureRefused:
        return []


@login_required
@require_POST
def undo_erasure(request: HttpRequest) -> HttpResponse:
    """Keep the account after all."""
    user = signed_in(request)
    try:
        erasure.withdraw(user_id=user.pk, actor=audit.actor_of(user), now=timezone.now())
    except ErasureRefused as refusal:
        messages.error(request, str(refusal.message))
    else:
        messages.success(request, _("Your account stays. Nothing was erased."))
    return redirect("privacy")
