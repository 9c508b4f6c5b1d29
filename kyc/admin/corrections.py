"""What people say is wrong in their application: an officer proposes to change it, or says why not."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.access import signed_in
from agora.lib import crypto
from agora.lib.admin import PROPOSED, DialogForm, answer_dialog, dialog, link, trail_link
from agora.lib.catalog import Text
from compliance.four_eyes import Refused
from kyc import corrections
from kyc.admin.people import ERASED, Looked, PersonAdmin
from kyc.cases.record import WORK
from kyc.correction_decision import LABELS
from kyc.models import Application, Correction

_WITH_SECOND = "PROPOSED"
WAITS_FOR_SECOND = _("Waits for a second person")


class AnswerForm(DialogForm):
    """What the person reads."""

    text = forms.CharField(
        label=_("Text for the person"),
        max_length=corrections.LONGEST_TEXT,
        widget=UnfoldAdminTextareaWidget,
    )


def waiting_count(request: HttpRequest) -> str:
    """For the menu: how many of others wait for an officer; nothing when none does."""
    waiting = Correction.objects.filter(~corrections.is_proposed(), state=Correction.State.OPEN)
    count = waiting.exclude(application__user=signed_in(request)).count()
    return str(count) if count else ""


class StateFilter(admin.SimpleListFilter):
    """Where a correction stands; what waits for a second person does not wait for an officer."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        waiting, *ended = Correction.State.choices
        return [waiting, (_WITH_SECOND, WAITS_FOR_SECOND), *ended]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Correction]
    ) -> QuerySet[Correction]:
        chosen = self.value()
        if chosen is None:
            return queryset
        proposed = chosen == _WITH_SECOND
        state = Correction.State.OPEN if proposed else chosen
        return queryset.filter(state=state, proposed=proposed)


@admin.register(Correction)
class CorrectionAdmin(PersonAdmin):
    list_display = ["asked_at", "person", "what", "status", "decided_at"]
    list_filter = [StateFilter, "asked_at"]
    list_select_related = ["application__user"]
    search_fields = ["=id", "=application__id", "application__user__email"]
    search_help_text = _("Correction or application id, e-mail address")
    fields = [
        "person", "state", "decision", "full_name_change", "tax_id_change", "other_account", "why",
        "documents", "asked_at", "decided_at", "answered", "trail",
    ]  # fmt: skip
    readonly_fields = fields
    actions_detail = ["propose", "decline"]

    trail = trail_link("kyc_application", pk="application_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Correction]:
        rows: QuerySet[Correction] = super().get_queryset(request)
        return rows.annotate(proposed=corrections.is_proposed())

    def looked_at(self, row: Correction) -> Looked:
        answer = ["answer"] if row.answer_encrypted else []
        return "kyc_application", row.application_id, [*row.fields, "reason", *answer]

    def get_fields(self, request: HttpRequest, obj: Correction | None = None) -> list[str]:
        """Of name and tax id only what is to be corrected is shown, and what waits if it does."""
        wanted = obj.fields if obj else []
        hidden = {f"{column}_change" for column in LABELS if column not in wanted}
        if obj is None or corrections.open_proposal(obj.pk) is None:
            hidden.add("decision")
        if obj is None or _elsewhere(obj) is None:
            hidden.add("other_account")
        return [name for name in self.fields if name not in hidden]

    @admin.display(description=_("person"))
    def person(self, row: Correction) -> str:
        return str(row.application.user)

    @admin.display(description=_("to be corrected"))
    def what(self, row: Correction) -> str:
        return ", ".join(str(LABELS[name]) for name in row.fields) or "–"

    @display(
        description=_("state"),
        ordering="state",
        label={
            Correction.State.OPEN: "warning",
            _WITH_SECOND: "info",
            Correction.State.MADE: "success",
            Correction.State.DECLINED: "danger",
            Correction.State.WITHDRAWN: "default",
        },
    )
    def status(self, row: Any) -> tuple[str, str]:
        if row.proposed:
            return _WITH_SECOND, str(WAITS_FOR_SECOND)
        return row.state, row.get_state_display()

    @admin.display(description=_("decision"))
    def decision(self, row: Correction) -> str:
        """Who reads this may be the second person: one click away from the proposal."""
        proposal = corrections.open_proposal(row.pk)
        if proposal is None:
            return "–"
        page = reverse("admin:compliance_proposal_change", args=[proposal.pk])
        return link(page, WAITS_FOR_SECOND)

    @admin.display(description=_("full name"))
    def full_name_change(self, row: Correction) -> str:
        return _change(row, "full_name")

    @admin.display(description=_("tax id"))
    def tax_id_change(self, row: Correction) -> str:
        return _change(row, "tax_id")

    @admin.display(description=_("account with this tax id"))
    def other_account(self, row: Correction) -> str:
        other = _elsewhere(row)
        if other is None:
            return "–"
        page = reverse("admin:kyc_application_change", args=[other.pk])
        return link(page, _("Another account has it: compare both before you answer"))

    @admin.display(description=_("why"))
    def why(self, row: Correction) -> str:
        return str(crypto.unless_shredded(lambda: row.reason, ERASED))

    @admin.display(description=_("answer"))
    def answered(self, row: Correction) -> str:
        return str(crypto.unless_shredded(lambda: row.answer or "–", ERASED))

    @admin.display(description=_("documents"))
    def documents(self, row: Correction) -> str:
        address = f"{reverse('admin:kyc_document_changelist')}?q={row.application_id}"
        return link(address, _("What the person has shown"))

    def has_work_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        """Only what waits for an officer can be decided, not what waits for a second person."""
        open_ones = self.get_queryset(request).filter(state=Correction.State.OPEN)
        found = open_ones.filter(pk=str(object_id)).first()
        if found is None or not request.user.has_perm(WORK):
            return False
        return corrections.open_proposal(found.pk) is None

    @action(
        description=_("Propose the correction"),
        url_path="propose",
        permissions=["work"],
        dialog=dialog(
            _("Propose the correction"),
            _(
                "The person's data is changed, and they are looked up again, once a second person "
                "approves it. The reason is kept with the decision; the trail holds a digest."
            ),
            _("Propose"),
        ),
    )
    def propose(self, request: HttpRequest, form: DialogForm, object_id: str) -> HttpResponse:
        back = reverse("admin:kyc_correction_change", args=[object_id])
        return _act(corrections.propose, request, form, object_id, PROPOSED, back)

    @action(
        description=_("Do not correct it"),
        url_path="decline",
        permissions=["work"],
        dialog=dialog(
            _("Do not correct it"),
            _("Nothing is changed. The person reads your text."),
            _("Answer"),
            AnswerForm,
        ),
    )
    def decline(self, request: HttpRequest, form: DialogForm, object_id: str) -> HttpResponse:
        done, back = _("Answered. The person is told."), reverse("admin:kyc_correction_changelist")
        return _act(corrections.decline, request, form, object_id, done, back)


def _act(
    service: Callable[..., object],
    request: HttpRequest,
    form: DialogForm,
    object_id: str,
    done: Text,
    back: str,
) -> HttpResponse:
    return answer_dialog(
        request,
        lambda: service(
            correction_id=UUID(object_id),
            officer=signed_in(request),
            **form.values,
            now=timezone.now(),
        ),
        refusal=Refused,
        done=str(done),
        back=back,
    )


def _elsewhere(row: Correction) -> Application | None:
    """Whose tax id is wanted, as long as that is to be decided."""
    return corrections.elsewhere(row) if row.state == Correction.State.OPEN else None


def _change(row: Correction, column: str) -> str:
    """Now and wanted; once it was corrected, what it was corrected to: that may be the past by now."""

    def read() -> str:
        now, wanted = getattr(row.application, column), getattr(row, column)
        return wanted if row.state == Correction.State.MADE else f"{now} → {wanted}"

    return str(crypto.unless_shredded(read, ERASED))
