"""Copies of people's data and erasures in the admin: read-only; asked for on a person's behalf."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.models import User
from agora.lib.admin import DialogForm, ReadOnlyAdmin, answer_dialog, dialog, trail_to
from compliance import audit
from compliance.models import DataExport, ErasureRequest
from compliance.personal_data import erasure, exports, obstacles
from compliance.personal_data.erasure import ErasureRefused
from compliance.personal_data.exports import ExportRefused


class PersonForm(DialogForm):
    """Whose data it is: by id, so that no e-mail address is typed into a form by mistake."""

    user_id = forms.UUIDField(label=_("Id of the person"), widget=UnfoldAdminTextInputWidget)

    def clean_user_id(self) -> User:
        user = User.objects.filter(pk=self.cleaned_data["user_id"]).first()
        if user is None:
            raise forms.ValidationError(_("There is nobody with this id."))
        return user


class _OfPeople(ReadOnlyAdmin):
    """What both have in common: a plain id of a person, and their rows in the trail."""

    search_fields = ["=id", "=user_id"]
    search_help_text = _("Id of the request or of the person")
    actions = ["try_again"]
    service: ClassVar[ModuleType]

    @admin.display(description=_("audit trail"))
    def trail(self, row: Any) -> str:
        return trail_to("user", row.user_id)

    @display(description=_("attention"), ordering="attention", label={"yes": "danger"})
    def look(self, row: Any) -> "tuple[str, str] | str":
        return ("yes", str(_("needs a person"))) if row.attention else "–"

    @admin.action(description=_("Try again what needs attention"), permissions=["try_again"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        actor, now = audit.actor_of(request.user), timezone.now()
        count = sum(self.service.try_again(waiting=row, actor=actor, now=now) for row in queryset)
        text = ngettext("%(n)d request is due again.", "%(n)d requests are due again.", count)
        messages.info(request, text % {"n": count})

    def _answer(
        self, request: HttpRequest, act: Callable[[], object], refusal: type[Exception], done: str
    ) -> HttpResponse:
        back = reverse(f"admin:compliance_{self.opts.model_name}_changelist")
        return answer_dialog(request, act, refusal=refusal, done=done, back=back)


@admin.register(DataExport)
class DataExportAdmin(_OfPeople):
    service = exports
    list_display = ["requested_at", "user_id", "status", "requested_by", "expires_at", "look"]
    list_filter = ["state", "attention", "requested_at"]
    fields = [
        "id", "user_id", "state", "requested_by", "requested_at", "built_at", "expires_at", "size",
        "sha256", "downloaded_at", "attention", "last_error", "attempts", "next_attempt_at", "trail",
    ]  # fmt: skip
    readonly_fields = fields
    actions_list = ["request_copy"]

    @display(
        description=_("state"),
        ordering="state",
        label={
            DataExport.State.REQUESTED: "info",
            DataExport.State.READY: "success",
            DataExport.State.EXPIRED: "warning",
        },
    )
    def status(self, row: DataExport) -> tuple[str, str]:
        return row.state, row.get_state_display()

    def has_request_copy_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("compliance.request_dataexport")

    has_try_again_permission = has_request_copy_permission

    @action(
        description=_("Make a copy for a person"),
        url_path="request",
        permissions=["request_copy"],
        dialog=dialog(
            _("Make a copy of a person's data"),
            _(
                "For somebody who asked for it in another way. They are told when it is ready, and "
                "they alone can download it. The law gives 15 days (LGPD art. 19)."
            ),
            _("Make it"),
            PersonForm,
        ),
    )
    def request_copy(self, request: HttpRequest, form: Any) -> HttpResponse:
        return self._answer(
            request,
            lambda: exports.request(
                user=form.cleaned_data["user_id"],
                actor=audit.actor_of(request.user),
                now=timezone.now(),
            ),
            ExportRefused,
            str(_("The copy is being put together. The person is told when it is ready.")),
        )


@admin.register(ErasureRequest)
class ErasureRequestAdmin(_OfPeople):
    service = erasure
    list_display = ["requested_at", "user_id", "status", "execute_after", "keep_until", "look"]
    list_filter = ["state", "attention", "requested_at"]
    fields = [
        "id", "user_id", "state", "requested_by", "requested_at", "execute_after", "standing",
        "gives_up_tokens",
        "withdrawn_at", "closed_at", "keep_until", "erased_at", "attention", "last_error", "attempts",
        "next_attempt_at", "trail",
    ]  # fmt: skip
    readonly_fields = fields
    actions_list = ["request_for"]
    actions_detail = ["undo"]

    @display(
        description=_("state"),
        ordering="state",
        label={
            ErasureRequest.State.REQUESTED: "info",
            ErasureRequest.State.WITHDRAWN: "warning",
            ErasureRequest.State.CLOSED: "success",
            ErasureRequest.State.ERASED: "success",
        },
    )
    def status(self, row: ErasureRequest) -> tuple[str, str]:
        return row.state, row.get_state_display()

    @admin.display(description=_("stands against it"))
    def standing(self, row: ErasureRequest) -> str:
        return " ".join(str(obstacles.MESSAGES[code]) for code in row.obstacles) or "–"

    def has_request_for_permission(
        self, request: HttpRequest, object_id: str | None = None
    ) -> bool:
        return request.user.has_perm("compliance.request_erasure")

    has_try_again_permission = has_request_for_permission

    def has_undo_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Only what was not carried out can be undone."""
        open_ones = ErasureRequest.objects.filter(state=ErasureRequest.State.REQUESTED)
        return self.has_request_for_permission(request) and open_ones.filter(pk=object_id).exists()

    @action(
        description=_("Ask for a person's erasure"),
        url_path="request",
        permissions=["request_for"],
        dialog=dialog(
            _("Ask for the erasure of a person's data"),
            _(
                "For somebody who asked for it in another way; make sure that it was them. They are "
                "told by e-mail and can undo it for some days."
            ),
            _("Ask for it"),
            PersonForm,
        ),
    )
    def request_for(self, request: HttpRequest, form: Any) -> HttpResponse:
        return self._answer(
            request,
            lambda: erasure.request(
                user=form.cleaned_data["user_id"],
                actor=audit.actor_of(request.user),
                now=timezone.now(),
            ),
            ErasureRefused,
            str(_("Asked for. The person is told, and can undo it for some days.")),
        )

    @action(
        description=_("Undo"),
        url_path="undo",
        permissions=["undo"],
        dialog=dialog(
            _("Keep the account"),
            _(
                "Nothing has been erased yet. The account stays as it is. The person is told, with "
                "your reason."
            ),
            _("Keep it"),
        ),
    )
    def undo(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        asked = ErasureRequest.objects.get(pk=object_id)
        return self._answer(
            request,
            lambda: erasure.withdraw(
                user_id=asked.user_id,
                actor=audit.actor_of(request.user),
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            ),
            ErasureRefused,
            str(_("The account stays. Nothing was erased.")),
        )
