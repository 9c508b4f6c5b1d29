"""The case queue and the page of one case: the officer's working day (ID-2).

Nothing is typed into a case: each button opens a dialog and calls one service of kyc.cases. Links
carry the version of the case that the officer has before them.
"""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from accounts.access import signed_in
from accounts.models import User
from agora.lib.admin import DialogForm
from compliance.four_eyes import Refused
from kyc import cases
from kyc.admin import case_forms, case_page
from kyc.admin.case_forms import Dialog
from kyc.admin.case_list import DUE_COLOURS, STATE_COLOURS, QueueFilter, due, span
from kyc.admin.people import Looked, PersonAdmin
from kyc.cases.record import ASSIGN, WORK
from kyc.models import Case

_LIST = "admin:kyc_case_changelist"
_TAKE = Dialog(
    _("Take this case"),
    case_forms.TakeForm,
    _("Take"),
    _("It is yours then, and nobody else can act on it while you review it."),
)
_RELEASE = Dialog(
    _("Put the case back into the queue"),
    DialogForm,
    _("Put back"),
    _("Anybody can take it then. Its due time stays."),
)
_ASSIGN = Dialog(_("Assign the case"), case_forms.AssignForm, _("Assign"))
_NOTE = Dialog(_("Add a note"), case_forms.NoteForm, _("Add"))
_ASK = Dialog(_("Ask the person for more"), case_forms.AskForm, _("Ask"))
_ESCALATE = Dialog(
    _("Escalate to another group"),
    case_forms.EscalateForm,
    _("Escalate"),
    _("Only that group works on the case then: unless you belong to it you can only read it."),
)
_APPROVE = Dialog(
    _("Propose to approve"),
    case_forms.ApproveForm,
    _("Propose"),
    _("A second person decides. Until then you can take it back."),
)
_REJECT = Dialog(
    _("Propose to reject"),
    case_forms.RejectForm,
    _("Propose"),
    _(
        "A second person decides. Until then you can take it back. Who waits for their first approval "
        "is rejected then. Who was approved is suspended if a match on a list is them, or if they had "
        "not asked for the review; otherwise they keep their tier."
    ),
)
_TAKE_BACK = Dialog(_("Take back your proposal"), DialogForm, _("Take back"))
_ACCEPT_DOCUMENT = Dialog(
    _("Accept this document"),
    DialogForm,
    _("Accept"),
    _("The person is told that it was accepted."),
)
_REJECT_DOCUMENT = Dialog(
    _("Do not accept this document"), case_forms.RejectDocumentForm, _("Do not accept")
)


@admin.register(Case)
class CaseAdmin(PersonAdmin):
    list_display = [
        "case", "state_label", "due_label", "age", "country", "assigned_to", "reviewed_by",
    ]  # fmt: skip
    list_filter = [QueueFilter, "state", "application__country", "cause"]
    list_before_template = "admin/kyc/case/take_next.html"
    search_fields = ["=id", "=application__id", "application__user__email"]
    search_help_text = _("Case or application id, e-mail address")
    ordering = ["due_at", "id"]
    change_form_template = "admin/kyc/case/page.html"
    fields: list[str] = []
    actions_detail = [
        "take",
        "propose_approval",
        "propose_rejection",
        "ask",
        "take_back",
        {"title": _("More"), "icon": "more_horiz", "items": [
            "note", "escalate", "release", "assign",
        ]},
        "accept_document",
        "reject_document",
    ]  # fmt: skip

    def has_work_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return request.user.has_perm(WORK)

    def has_assign_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return request.user.has_perm(ASSIGN)

    def has_judge_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return request.user.has_perms([WORK, "kyc.review_document"])

    # --- the queue

    @admin.display(description=_("case"), ordering="application__user__email")
    def case(self, case: Case) -> str:
        about = f"{case.get_cause_display()}: {case.tier_id}"
        person = case.application.user.email
        return format_html('<span class="whitespace-nowrap">{}</span><br>{}', person, about)

    @display(description=_("state"), ordering="state", label=STATE_COLOURS)
    def state_label(self, case: Case) -> tuple[str, str]:
        words = case.get_state_display()
        if case.is_unanswered and case.is_open:
            words = str(_("%(state)s, no answer") % {"state": words})
        return case.state, words

    @display(description=_("due"), ordering="due_at", label=DUE_COLOURS)
    def due_label(self, case: Case) -> tuple[str, str]:
        return due(case, timezone.now())

    @admin.display(description=_("age"), ordering="opened_at")
    def age(self, case: Case) -> str:
        age = span((case.closed_at or timezone.now()) - case.opened_at)
        return format_html('<span class="whitespace-nowrap">{}</span>', age)

    @admin.display(description=_("country"), ordering="application__country")
    def country(self, case: Case) -> str:
        return case.application.get_country_display()

    @admin.display(description=_("reviewed by"))
    def reviewed_by(self, case: Case) -> str:
        holder = case.lock_holder(timezone.now())
        return str(case.locked_by) if holder else "–"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        shown = {"may_take": self.has_work_permission(request), **(extra_context or {})}
        answer: HttpResponse = super().changelist_view(request, shown)
        return answer

    # --- addresses that only take a POST

    def get_custom_urls(self) -> Any:
        return (
            ("take-next/", "kyc_case_take_next", require_POST(self.take_next)),
            ("<uuid:object_id>/check/", "kyc_case_check", require_POST(self.tick)),
            ("<uuid:object_id>/keep/", "kyc_case_keep", require_POST(self.keep)),
        )

    def take_next(self, request: HttpRequest, model_admin: Any) -> HttpResponse:
        """Take the case that is due first and open it."""
        case = cases.take_next(officer=signed_in(request), now=timezone.now())
        if case is None:
            messages.info(request, _("Nothing waits for you."))
            return HttpResponseRedirect(reverse(_LIST))
        return HttpResponseRedirect(_page(case.pk))

    def tick(self, request: HttpRequest, model_admin: Any, object_id: UUID) -> HttpResponse:
        """Tick one of the required actions."""
        try:
            cases.check(
                case_id=object_id,
                officer=signed_in(request),
                code=request.POST.get("code", ""),
                version=_version(request),
                now=timezone.now(),
            )
        except Case.DoesNotExist as error:
            raise Http404 from error
        except Refused as refused:
            messages.error(request, str(refused.message))
        return HttpResponseRedirect(_page(object_id))

    def keep(self, request: HttpRequest, model_admin: Any, object_id: UUID) -> HttpResponse:
        """The heartbeat of an open page: keep the lock, or reload the page that has lost it."""
        try:
            cases.keep_lock(case_id=object_id, officer=signed_in(request), now=timezone.now())
        except Case.DoesNotExist as error:
            raise Http404 from error
        except Refused:
            return HttpResponse(headers={"HX-Refresh": "true"})
        return HttpResponse(status=204)

    # --- the page of one case

    def get_queryset(self, request: HttpRequest) -> QuerySet[Case]:
        # Here and not in list_select_related, which Django passes over once anything is selected here.
        return (
            super()
            .get_queryset(request)
            .select_related("application__user", "tier", "assigned_to", "locked_by", "group")
        )

    def looked_at(self, row: Case) -> Looked:
        return "kyc_application", row.application_id, ["full_name", "tax_id", "texts"]

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        context.update(case_page.context(request, obj, signed_in(request), timezone.now()))
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Only what makes sense now; buttons for documents stand beside the documents."""
        found = super().get_actions_detail(request, object_id)
        case = self.get_object(request, str(object_id))
        if case is None:
            return []
        names = case_page.offered(case, signed_in(request), timezone.now())
        return [one for one in found if one.action_name.removeprefix("kyc_case_") in names]

    def _get_actions_navigation(
        self, provided_actions: Any, allowed_actions: Any, object_id: Any = None
    ) -> Any:
        """Links that name the version of the case they were made for."""
        found = super()._get_actions_navigation(provided_actions, allowed_actions, object_id)
        if not found or object_id is None:
            return found
        version = Case.objects.filter(pk=object_id).values_list("version", flat=True).first()
        for entry in found:
            for one in [entry, *entry.get("items", [])]:
                if "path" in one:
                    one["path"] = f"{one['path']}?version={version}"
        return found

    # --- actions

    @action(
        description=_("Take"),
        permissions=["work"],
        icon="front_hand",
        variant=ActionVariant.PRIMARY,
        dialog=_TAKE.words,
    )
    def take(self, request: HttpRequest, form: DialogForm, object_id: str) -> HttpResponse:
        return _answer(_TAKE, cases.take, request, form, object_id)

    @action(description=_("Put back"), permissions=["work"], dialog=_RELEASE.words)
    def release(self, request: HttpRequest, form: DialogForm, object_id: str) -> HttpResponse:
        return _answer(_RELEASE, cases.release, request, form, object_id)

    @action(description=_("Assign"), permissions=["work", "assign"], dialog=_ASSIGN.words)
    def assign(self, request: HttpRequest, form: DialogForm, object_id: str) -> HttpResponse:
        return _answer(_ASSIGN, cases.assign, request, form, object_id)

    @action(description=_("Note"), permissions=["work"], dialog=_NOTE.words)
    def note(self, request: HttpRequest, form: DialogForm, object_id: str) -> HttpResponse:
        return _answer(_NOTE, cases.note, request, form, object_id)

    @action(description=_("Ask for more"), permissions=["work"], icon="help", dialog=_ASK.words)
    def ask(self, request: HttpRequest, form: DialogForm, object_id: str) -> HttpResponse:
        return _answer(_ASK, cases.ask, request, form, object_id)

    @action(description=_("Escalate"), permissions=["work"], dialog=_ESCALATE.words)
    def escalate(self, request: HttpRequest, form: DialogForm, object_id: str) -> HttpResponse:
        return _answer(_ESCALATE, cases.escalate, request, form, object_id)

    @action(
        description=_("Propose to approve"),
        permissions=["work"],
        icon="check",
        variant=ActionVariant.SUCCESS,
        dialog=_APPROVE.words,
    )
    def propose_approval(
        self, request: HttpRequest, form: DialogForm, object_id: str
    ) -> HttpResponse:
        return _answer(_APPROVE, cases.propose_approval, request, form, object_id)

    @action(
        description=_("Propose to reject"),
        permissions=["work"],
        icon="close",
        variant=ActionVariant.DANGER,
        dialog=_REJECT.words,
    )
    def propose_rejection(
        self, request: HttpRequest, form: DialogForm, object_id: str
    ) -> HttpResponse:
        return _answer(_REJECT, cases.propose_rejection, request, form, object_id)

    @action(
        description=_("Take back the proposal"),
        permissions=["work"],
        icon="undo",
        dialog=_TAKE_BACK.words,
    )
    def take_back(self, request: HttpRequest, form: DialogForm, object_id: str) -> HttpResponse:
        def service(*, version: int, **given: Any) -> object:
            return cases.take_back(**given)  # a proposal has its own way to be taken once

        return _answer(_TAKE_BACK, service, request, form, object_id)

    @action(
        description=_("Accept the document"), permissions=["judge"], dialog=_ACCEPT_DOCUMENT.words
    )
    def accept_document(
        self, request: HttpRequest, form: DialogForm, object_id: str
    ) -> HttpResponse:
        return _judge(_ACCEPT_DOCUMENT, request, form, object_id, accept=True)

    @action(
        description=_("Do not accept the document"),
        permissions=["judge"],
        dialog=_REJECT_DOCUMENT.words,
    )
    def reject_document(
        self, request: HttpRequest, form: DialogForm, object_id: str
    ) -> HttpResponse:
        return _judge(_REJECT_DOCUMENT, request, form, object_id, accept=False)


def _page(case_id: UUID | str) -> str:
    return reverse("admin:kyc_case_change", args=[case_id])


def _version(request: HttpRequest) -> int:
    """The version of the case that the officer had before them; a broken link has none that fits."""
    given = request.GET.get("version", "")
    return int(given) if given.isdecimal() and len(given) < 10 else 0


def _answer(
    dialog: Dialog,
    service: Any,
    request: HttpRequest,
    form: DialogForm,
    object_id: str,
    *,
    back: str = "",
) -> HttpResponse:
    """Call the service with what was filled in."""
    officer: User = signed_in(request)

    def act() -> object:
        return service(
            case_id=_id(object_id),
            officer=officer,
            **form.values,
            version=_version(request),
            now=timezone.now(),
        )

    try:
        return dialog.answer(request, form, act, back=back or _page(object_id))
    except Case.DoesNotExist as error:
        raise Http404 from error


def _judge(
    dialog: Dialog, request: HttpRequest, form: DialogForm, object_id: str, *, accept: bool
) -> HttpResponse:
    document_id = _id(request.GET.get("document", ""))
    # Back to what the officer had before them, with the next document in the place of this one. The
    # version makes it another address than the one that is open: a browser would go to the place on the
    # page and not load it anew.
    shown = {name: request.GET.get(name, "") for name in ("left", "right", "version")}
    left_over = {
        name: text for name, text in shown.items() if not text.startswith(str(document_id))
    }
    back = f"{_page(object_id)}?{urlencode(left_over)}#viewer"

    def service(**given: Any) -> object:
        return cases.judge_document(**given, document_id=document_id, accept=accept)

    return _answer(dialog, service, request, form, object_id, back=back)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Http404 from error
