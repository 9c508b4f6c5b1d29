"""Applications in the admin: read-only; a suspension, or its end, is proposed here."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.access import signed_in
from agora.lib import crypto
from agora.lib.admin import ReadOnlyAdmin, ReasonForm, answer_dialog, leave_dialog, trail_link
from compliance import audit
from compliance.four_eyes import Refused
from kyc import cases
from kyc.cases.record import LONGEST_TEXT, WORK
from kyc.models import Application, Case


class ReviewForm(BaseDialogForm):
    """Why somebody is to be looked at."""

    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("Only officers read it."),
        max_length=LONGEST_TEXT,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
    )


_PROPOSED = _("Proposed. It takes effect once a second person approves it.")
_COLOURS = {
    Application.Status.PENDING: "info",
    Application.Status.APPROVED: "success",
    Application.Status.REJECTED: "danger",
    Application.Status.SUSPENDED: "danger",
}


@admin.register(Application)
class ApplicationAdmin(ReadOnlyAdmin):
    list_display = ["id", "user", "country", "state", "tier", "submitted_at", "decided_by"]
    list_filter = ["status", "country", "tier", "submitted_at"]
    list_select_related = ["user", "tier"]
    search_fields = ["=id", "user__email"]
    date_hierarchy = "submitted_at"
    fields = [
        "id", "user", "country", "name_for_officers", "tax_id_for_officers", "state", "tier",
        "consent_version", "consent_hash", "consented_at", "submitted_at", "decided_at",
        "decided_by", "trail",
    ]  # fmt: skip
    readonly_fields = fields
    actions_detail = ["review", "suspend", "reinstate"]

    trail = trail_link("kyc_application")

    @display(description=_("status"), ordering="status", label=_COLOURS)
    def state(self, application: Application) -> tuple[str, str]:
        return application.status, application.get_status_display()

    @admin.display(description=_("full name"))
    def name_for_officers(self, application: Application) -> str:
        return _or_erased(lambda: application.full_name)

    @admin.display(description=_("tax id"))
    def tax_id_for_officers(self, application: Application) -> str:
        return _or_erased(lambda: application.tax_id)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        found = self.get_object(request, object_id or "")
        if found is not None and self.has_view_permission(request, found):
            audit.viewed(
                viewer=signed_in(request),
                object_type="kyc_application",
                object_id=str(found.pk),
                fields=["full_name", "tax_id"],
                now=timezone.now(),
            )
        return super().changeform_view(request, object_id, form_url, extra_context)

    def has_review_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        """Only where there is nobody reviewing yet; the service asks again.

        Never of oneself: that the button is gone would tell of a case.
        """
        free = Application.objects.exclude(user_id=signed_in(request).pk)
        free = free.exclude(status=Application.Status.REJECTED)
        free = free.exclude(cases__in=Case.objects.filter(closed_at=None))
        return request.user.has_perm(WORK) and free.filter(pk=str(object_id)).exists()

    def has_suspend_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self._may(request, object_id, Application.Status.APPROVED)

    def has_reinstate_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self._may(request, object_id, Application.Status.SUSPENDED)

    def _may(self, request: HttpRequest, object_id: object, status: str) -> bool:
        """Only what makes sense for the person now; the service asks again."""
        allowed = request.user.has_perm("kyc.suspend_application")
        return allowed and Application.objects.filter(pk=str(object_id), status=status).exists()

    @action(
        description=_("Review this person"),
        url_path="review",
        permissions=["review"],
        dialog={
            "title": _("Review this person"),
            "description": _(
                "Opens a case in the queue. The person goes on as before and is not told of it, unless "
                "something is asked of them."
            ),
            "form_class": ReviewForm,
            "form_submit_text": _("Open a case"),
        },
    )
    def review(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        application = Application.objects.get(pk=object_id)
        try:
            case = cases.open_for_officer(
                application=application,
                officer=signed_in(request),
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
        except Refused as refused:
            messages.error(request, str(refused.message))
            return leave_dialog(reverse("admin:kyc_application_change", args=[object_id]))
        return leave_dialog(reverse("admin:kyc_case_change", args=[case.pk]))

    @action(
        description=_("Propose to suspend"),
        url_path="suspend",
        permissions=["suspend"],
        dialog={
            "title": _("Propose to suspend this person"),
            "description": _(
                "They cannot buy any more once a second person approves it. Orders under way are "
                "settled."
            ),
            "form_class": ReasonForm,
            "form_submit_text": _("Propose"),
        },
    )
    def suspend(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._propose(cases.propose_suspension, request, form, object_id)

    @action(
        description=_("Propose to end the suspension"),
        url_path="reinstate",
        permissions=["reinstate"],
        dialog={
            "title": _("Propose to end the suspension"),
            "description": _("They can buy again once a second person approves it."),
            "form_class": ReasonForm,
            "form_submit_text": _("Propose"),
        },
    )
    def reinstate(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._propose(cases.propose_reinstatement, request, form, object_id)

    def _propose(
        self, service: Any, request: HttpRequest, form: Any, object_id: str
    ) -> HttpResponse:
        application = Application.objects.get(pk=object_id)
        return answer_dialog(
            request,
            lambda: service(
                application=application,
                officer=signed_in(request),
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            ),
            refusal=Refused,
            done=str(_PROPOSED),
            back=reverse("admin:kyc_application_change", args=[object_id]),
        )


def _or_erased(read: Any) -> str:
    try:
        return str(read())
    except crypto.Shredded:
        return str(_("erased"))
