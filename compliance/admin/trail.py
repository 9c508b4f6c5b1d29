"""The audit trail in the admin: rows, exports, anchors, retention, and the clauses they answer."""

from datetime import UTC, datetime
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.access import signed_in
from agora.lib.admin import PROPOSED, ReadOnlyAdmin, ReasonForm, answer_dialog, trail_link
from compliance import audit
from compliance.clauses import clauses, text_of
from compliance.four_eyes import Refused
from compliance.models import AuditAnchor, AuditRow, RetentionRule
from compliance.retention import KINDS
from compliance.retention_decisions import propose_retention
from compliance.trail import search
from compliance.trail.archive import FORMS
from compliance.trail.export import Filter, moment_of
from compliance.trail.own import readable_by, unread_by
from compliance.trail.usage_export import TRAIL
from compliance.trail.usage_export import Refused as ExportRefused
from compliance.views.trail import archive_response


class _Moment(forms.DateTimeField):
    """A date or a time in UTC, whatever zone the reader is in."""

    widget = UnfoldAdminTextInputWidget

    def to_python(self, value: Any) -> datetime | None:
        text = str(value or "").strip()
        try:
            return moment_of(text) if text else None
        except ValueError as error:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error


class ExportForm(forms.Form):
    """Which rows, and in which form."""

    kind = forms.ChoiceField(
        label=_("what"),
        choices=[
            (TRAIL, _("The trail")),
            ("token-uses", _("Uses of API tokens, by whole days")),
            ("nonce-uses", _("Nonces of wallet proofs, by whole days")),
        ],
        initial=TRAIL,
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    form = forms.ChoiceField(
        label=_("file format"),
        choices=[(name, name.upper()) for name in FORMS],
        widget=UnfoldAdminSelectWidget,
    )
    since = _Moment(
        label=_("from, UTC"), required=False, help_text=_("2026-11-30 or 2026-11-30 14:00")
    )
    until = _Moment(label=_("to, UTC, not included"), required=False)
    actor = forms.CharField(
        label=_("actor"), max_length=80, required=False, widget=UnfoldAdminTextInputWidget
    )
    action = forms.CharField(
        label=_("action"), max_length=60, required=False, widget=UnfoldAdminTextInputWidget
    )
    object_type = forms.CharField(
        label=_("object type"), max_length=40, required=False, widget=UnfoldAdminTextInputWidget
    )
    object_id = forms.CharField(
        label=_("object"), max_length=80, required=False, widget=UnfoldAdminTextInputWidget
    )


class RetentionForm(ReasonForm):
    """How long, by which law, and why it changes."""

    days = forms.IntegerField(label=_("days kept"), widget=UnfoldAdminIntegerFieldWidget)
    legal_basis = forms.CharField(
        label=_("legal basis"), max_length=300, widget=UnfoldAdminTextInputWidget
    )
    field_order = ["days", "legal_basis", "reason"]


class _Values(admin.SimpleListFilter):
    """The values of a column that are there, read from its index."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, value) for value in search.values_of(self.parameter_name or "")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditRow]) -> QuerySet[AuditRow]:
        chosen = {self.parameter_name or "": self.value()}
        return queryset.filter(**chosen) if self.value() else queryset


class _Actions(_Values):
    title = _("action")
    parameter_name = "action"


class _ObjectTypes(_Values):
    title = _("object type")
    parameter_name = "object_type"


class _Newest(Paginator):  # type: ignore[type-arg]  # has no arguments when it runs
    """Pages through the newest rows that match; what lies further back is found by a filter.

    To count all rows takes longer the older the trail is.
    """

    most = 10_000

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[AuditRow]", self.object_list)
        return rows.order_by()[: self.most].count()


@admin.register(AuditRow)
class AuditRowAdmin(ReadOnlyAdmin):
    list_display = ["moment", "actor", "action", "object_type", "object_id", "position"]
    list_filter = [_Actions, _ObjectTypes, "at"]
    list_select_related = ["seal"]
    # What is searched is get_search_results' own; the field only lets the box appear.
    search_fields = ["object_id"]
    search_help_text = _("Exactly an object's id, an actor such as user:… or an action")
    paginator = _Newest
    ordering = ["-id"]
    fields = [
        "uid", "moment", "actor", "action", "object_type", "object_id", "evidence", "digest", "position",
    ]  # fmt: skip
    readonly_fields = fields
    actions_list = ["export_trail", "show_clauses"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditRow]:
        """Nobody reads what the trail says of themselves, and few what people have shown."""
        rows: QuerySet[AuditRow] = super().get_queryset(request)
        return rows & readable_by(signed_in(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditRow], search_term: str
    ) -> tuple[QuerySet[AuditRow], bool]:
        return search.matching(queryset, search_term), False

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("compliance.export_auditrow")

    @admin.display(description=_("at, UTC"), ordering="id")
    def moment(self, row: AuditRow) -> str:
        return f"{row.at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]

    @admin.display(description=_("position in the chain"))
    def position(self, row: AuditRow) -> str:
        seal = getattr(row, "seal", None)
        return str(seal.position) if seal else str(_("not sealed yet"))

    @admin.display(description=_("row hash"))
    def digest(self, row: AuditRow) -> str:
        return bytes(row.row_hash).hex()

    @action(description=_("Export"), url_path="export", permissions=["export"])
    def export_trail(self, request: HttpRequest) -> HttpResponseBase:
        """The form; with its answers, the archive."""
        asked = request.GET if "form" in request.GET else None
        form = ExportForm(asked, initial={"kind": request.GET.get("kind", TRAIL)})
        if form.is_valid():
            chosen = {name: value for name, value in form.cleaned_data.items() if value}
            kind, name = chosen.pop("kind", TRAIL), chosen.pop("form")
            wanted = Filter(**chosen, without=unread_by(signed_in(request)))
            actor = audit.actor_of(request.user)
            try:
                return archive_response(kind=kind, chosen=wanted, form=name, actor=actor)
            except ExportRefused as refused:
                form.add_error(None, refused.message)
        return self._page(request, "audit_export", _("Export the audit trail"), form=form)

    @action(description=_("Regulatory clauses"), url_path="clauses")
    def show_clauses(self, request: HttpRequest) -> HttpResponse:
        """Which rule asks for what, and where it is answered; with `evidence`, that part of a file."""
        if asked := request.GET.get("evidence"):
            text = text_of(asked)
            if text is None:
                raise Http404
            return self._page(request, "clause_evidence", asked, text=text)
        return self._page(request, "clauses", _("Regulatory clauses"), clauses=clauses())

    def _page(
        self, request: HttpRequest, template: str, title: object, **context: object
    ) -> TemplateResponse:
        shared = {**self.admin_site.each_context(request), "title": title, "opts": self.opts}
        return TemplateResponse(request, f"admin/compliance/{template}.html", {**shared, **context})


@admin.register(AuditAnchor)
class AuditAnchorAdmin(ReadOnlyAdmin):
    """What was told outside; verification reads the places themselves."""

    list_display = ["moment", "place", "position", "head", "reference"]
    list_filter = ["place", "anchored_at"]
    fields = ["moment", "place", "position", "head", "reference"]
    readonly_fields = fields

    @admin.display(description=_("anchored, UTC"), ordering="anchored_at")
    def moment(self, anchor: AuditAnchor) -> str:
        return f"{anchor.anchored_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"

    @admin.display(description=_("head"))
    def head(self, anchor: AuditAnchor) -> str:
        return bytes(anchor.hash).hex()


@admin.register(RetentionRule)
class RetentionRuleAdmin(ReadOnlyAdmin):
    list_display = ["kind", "what", "days", "legal_basis", "changed"]
    fields = ["kind", "what", "days", "legal_basis", "changed", "trail"]
    readonly_fields = fields
    actions_detail = ["propose_change"]

    trail = trail_link("retention")

    def has_propose_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return request.user.has_perm("compliance.propose_retention")

    @admin.display(description=_("changed, UTC"), ordering="changed_at")
    def changed(self, rule: RetentionRule) -> str | None:
        at = rule.changed_at
        return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" if at else None

    @admin.display(description=_("what it is, and from when its days count"))
    def what(self, rule: RetentionRule) -> str:
        kind = KINDS.get(rule.kind)
        return str(kind.title) if kind else "–"

    @action(
        description=_("Propose another rule"),
        url_path="propose",
        permissions=["propose"],
        dialog={
            "title": _("Propose another rule"),
            "description": _("It holds once a second person approves it."),
            "form_class": RetentionForm,
            "form_submit_text": _("Propose"),
        },
    )
    def propose_change(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return answer_dialog(
            request,
            lambda: propose_retention(
                kind=object_id,
                days=form.cleaned_data["days"],
                legal_basis=form.cleaned_data["legal_basis"],
                reason=form.cleaned_data["reason"],
                maker=request.user,  # type: ignore[arg-type]
                now=timezone.now(),
            ),
            refusal=Refused,
            done=str(PROPOSED),
            back=reverse("admin:compliance_retentionrule_changelist"),
        )
