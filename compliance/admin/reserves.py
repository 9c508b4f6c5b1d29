"""Proof of reserve in the admin: read-only; asking for one, signing and exporting are actions."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import User
from agora.lib import throttle
from agora.lib.admin import (
    ReadOnlyAdmin,
    ReasonForm,
    answer_dialog,
    decimal_column,
    leave_dialog,
    trail_link,
)
from agora.lib.money import plain
from agora.lib.pages import attachment
from compliance import audit
from compliance.four_eyes import Refused
from compliance.models import ReserveRow, ReserveSignature, ReserveSnapshot
from compliance.reserves import exports, sign_off, snapshots
from compliance.reserves.persistence import standing_since

_Column = tuple[object, Callable[[ReserveRow], object]]
_MOST_ROWS = 200  # on a page; exports have all
_COLUMNS = (
    _("order"), _("state"), _("our order"), _("broker"), _("our record"), _("custodian"),
    _("our mint"), _("chain"),
)  # fmt: skip


class SignOffForm(ReasonForm):
    """Why it is signed, and of each difference what it is and what is done about it."""

    def __init__(
        self, request: HttpRequest, object_id: int | str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        for row in ReserveRow.objects.filter(snapshot=object_id, is_break=True).order_by("number"):
            self.fields[f"row_{row.number}"] = forms.CharField(
                label=_("Row %(n)d: %(kind)s") % {"n": row.number, "kind": row.get_kind_display()},
                help_text=_(
                    "What it is and what is done about it. It is published: nothing personal."
                ),
                max_length=sign_off.LONGEST_TEXT,
                widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
            )

    @property
    def explanations(self) -> dict[str, str]:
        """By the number of the row."""
        given = self.cleaned_data.items()
        return {name[4:]: text for name, text in given if name.startswith("row_")}


@admin.register(ReserveSnapshot)
class ReserveSnapshotAdmin(ReadOnlyAdmin):
    """Shares by source at one block, what is in flight, and what nothing explains."""

    list_display = [
        "requested_at", "status", "outcome", "minted", "broker", "vault", "in_flight", "gap",
        "block_number", "signed",
    ]  # fmt: skip
    list_filter = ["state", "requested_at"]
    list_select_related = ["signature"]
    fieldsets = [
        (None, {"fields": ["id", "symbol", "told_state", "told_outcome", "totals"]}),
        (_("Differences that time does not explain"), {"fields": ["breaks_table"]}),
        (_("In flight"), {"fields": ["flight_table"]}),
        (_("Bought and not to be minted"), {"fields": ["not_minted_table"]}),
        (_("Block"), {"fields": ["block_number", "block_hash", "block_time", "finality", "contract"]}),
        (_("Sign-off"), {"fields": ["signed", "content_hash", "tree_root", "statement", "files"]}),
        (_("Sources"), {"fields": ["sources_table"]}),
        (_("Work"), {"fields": ["requester", "requested_at", "built_at", "last_error", "trail"]}),
    ]  # fmt: skip
    readonly_fields = [
        "told_state", "told_outcome", "totals", "breaks_table", "flight_table", "not_minted_table",
        "signed", "statement", "files", "sources_table", "requester", "trail",
    ]  # fmt: skip
    actions_list = ["build_snapshot"]
    actions_detail = ["propose_sign_off"]

    gap = decimal_column("difference", _("difference"))
    trail = trail_link(snapshots.OBJECT)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReserveSnapshot]:
        rows: QuerySet[ReserveSnapshot] = super().get_queryset(request)
        email = User.objects.values("email")
        return rows.select_related("signature").annotate(
            maker_email=Subquery(email.filter(pk=OuterRef("signature__maker_id"))),
            checker_email=Subquery(email.filter(pk=OuterRef("signature__checker_id"))),
        )

    def get_urls(self) -> list[Any]:
        files = path(
            "<uuid:snapshot_id>/files/<str:form>/",
            self.admin_site.admin_view(self.download),
            name="compliance_reservesnapshot_file",
        )
        return [files, *super().get_urls()]

    def download(self, request: HttpRequest, snapshot_id: UUID, form: str) -> HttpResponseBase:
        """One snapshot as a file, for whoever may look at it; noted in the audit trail."""
        if not self.has_view_permission(request):
            raise Http404
        try:
            file = exports.export(
                snapshot_id=snapshot_id,
                form=form,
                actor=audit.actor_of(request.user),
                now=timezone.now(),
            )
        except (ReserveSnapshot.DoesNotExist, exports.UnknownForm) as error:
            raise Http404 from error
        return attachment(file.content, name=file.name, content_type=file.content_type)

    def has_build_snapshot_permission(self, request: HttpRequest) -> bool:
        """Who may only look at snapshots may not ask for one."""
        return request.user.has_perm("compliance.add_reservesnapshot")

    def has_propose_sign_off_permission(
        self, request: HttpRequest, object_id: str | None = None
    ) -> bool:
        """Offered while it is ready and not signed, to whoever may sign."""
        waiting = ReserveSnapshot.objects.filter(
            pk=object_id, state=ReserveSnapshot.State.READY, signature=None
        )
        return request.user.has_perm(sign_off.PERMISSION) and waiting.exists()

    @action(
        description=_("Build proof of reserve"),
        url_path="build",
        permissions=["build_snapshot"],
        dialog={
            "title": _("Build proof of reserve"),
            "description": _(
                "A worker reads the chain at one final block, the broker's position and the "
                "custodian's balance, and keeps every figure. It takes a few seconds."
            ),
            "form_class": None,
            "form_submit_text": _("Build"),
        },
    )
    def build_snapshot(self, request: HttpRequest, form: Form) -> HttpResponse:
        if throttle.allowed(rate="export", who=str(request.user.pk)):
            snapshots.request(actor=audit.actor_of(request.user), now=timezone.now())
            said = _("The snapshot is being built. Reload this page in a few seconds.")
            messages.info(request, said)
        else:
            messages.error(request, _("Nothing was asked for: that was often. Wait a minute."))
        return leave_dialog(reverse("admin:compliance_reservesnapshot_changelist"))

    @action(
        description=_("Propose sign-off"),
        url_path="sign-off",
        permissions=["propose_sign_off"],
        dialog={
            "title": _("Propose sign-off"),
            "description": _(
                "You vouch that you have compared the figures with their sources and looked at every "
                "difference. A second person then approves it, and it is published."
            ),
            "form_class": SignOffForm,
            "form_submit_text": _("Propose"),
        },
    )
    def propose_sign_off(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return answer_dialog(
            request,
            lambda: sign_off.propose(
                snapshot_id=UUID(object_id),
                reason=form.cleaned_data["reason"],
                explanations=form.explanations,
                maker=request.user,  # type: ignore[arg-type]
                now=timezone.now(),
            ),
            refusal=Refused,
            done=str(_("Proposed. A second person finds it under Decisions.")),
            back=reverse("admin:compliance_reservesnapshot_change", args=[object_id]),
        )

    @display(
        description=_("state"),
        ordering="state",
        label={"REQUESTED": "info", "READY": "success", "attention": "danger"},
    )
    def status(self, snapshot: ReserveSnapshot) -> tuple[str, str]:
        if snapshot.attention:
            return "attention", self.told_state(snapshot)
        return snapshot.state, self.told_state(snapshot)

    @display(description=_("outcome"), label={"agrees": "success", "differs": "danger"})
    def outcome(self, snapshot: ReserveSnapshot) -> "tuple[str, str] | str":
        if snapshot.state != ReserveSnapshot.State.READY:
            return "–"
        return ("agrees" if snapshot.agrees else "differs"), self.told_outcome(snapshot)

    @admin.display(description=_("state"))
    def told_state(self, snapshot: ReserveSnapshot) -> str:
        if snapshot.attention:
            return str(_("needs a person"))
        return snapshot.get_state_display()

    @admin.display(description=_("outcome"))
    def told_outcome(self, snapshot: ReserveSnapshot) -> str:
        if snapshot.state != ReserveSnapshot.State.READY:
            return "–"
        if snapshot.agrees:
            return str(_("agrees"))
        return str(_("differences: %(n)s") % {"n": snapshot.breaks})

    @admin.display(description=_("minted (total supply)"))
    def minted(self, snapshot: ReserveSnapshot) -> str:
        return _figure(snapshot, "total_supply")

    @admin.display(description=_("vault (custodian)"))
    def vault(self, snapshot: ReserveSnapshot) -> str:
        return _figure(snapshot, "vault_balance")

    @admin.display(description=_("broker position"))
    def broker(self, snapshot: ReserveSnapshot) -> str:
        return _figure(snapshot, "broker_position")

    @admin.display(description=_("in flight"))
    def in_flight(self, snapshot: ReserveSnapshot) -> str:
        return _figure(snapshot, "in_flight")

    @admin.display(description=_("signed by"))
    def signed(self, snapshot: ReserveSnapshot) -> str:
        signature: ReserveSignature | None = getattr(snapshot, "signature", None)
        if signature is None:
            return "–"
        maker = getattr(snapshot, "maker_email", None) or signature.maker_id
        return f"{maker} · {getattr(snapshot, 'checker_email', None) or signature.checker_id}"

    @admin.display(description=_("requested by"))
    def requester(self, snapshot: ReserveSnapshot) -> str:
        if snapshot.requested_by == snapshots.SCHEDULE:
            return str(_("the schedule"))
        kind, _colon, pk = snapshot.requested_by.partition(":")
        user = User.objects.filter(pk=pk).only("email").first() if kind == "user" else None
        return user.email if user else snapshot.requested_by

    @admin.display(description=_("statement"))
    def statement(self, snapshot: ReserveSnapshot) -> str:
        signature: ReserveSignature | None = getattr(snapshot, "signature", None)
        if signature is not None:
            text, note = signature.statement, ""
        elif snapshot.state == ReserveSnapshot.State.READY:
            text = sign_off.statement_of(snapshot)
            note = str(_("Draft: nobody has signed this. It is what two people would sign."))
        else:
            return "–"
        return format_html(
            '<p><strong>{}</strong></p><pre class="source text-xs">{}</pre>',
            note,
            text,
        )

    @admin.display(description=_("files"))
    def files(self, snapshot: ReserveSnapshot) -> str:
        if snapshot.state != ReserveSnapshot.State.READY:
            return "–"
        links = [
            format_html(
                '<a class="underline" href="{}">{}</a>',
                reverse("admin:compliance_reservesnapshot_file", args=[snapshot.pk, form]),
                form.upper(),
            )
            for form in exports.FORMS
        ]
        return SafeString(" · ".join(links))

    @admin.display(description=_("totals, shares"))
    def totals(self, snapshot: ReserveSnapshot) -> str:
        rows = [[label, snapshot.figures.get(name, "–")] for name, label in exports.FIGURES]
        rows.append([_("Difference"), plain(snapshot.difference) if snapshot.difference else "0"])
        if snapshot.state != ReserveSnapshot.State.READY:
            return "–"
        return _table([_("figure"), _("shares")], rows)

    @admin.display(description=_("differences"))
    def breaks_table(self, snapshot: ReserveSnapshot) -> str:
        since = standing_since(snapshot) if snapshot.breaks else {}
        signature: ReserveSignature | None = getattr(snapshot, "signature", None)
        texts = {each["row"]: each["text"] for each in signature.explanations} if signature else {}
        return _rows_table(
            snapshot.rows.filter(is_break=True),
            label=_("differences"),
            more=[(_("since"), lambda row: f"{since[row.number]:%Y-%m-%d %H:%M}"),
                  (_("explanation"), lambda row: texts.get(row.number, "–"))],
        )  # fmt: skip

    @admin.display(description=_("orders"))
    def flight_table(self, snapshot: ReserveSnapshot) -> str:
        rows = snapshot.rows.filter(is_break=False).exclude(kind__in=ReserveRow.DECIDED)
        return _rows_table(rows, label=_("orders"))

    @admin.display(description=_("owed back in money, or kept"))
    def not_minted_table(self, snapshot: ReserveSnapshot) -> str:
        rows = snapshot.rows.filter(kind__in=ReserveRow.DECIDED)
        return _rows_table(rows, label=_("owed back in money, or kept"))

    @admin.display(description=_("as they answered"))
    def sources_table(self, snapshot: ReserveSnapshot) -> str:
        rows = [
            [each.name, f"{each.asked_at:%H:%M:%S.%f}", f"{each.answered_at:%H:%M:%S.%f}",
             json.dumps(each.evidence, ensure_ascii=False)]
            for each in snapshot.sources.order_by("id")
        ]  # fmt: skip
        return _table([_("source"), _("asked, UTC"), _("answered, UTC"), _("evidence")], rows)


def _figure(snapshot: ReserveSnapshot, name: str) -> str:
    return str(snapshot.figures.get(name, "–"))


def _rows_table(
    found: "QuerySet[ReserveRow]", *, label: object, more: Sequence[_Column] = ()
) -> str:
    rows = [
        [row.number, row.get_kind_display(), *(cell(row) for _name, cell in more), *_cells(row)]
        for row in found[:_MOST_ROWS]
    ]
    headers = [_("row"), _("kind"), *(name for name, _cell in more), *_COLUMNS]
    table = _table(headers, rows, label=str(label))
    left = found.count() - len(rows)
    if not left:
        return table
    return format_html("{}<p>{}</p>", table, _("%(n)s more: see an export.") % {"n": left})


def _cells(row: ReserveRow) -> Sequence[object]:
    quantities = (row.ordered, row.broker, row.recorded, row.custody, row.minted, row.chain)
    return [_order_link(row), row.leg or "–", *map(plain, quantities)]


def _order_link(row: ReserveRow) -> str:
    if row.order_id is None:
        return row.reference or "–"
    address = reverse("admin:trading_order_change", args=[row.order_id])
    return format_html('<a class="underline" href="{}">{}</a>', address, str(row.order_id)[:8])


def _table(
    headers: Sequence[object], rows: Sequence[Sequence[object]], *, label: str = ""
) -> SafeString:
    """`label` tells the region apart from others; else the first headers do."""
    names = [str(each) for each in headers]
    context = {"headers": names, "rows": rows, "label": label or ", ".join(names[:3])}
    return render_to_string("admin/compliance/snapshot_table.html", context)
