"""Pages on which people show documents and see what became of them (ID-2)."""

from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import signed_in
from accounts.models import User
from agora.lib.pages import private_image
from agora.lib.throttle import limited
from kyc import documents as service
from kyc.consent import VERIFICATION, has_agreed, has_changed, record
from kyc.documents import DocumentRefused, DocumentsUnavailable
from kyc.documents.refusals import limits
from kyc.forms import DocumentForm
from kyc.models import Document
from kyc.selectors import application_of, document_for, documents_of


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limited("document")
def documents(request: HttpRequest) -> HttpResponse:
    """The person's documents, and the form that adds one."""
    user = signed_in(request)
    application = application_of(user)
    if application is None:
        query = urlencode({"next": request.path})
        return redirect(f"{reverse('onboarding')}?{query}")
    posted = request.method == "POST"
    asks = not has_agreed(user=user, terms=VERIFICATION)
    sent = (request.POST, request.FILES) if posted else ()
    form = DocumentForm(*sent, asks_for_consent=asks)
    now = timezone.now()
    answer = _take(form, user, now) if posted else None
    if isinstance(answer, Document):
        _tell(request, answer, is_new=answer.uploaded_at == now)
        return redirect("documents")
    context = {
        "form": form,
        "documents": documents_of(application),
        "limits": limits(),
        "consent_text": _(VERIFICATION.text),
        "consent_original": VERIFICATION.text,
        "consent_version": VERIFICATION.version,
        "consent_changed": asks and has_changed(user=user, terms=VERIFICATION),
    }
    status = 503 if isinstance(answer, DocumentsUnavailable) else 422 if form.errors else 200
    response = render(request, "kyc/documents.html", context, status=status)
    if isinstance(answer, DocumentsUnavailable):
        response["Retry-After"] = str(int(answer.retry_after))
    return response


def _tell(request: HttpRequest, document: Document, *, is_new: bool) -> None:
    """That it was taken; the same file again is the document of before, and fulfils no new request."""
    kind = {"kind": document.get_kind_display()}
    if is_new:
        said = _("Uploaded: %(kind)s. A person of ours will look at it.")
        messages.success(request, said % kind)
        return
    said = _(
        "We have this file already, and it waits for review: %(kind)s. If we asked you for another one, "
        "choose that."
    )
    messages.warning(request, said % kind)


def _take(form: DocumentForm, user: User, now: datetime) -> Document | DocumentRefused | None:
    """The stored document, or what was wrong; the form has the words."""
    if not form.is_valid():
        return None
    try:
        file, kind = form.the_file(), form.cleaned_data["kind"]
        if form.cleaned_data.get("consent"):
            language = get_language() or "en"
            record(user=user, terms=VERIFICATION, language=language, now=now)
        return service.store(user=user, kind=kind, file=file, now=now)
    except DocumentRefused as refusal:
        form.take_refusal(refusal)
        return refusal


@login_required
@never_cache
@require_safe
def document(request: HttpRequest, document_id: UUID) -> HttpResponse:
    """One of the person's own documents with its pages."""
    found = _own_or_404(request, document_id)
    return render(request, "kyc/document.html", {"document": found})


@login_required
@require_safe
def document_page(request: HttpRequest, document_id: UUID, page: int) -> HttpResponse:
    """A page of the person's own document as a picture."""
    return page_response(document_id=document_id, page=page, viewer=signed_in(request), own=True)


def page_response(*, document_id: UUID, page: int, viewer: User, own: bool) -> HttpResponse:
    """A page as a picture that no cache keeps; 404 for whoever may not see it, 403 and 503 with words.

    `own` leaves out what only officers may see: on the person's pages an officer is a person too.
    """
    now = timezone.now()
    try:
        if own:
            document_for(user=viewer, document_id=document_id)
        image = service.page_image(document_id=document_id, page=page, viewer=viewer, now=now)
    except Document.DoesNotExist as error:
        raise Http404 from error
    except DocumentRefused as error:
        status = 503 if isinstance(error, DocumentsUnavailable) else 403
        return HttpResponse(error.message, status=status, content_type="text/plain; charset=utf-8")
    return private_image(image)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def document_withdraw(request: HttpRequest, document_id: UUID) -> HttpResponse:
    """Ask before a document is taken back, then take it back."""
    found = _own_or_404(request, document_id)
    if request.method != "POST":
        return render(request, "kyc/document_withdraw.html", {"document": found})
    try:
        service.withdraw(user=signed_in(request), document_id=found.pk, now=timezone.now())
    except DocumentRefused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("The document is withdrawn and its pages are deleted."))
    return redirect("documents")


def _own_or_404(request: HttpRequest, document_id: UUID) -> Document:
    try:
        return document_for(user=signed_in(request), document_id=document_id)
    except Document.DoesNotExist as error:
        raise Http404 from error
