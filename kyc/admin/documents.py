"""Documents in the admin: looked at, accepted or rejected; every look at a page is written down."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from accounts.access import signed_in
from agora.lib.admin import DialogForm, ReadOnlyAdmin, answer_dialog, dialog, link, trail_link
from kyc import documents
from kyc.admin.people import Looked, PersonAdmin, case_link
from kyc.documents import DocumentRefused
from kyc.documents.refusals import LONGEST_NOTE
from kyc.documents.viewing import VIEW_PERMISSION, may_open
from kyc.models import Case, Document, DocumentView
from kyc.views.documents import page_response


class RejectionForm(DialogForm):
    """Why a document is not accepted."""

    reason = forms.ChoiceField(
        label=_("Reason"), choices=Document.Reason.choices, widget=UnfoldAdminSelectWidget
    )
    note = forms.CharField(
        label=_("Note to the person"),
        help_text=_(
            "Shown to them beside the document, in no e-mail. Needed with “another reason”."
        ),
        max_length=LONGEST_NOTE,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


@admin.register(Document)
class DocumentAdmin(PersonAdmin):
    list_display = ["uploaded_at", "person", "kind", "status", "page_count", "decided_by"]
    list_filter = ["state", "kind", "uploaded_at"]
    list_select_related = ["application__user"]
    search_fields = ["=id", "=application__id", "application__user__email"]
    search_help_text = _("Id of document or application, e-mail address")
    date_hierarchy = "uploaded_at"
    fields = [
        "id", "person", "application", "case", "kind", "state", "reason", "note_shown", "uploaded_at",
        "decided_at", "decided_by", "media_type", "size", "sha256", "views_link", "trail", "pages_shown",
    ]  # fmt: skip
    readonly_fields = fields
    actions_detail = ["accept_document", "reject_document"]

    trail = trail_link("kyc_document")

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<uuid:document_id>/pages/<int:page>/",
            self.admin_site.admin_view(self.page_view),
            name="kyc_document_page",
        )
        return [page, *super().get_urls()]

    def page_view(self, request: HttpRequest, document_id: UUID, page: int) -> HttpResponse:
        """A page as a picture, marked with the officer; the service asks for the permission."""
        return page_response(
            document_id=document_id, page=page, viewer=signed_in(request), own=False
        )

    def looked_at(self, row: Document) -> Looked:
        return "kyc_document", row.pk, ["note"] if row.note else []

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        """Pages are shown to officers who may open them."""
        obj.openable = may_open(obj, signed_in(request))
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    @admin.display(description=_("person"), ordering="application__user__email")
    def person(self, document: Document) -> str:
        return document.application.user.email

    @display(
        description=_("state"),
        ordering="state",
        label={
            Document.State.PENDING: "info",
            Document.State.ACCEPTED: "success",
            Document.State.REJECTED: "danger",
        },
    )
    def status(self, document: Document) -> tuple[str, str]:
        return document.state, document.get_state_display()

    @admin.display(description=_("open case"))
    def case(self, document: Document) -> str:
        """Where the document is decided about, as long as there is one."""
        return case_link(_open_cases(document.application_id).first())

    @admin.display(description=_("note to the person"))
    def note_shown(self, document: Document) -> str:
        return document.note or "–"

    @admin.display(description=_("who looked"))
    def views_link(self, document: Document) -> str:
        address = reverse("admin:kyc_documentview_changelist")
        return link(f"{address}?document__id__exact={document.pk}", _("Views"))

    @admin.display(description=_("pages"))
    def pages_shown(self, document: Any) -> str:
        if not document.openable:
            return DocumentRefused("not_reviewing").message
        return format_html_join(
            "",
            '<p><a href="{0}" target="_blank" rel="noopener">'
            '<img src="{0}" width="{1}" height="{2}" loading="lazy" alt="{3}" '
            'style="width: 100%; max-width: 44rem; height: auto; margin-bottom: 1rem"></a></p>',
            (
                (
                    reverse("admin:kyc_document_page", args=[document.pk, page.number]),
                    page.width,
                    page.height,
                    _("Page %(n)d") % {"n": page.number},
                )
                for page in document.pages.all()
            ),
        )

    def has_review_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        """Who may only look at documents may not decide about them."""
        user = request.user
        return user.has_perm("kyc.review_document") and user.has_perm(VIEW_PERMISSION)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """No buttons while a case is open: the document is decided about there, under its lock."""
        document: Document | None = self.get_object(request, str(object_id))
        if document is None or _open_cases(document.application_id).exists():
            return []
        return super().get_actions_detail(request, object_id)

    @action(
        description=_("Accept"),
        url_path="accept",
        permissions=["review"],
        dialog=dialog(
            _("Accept the document"),
            _("The person is told. It says nothing yet about the application."),
            _("Accept"),
            None,
        ),
    )
    def accept_document(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        document_id = UUID(object_id)
        return answer_dialog(
            request,
            lambda: documents.accept(
                document_id=document_id, officer=signed_in(request), now=timezone.now()
            ),
            refusal=DocumentRefused,
            done=str(_("The document is accepted.")),
            back=reverse("admin:kyc_document_change", args=[document_id]),
        )

    @action(
        description=_("Reject"),
        url_path="reject",
        permissions=["review"],
        dialog=dialog(
            _("Reject the document"),
            _("The person is told why, and uploads another one."),
            _("Reject"),
            RejectionForm,
        ),
    )
    def reject_document(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        document_id = UUID(object_id)
        return answer_dialog(
            request,
            lambda: documents.reject(
                document_id=document_id,
                officer=signed_in(request),
                **form.values,
                now=timezone.now(),
            ),
            refusal=DocumentRefused,
            done=str(_("The document is rejected.")),
            back=reverse("admin:kyc_document_change", args=[document_id]),
        )


def _open_cases(application_id: UUID) -> QuerySet[Case]:
    cases = Case.objects.filter(application=application_id, closed_at=None)
    return cases.select_related("application")


@admin.register(DocumentView)
class DocumentViewAdmin(ReadOnlyAdmin):
    """The log of who looked at which page."""

    list_display = ["at", "viewer", "document", "page", "purpose"]
    list_filter = ["purpose", "at"]
    list_select_related = ["viewer", "document"]
    search_fields = ["=document__id", "viewer__email", "document__application__user__email"]
    search_help_text = _("Id of the document, e-mail address of viewer or person")
    date_hierarchy = "at"
    fields = ["at", "viewer", "document", "page", "purpose"]
    readonly_fields = fields

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The link from a document narrows the list to it."""
        return lookup == "document__id__exact" or super().lookup_allowed(lookup, value, request)
