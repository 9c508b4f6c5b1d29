"""Applications in the admin: read-only; a suspension, or its end, is proposed here."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.access import signed_in
from agora.lib import crypto
from agora.lib.admin import (
    PROPOSED,
    DialogForm,
    answer_dialog,
    dialog,
    leave_dialog,
    refuse_dialog,
    trail_link,
)
from compliance.four_eyes import Refused
from kyc import cases
from kyc.admin.people import ERASED, Looked, NotesLooks
from kyc.cases.record import LONGEST_TEXT, WORK
from kyc.models import Application, Case


class ReviewForm(DialogForm):
    """Why somebody is to be looked at."""

    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("Only officers read it."),
        max_length=LONGEST_TEXT,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
    )


_COLOURS = {
    Application.Status.PENDING: "info",
    Application.Status.APPROVED: "success",
    Application.Status.REJECTED: "danger",
    Application.Status.SUSPENDED: "danger",
}


@admin.register(Application)
class ApplicationAdmin(NotesLooks):
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
        return str(crypto.unless_shredded(lambda: application.full_name, ERASED))

    @admin.display(description=_("tax id"))
    def tax_id_for_officers(self, application: Application) -> str:
        return str(crypto.unless_shredded(lambda: application.tax_id, ERASED))

    def looked_at(self, row: Application) -> Looked:
        return "kyc_application", row.pk, ["full_name", "tax_id"]

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
        dialog=dialog(
            _("Review this person"),
            _(
                "Opens a case in the queue. The person goes on as before and is not told of it, unless "
                "something is asked of them. Who still waits for their first approval is told what "
                "two people decide."
            ),
            _("Open a case"),
            ReviewForm,
        ),
    )
    def review(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        application = Application.objects.get(pk=object_id)
        try:
            case = cases.open_for_officer(
                application=application,
                officer=signed_in(request),
                **form.values,
                now=timezone.now(),
            )
        except Refused as refused:
            back = reverse("admin:kyc_application_change", args=[object_id])
            return refuse_dialog(request, str(refused.message), back=back)
        return leave_dialog(reverse("admin:kyc_case_change", args=[case.pk]))

    @action(
        description=_("Propose to suspend"),
        url_path="suspend",
        permissions=["suspend"],
        dialog=dialog(
            _("Propose to suspend this person"),
            _(
                "They cannot buy any more once a second person approves it. Orders under way are "
                "settled."
            ),
            _("Propose"),
        ),
    )
    def suspend(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._propose(cases.propose_suspension, request, form, object_id)

    @action(
        description=_("Propose to end the suspension"),
        url_path="reinstate",
        permissions=["reinstate"],
        dialog=dialog(
            _("Propose to end the suspension"),
            _("They can buy again once a second person approves it."),
            _("Propose"),
        ),
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
                **form.values,
                now=timezone.now(),
            ),
            refusal=Refused,
            done=str(PROPOSED),
            back=reverse("admin:kyc_application_change", args=[object_id]),
        )
