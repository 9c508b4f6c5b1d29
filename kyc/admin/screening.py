"""Sanctions and PEP lists in the back office: what is loaded, and matches that officers decide."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from accounts.access import signed_in
from agora.lib import crypto
from agora.lib.admin import (
    PROPOSED,
    ReadOnlyAdmin,
    answer_dialog,
    dialog,
    leave_dialog,
    link,
    trail_link,
)
from compliance import audit
from compliance.four_eyes import Refused
from kyc import screening
from kyc.admin.people import ERASED, Looked, PersonAdmin, case_link
from kyc.models import Case, ScreeningList, ScreeningMatch, ScreeningRun
from kyc.screening import runs
from kyc.screening.matching import open_proposal

_LIST = "admin:kyc_screeningmatch_changelist"
_LABELS = {
    "name": _("name"),
    "aliases": _("other names"),
    "birth_date": _("born"),
    "countries": _("countries"),
    "identifiers": _("numbers"),
    "sanctions": _("sanctions"),
    "program_ids": _("programmes"),
    "dataset": _("sources"),
    "first_seen": _("on the list since"),
    "last_change": _("changed"),
}


def waiting_count(request: HttpRequest) -> str:
    """For the menu: how many matches of others wait for a decision; nothing when none does."""
    waiting = ScreeningMatch.objects.filter(state=ScreeningMatch.State.OPEN)
    count = waiting.exclude(application__user=signed_in(request)).count()
    return str(count) if count else ""


@admin.register(ScreeningMatch)
class ScreeningMatchAdmin(PersonAdmin):
    list_display = [
        "found_at", "status", "listed_name", "list_name", "by", "score", "is_sanctioned", "person",
    ]  # fmt: skip
    list_filter = ["state", "is_sanctioned", "by", "list_name", "found_at"]
    list_select_related = ["application__user"]
    search_fields = ["=id", "=application__id", "=source_id", "application__user__email"]
    search_help_text = _("Match or application id, id on the list, e-mail address")
    fields = [
        "state", "pause", "person_name", "person", "case", "score", "by", "is_sanctioned", "list_name",
        "source_id", "listed", "found_at", "decided_by", "decided_at", "reason", "trail",
    ]  # fmt: skip
    readonly_fields = fields
    actions_detail = ["dismiss", "propose_dismissal", "confirm", "reopen"]

    trail = trail_link("kyc_application", pk="application_id")

    def looked_at(self, row: ScreeningMatch) -> Looked:
        return "kyc_application", row.application_id, ["full_name"]

    def has_review_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return request.user.has_perm("kyc.review_match")

    def has_decide_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        """Only an open match can be decided; the service asks again."""
        return self._open(request, object_id) is not None

    def has_dismiss_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        found = self._open(request, object_id)
        return found is not None and not found.holds

    def has_propose_dismissal_permission(
        self, request: HttpRequest, object_id: object = None
    ) -> bool:
        """Two people dismiss what pauses buying, and not what waits for the second one already."""
        found = self._open(request, object_id)
        return found is not None and found.holds and open_proposal(found.pk) is None

    def _open(self, request: HttpRequest, object_id: object) -> ScreeningMatch | None:
        """The match, if it is open and the reader may decide it."""
        if not self.has_review_permission(request):
            return None
        waiting = ScreeningMatch.objects.filter(state=ScreeningMatch.State.OPEN)
        return waiting.filter(pk=str(object_id)).first()

    def has_reopen_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        """Only what was decided can be decided anew; the service asks again."""
        decided = ScreeningMatch.objects.exclude(state=ScreeningMatch.State.OPEN)
        allowed = self.has_review_permission(request)
        return allowed and decided.filter(pk=str(object_id)).exists()

    @display(
        description=_("state"),
        ordering="state",
        label={
            ScreeningMatch.State.OPEN: "warning",
            ScreeningMatch.State.CONFIRMED: "danger",
            ScreeningMatch.State.DISMISSED: "success",
        },
    )
    def status(self, match: ScreeningMatch) -> tuple[str, str]:
        return match.state, match.get_state_display()

    @admin.display(description=_("buying"))
    def pause(self, match: ScreeningMatch) -> str:
        """Who reads this may be the second person: one click away from the proposal."""
        if not match.holds:
            return "–"
        if match.state == ScreeningMatch.State.CONFIRMED:
            return str(_("This match pauses buying: two people decide in the case."))
        proposal = open_proposal(match.pk)
        if proposal is None:
            return str(_("This match pauses buying: two people end it."))
        return link(
            reverse("admin:compliance_proposal_change", args=[proposal.pk]),
            _("This match pauses buying: its end waits for a second person."),
        )

    @admin.display(description=_("name on the list"))
    def listed_name(self, match: ScreeningMatch) -> str:
        return str(match.entry.get("name", match.source_id))

    @admin.display(description=_("person"))
    def person(self, match: ScreeningMatch) -> str:
        return str(match.application.user)

    @admin.display(description=_("name now"))
    def person_name(self, match: ScreeningMatch) -> str:
        return str(crypto.unless_shredded(lambda: match.application.full_name, ERASED))

    @admin.display(description=_("case"))
    def case(self, match: ScreeningMatch) -> str:
        found = Case.objects.filter(application=match.application_id).order_by("-opened_at").first()
        return case_link(found)

    @admin.display(description=_("on the list"))
    def listed(self, match: ScreeningMatch) -> SafeString:
        rows = [
            (label, match.entry[name]) for name, label in _LABELS.items() if name in match.entry
        ]
        return format_html(
            "<dl>{}</dl>",
            format_html_join("", "<dt><b>{}</b></dt><dd>{}</dd>", (_shown(*row) for row in rows)),
        )

    @action(
        description=_("It is somebody else"),
        url_path="dismiss",
        permissions=["dismiss"],
        dialog=dialog(
            _("It is somebody else"),
            _(
                "Say what tells them apart. The match comes back if the entry on the list changes, or the "
                "person's name or tax id."
            ),
            _("Dismiss"),
        ),
    )
    def dismiss(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._decide(request, form, object_id, screening.dismiss)

    @action(
        description=_("Propose: it is somebody else"),
        url_path="propose-dismissal",
        permissions=["propose_dismissal"],
        dialog=dialog(
            _("Propose: it is somebody else"),
            _(
                "This match pauses buying: two people end it. Say what tells them apart; buying goes on "
                "once a second person approves it."
            ),
            _("Propose"),
        ),
    )
    def propose_dismissal(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._propose(request, form, object_id, screening.propose_dismissal)

    @action(
        description=_("It is the same person"),
        url_path="confirm",
        permissions=["decide"],
        dialog=dialog(
            _("It is the same person"),
            _("Say what shows it. What follows from it, two people decide in the person's case."),
            _("Confirm"),
        ),
    )
    def confirm(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._decide(request, form, object_id, screening.confirm)

    @action(
        description=_("Propose to decide anew"),
        url_path="reopen",
        permissions=["reopen"],
        dialog=dialog(
            _("Propose to decide anew"),
            _(
                "Say what was wrong, or what is known now. Once a second person approves it the match is "
                "open again, in a case."
            ),
            _("Propose"),
        ),
    )
    def reopen(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._propose(request, form, object_id, screening.propose_reopening)

    def _propose(self, request: HttpRequest, form: Any, object_id: str, act: Any) -> HttpResponse:
        return self._act(request, form, object_id, act, PROPOSED)

    def _decide(self, request: HttpRequest, form: Any, object_id: str, act: Any) -> HttpResponse:
        done = _("Decided. It is noted in the audit trail.")
        return self._act(request, form, object_id, act, done)

    def _act(
        self, request: HttpRequest, form: Any, object_id: str, act: Any, done: Any
    ) -> HttpResponse:
        return answer_dialog(
            request,
            lambda: act(
                match_id=UUID(object_id),
                officer=signed_in(request),
                **form.values,
                now=timezone.now(),
            ),
            refusal=Refused,
            done=str(done),
            back=reverse("admin:kyc_screeningmatch_change", args=[object_id]),
        )


def _shown(label: Any, value: object) -> tuple[Any, str]:
    return label, "; ".join(map(str, value)) if isinstance(value, list) else str(value)


@admin.register(ScreeningList)
class ScreeningListAdmin(ReadOnlyAdmin):
    """Loads are made with `manage.py screening import`; here they can be seen."""

    list_display = [
        "name", "loaded_at", "active", "entries_count", "added", "changed", "removed", "skipped",
        "loaded_by",
    ]  # fmt: skip
    list_filter = ["name", "loaded_at"]
    fields = [
        "name", "sha256", "loaded_at", "loaded_by", "entries_count", "skipped", "added", "changed",
        "removed", "replaced_at",
    ]  # fmt: skip
    readonly_fields = fields
    actions_list = ["look_up_everybody"]

    def has_load_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("kyc.load_list")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say it loudly when nobody is looked up."""
        if not screening.is_ready():
            messages.warning(
                request,
                _(
                    "No list is loaded: nobody is looked up. Load one: manage.py screening import FILE"
                ),
            )
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    @admin.display(description=_("active"), boolean=True)
    def active(self, load: ScreeningList) -> bool:
        return load.replaced_at is None

    @action(
        description=_("Look everybody up again"),
        url_path="look-up",
        permissions=["load"],
        dialog=dialog(
            _("Look everybody up again"),
            _("A worker looks up everybody who has applied, in every active list."),
            _("Look up"),
            None,
        ),
    )
    def look_up_everybody(self, request: HttpRequest, form: Any) -> HttpResponse:
        actor = audit.actor_of(request.user)
        runs.begin(cause=ScreeningRun.Cause.ASKED, actor=actor, now=timezone.now())
        messages.info(request, _("Everybody is being looked up. New matches open cases."))
        return leave_dialog(reverse("admin:kyc_screeningrun_changelist"))


@admin.register(ScreeningRun)
class ScreeningRunAdmin(ReadOnlyAdmin):
    list_display = ["begun_at", "cause", "finished_at", "persons", "found", "failed", "attention"]
    list_filter = ["cause", "begun_at"]
    fields = [
        "cause",
        "begun_at",
        "finished_at",
        "persons",
        "found",
        "failed",
        "attention",
        "last_error",
        "trail",
    ]
    readonly_fields = fields

    trail = trail_link(runs.RUN)
