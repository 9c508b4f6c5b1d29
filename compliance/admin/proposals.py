"""Decisions by two people in the admin: what is proposed, what it does, and the second person's word."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.access import signed_in
from accounts.models import User
from agora.lib.admin import DialogForm, ReadOnlyAdmin, answer_dialog, dialog, trail_to
from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import Proposal

_COLOURS = {
    Proposal.State.OPEN: "info",
    Proposal.State.APPROVED: "success",
    Proposal.State.REFUSED: "danger",
    Proposal.State.WITHDRAWN: "warning",
    Proposal.State.EXPIRED: "warning",
}
# Objects of proposals that have a page in the back office.
_PAGES = {
    "kyc_application": "kyc.Application",
    "kyc_correction": "kyc.Correction",
    "attestation": "tokens.Attestation",
    "kill_switch": "copytrade.KillSwitch",
    "kyc_case": "kyc.Case",
    "order": "trading.Order",
    "reserve_snapshot": "compliance.ReserveSnapshot",
    "retention": "compliance.RetentionRule",
    "screening_match": "kyc.ScreeningMatch",
    "tier": "kyc.Tier",
    "user": "accounts.User",
}


class ApprovalForm(DialogForm):
    """What the second person adds, if anything."""

    note = forms.CharField(
        label=_("Note"), max_length=1000, required=False, widget=UnfoldAdminTextareaWidget
    )


class RefusalForm(DialogForm):
    """Why the second person refuses."""

    note = forms.CharField(label=_("Reason"), max_length=1000, widget=UnfoldAdminTextareaWidget)


class WaitsForMe(admin.SimpleListFilter):
    """Open proposals that the reader may decide."""

    title = _("waits for me")
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("me", _("Yes"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Proposal]
    ) -> QuerySet[Proposal] | None:
        if self.value() != "me":
            return None
        waiting = four_eyes.waiting_for(request.user, now=timezone.now())  # type: ignore[arg-type]
        return queryset.filter(pk__in=waiting.values("pk"))


@admin.register(Proposal)
class ProposalAdmin(ReadOnlyAdmin):
    list_display = ["proposed_at", "decision", "subject", "maker", "status", "expires_at"]
    list_filter = [WaitsForMe, "state", "kind", "proposed_at"]
    search_fields = ["=id", "=object_id", "kind", "reason"]
    search_help_text = _("Id of decision or object, kind, reason")
    date_hierarchy = "proposed_at"
    fields = [
        "decision", "effect", "reason", "advice", "state", "maker", "proposed_at", "expires_at",
        "checker", "decided_at", "note", "subject", "trail",
    ]  # fmt: skip
    readonly_fields = fields
    actions_detail = ["approve", "refuse", "withdraw"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Proposal]:
        """Nobody reads what others are about to decide on them."""
        email = User.objects.values("email")
        rows: QuerySet[Proposal] = super().get_queryset(request)
        rows = rows & four_eyes.readable_by(signed_in(request))
        return rows.annotate(
            maker_email=Subquery(email.filter(pk=OuterRef("maker_id"))),
            checker_email=Subquery(email.filter(pk=OuterRef("checker_id"))),
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A look at what others would decide about a person leaves a trace."""
        proposal = self.get_object(request, object_id)
        if proposal is not None and self.has_view_permission(request, proposal):
            four_eyes.note_look(proposal=proposal, reader=signed_in(request), now=timezone.now())
        answer: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
        return answer

    @admin.display(description=_("decision"), ordering="kind")
    def decision(self, proposal: Proposal) -> str:
        return str(four_eyes.title_of(proposal))

    @admin.display(description=_("what it does"))
    def effect(self, proposal: Proposal) -> str:
        lines = four_eyes.lines_of(proposal)
        items = format_html_join(
            "",
            "<div><strong>{}</strong>: {}</div>",
            ((name, _as_written(text)) for name, text in lines),
        )
        return format_html("<div>{}</div>", items) if lines else str(proposal.payload)

    @admin.display(description=_("about"))
    def subject(self, proposal: Proposal) -> str:
        """Its name and a link to it: the second person has to see what they decide about."""
        path = _PAGES.get(proposal.object_type)
        if path is None:
            return " ".join(dict.fromkeys((proposal.object_type, proposal.object_id)))
        options = apps.get_model(path)._meta
        view = f"admin:{options.app_label}_{options.model_name}_change"
        address = reverse(view, args=[quote(proposal.object_id)])
        return format_html(
            '<a class="underline" href="{}">{} {}</a>',
            address,
            options.verbose_name,
            proposal.object_id,
        )

    @admin.display(description=_("proposed by"), ordering="maker_id")
    def maker(self, proposal: Proposal) -> str:
        return getattr(proposal, "maker_email", None) or str(proposal.maker_id)

    @admin.display(description=_("decided by"))
    def checker(self, proposal: Proposal) -> str:
        return getattr(proposal, "checker_email", None) or str(proposal.checker_id or "–")

    @admin.display(description=_("what is next"))
    def advice(self, proposal: Proposal) -> str:
        if proposal.state != Proposal.State.OPEN:
            return "–"
        return str(
            _(
                "A second person reads what it does and approves or refuses it above. Who proposed it "
                "can only withdraw it."
            )
        )

    @admin.display(description=_("audit trail"))
    def trail(self, proposal: Proposal) -> str:
        return trail_to(proposal.object_type, proposal.object_id)

    @display(description=_("state"), ordering="state", label=_COLOURS)
    def status(self, proposal: Proposal) -> tuple[str, str]:
        return proposal.state, proposal.get_state_display()

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Only an open proposal of somebody else can be decided; the service knows by whom."""
        others = Proposal.objects.exclude(maker_id=request.user.pk)
        return (
            request.user.has_perm(four_eyes.CHECKER)
            and others.filter(pk=object_id, state=Proposal.State.OPEN).exists()
        )

    def has_withdraw_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        own = Proposal.objects.filter(maker_id=request.user.pk)
        return own.filter(pk=object_id, state=Proposal.State.OPEN).exists()

    @action(
        description=_("Approve"),
        url_path="approve",
        permissions=["decide"],
        dialog=dialog(
            _("Approve"),
            _("You are the second person: it takes effect at once, and both names stay with it."),
            _("Approve"),
            ApprovalForm,
        ),
    )
    def approve(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._act(
            request,
            four_eyes.approve,
            object_id,
            checker=signed_in(request),
            note=form.cleaned_data["note"],
            done=str(_("Approved. It has taken effect.")),
        )

    @action(
        description=_("Refuse"),
        url_path="refuse",
        permissions=["decide"],
        dialog=dialog(
            _("Refuse"),
            _("Nothing changes. Whoever proposed it reads your reason."),
            _("Refuse"),
            RefusalForm,
        ),
    )
    def refuse(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._act(
            request,
            four_eyes.refuse,
            object_id,
            checker=signed_in(request),
            note=form.cleaned_data["note"],
            done=str(_("Refused. Nothing was changed.")),
        )

    @action(
        description=_("Withdraw"),
        url_path="withdraw",
        permissions=["withdraw"],
        dialog=dialog(
            _("Withdraw"),
            _("Your proposal is closed and nothing changes."),
            _("Withdraw"),
            None,
        ),
    )
    def withdraw(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._act(
            request,
            four_eyes.withdraw,
            object_id,
            maker=signed_in(request),
            done=str(_("Withdrawn. Nothing was changed.")),
        )

    def _act(
        self,
        request: HttpRequest,
        act: Callable[..., Proposal],
        object_id: str,
        *,
        done: str,
        **given: Any,
    ) -> HttpResponse:
        return answer_dialog(
            request,
            lambda: act(proposal_id=UUID(object_id), **given, now=timezone.now()),
            refusal=Refused,
            done=done,
            back=reverse("admin:compliance_proposal_change", args=[object_id]),
        )


def waiting_count(request: HttpRequest) -> str:
    """How many proposals wait for the reader; the number beside the menu's entry."""
    count = four_eyes.waiting_for(request.user, now=timezone.now()).count()  # type: ignore[arg-type]
    return str(count) if count else ""


def _as_written(text: object) -> str:
    """A text of several lines keeps them: who signs a statement reads it line by line."""
    words = str(text)
    if "\n" not in words:
        return words
    return format_html('<pre class="source text-xs">{}</pre>', words)
