"""Mint transactions and audits of the contract in the admin: read-only, changed by services."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from agora.lib.admin import PROPOSED, ReadOnlyAdmin, ReasonForm, answer_dialog, trail_link, trail_to
from agora.lib.money import plain, shares_of
from compliance.four_eyes import Refused
from tokens.decisions import propose_attestation, propose_withdrawal
from tokens.models import Attestation, MintAttempt, MintTx

State = MintTx.State


class MintAttemptInline(TabularInline):
    model = MintAttempt
    extra = 0
    can_delete = False
    fields = [
        "number", "external_tx_id", "signing_tx_id", "tx_hash", "created_at", "asked_at",
        "broadcast_at",
    ]  # fmt: skip
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(MintTx)
class MintTxAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "amount", "status", "tx_hash", "block_number", "nonce"]
    list_filter = ["state", "chain_id", "created_at"]
    search_fields = [
        "=id", "=reference", "tx_hash", "broker_trade_id", "to_address", "attempts__tx_hash",
    ]  # fmt: skip
    search_help_text = _("Order id, transaction hash, broker order id or wallet")
    date_hierarchy = "created_at"
    fields = [
        "id", "reference", "amount", "units", "to_address", "state", "broker_trade_id", "tx_hash",
        "block_number", "block_hash", "chain_id", "contract", "sender", "nonce", "created_at",
        "confirmed_at", "trail",
    ]  # fmt: skip
    inlines = [MintAttemptInline]

    trail = trail_link("mint_tx")

    @admin.display(description=_("amount, AAPL-RAT"), ordering="units")
    def amount(self, mint: MintTx) -> str:
        return plain(shares_of(int(mint.units)))

    @display(
        description=_("state"),
        ordering="state",
        label={State.PENDING: "info", State.CONFIRMED: "success", State.FAILED: "danger"},
    )
    def status(self, mint: MintTx) -> tuple[str, str]:
        return mint.state, mint.get_state_display()


class AttestationForm(ReasonForm):
    """What the auditor's report says of itself."""

    bytecode_sha256 = forms.CharField(
        label=_("bytecode, SHA-256"), max_length=64, widget=UnfoldAdminTextInputWidget
    )
    auditor = forms.CharField(label=_("auditor"), max_length=120, widget=UnfoldAdminTextInputWidget)
    report_url = forms.CharField(
        label=_("address of the report"), max_length=500, widget=UnfoldAdminTextInputWidget
    )
    report_sha256 = forms.CharField(
        label=_("report, SHA-256"), max_length=64, widget=UnfoldAdminTextInputWidget
    )
    audited_on = forms.DateField(
        label=_("date of the report"), widget=UnfoldAdminTextInputWidget(attrs={"type": "date"})
    )
    field_order = [
        "bytecode_sha256", "auditor", "report_url", "report_sha256", "audited_on", "reason",
    ]  # fmt: skip


@admin.register(Attestation)
class AttestationAdmin(ReadOnlyAdmin):
    list_display = ["recorded_at", "auditor", "audited_on", "bytecode_sha256", "counts"]
    list_select_related = ["withdrawal"]
    search_fields = ["=bytecode_sha256", "auditor"]
    fields = [
        "bytecode_sha256", "auditor", "report_url", "report_sha256", "audited_on", "recorded_at",
        "counts", "decision",
    ]  # fmt: skip
    readonly_fields = fields
    actions_list = ["propose"]
    actions_detail = ["propose_withdrawal"]

    @admin.display(description=_("counts"), boolean=True)
    def counts(self, attestation: Attestation) -> bool:
        return not hasattr(attestation, "withdrawal")

    @admin.display(description=_("audit trail"))
    def decision(self, attestation: Attestation) -> str:
        return trail_to("contract", attestation.bytecode_sha256)

    def has_propose_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return request.user.has_perm("tokens.add_attestation")

    @action(
        description=_("Propose to withdraw"),
        url_path="withdraw",
        permissions=["propose"],
        dialog={
            "title": _("Propose to withdraw the attestation"),
            "description": _(
                "Once a second person approves it, deploy_contract refuses this bytecode again on "
                "chains other than local ones."
            ),
            "form_class": ReasonForm,
            "form_submit_text": _("Propose"),
        },
    )
    def propose_withdrawal(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return answer_dialog(
            request,
            lambda: propose_withdrawal(
                attestation=Attestation.objects.get(pk=object_id),
                reason=form.cleaned_data["reason"],
                maker=request.user,  # type: ignore[arg-type]
                now=timezone.now(),
            ),
            refusal=Refused,
            done=str(PROPOSED),
            back=reverse("admin:tokens_attestation_changelist"),
        )

    @action(
        description=_("Propose an attestation"),
        url_path="propose",
        permissions=["propose"],
        dialog={
            "title": _("Propose an attestation"),
            "description": _(
                "Once a second person approves it, deploy_contract deploys exactly this bytecode on "
                "chains other than local ones."
            ),
            "form_class": AttestationForm,
            "form_submit_text": _("Propose"),
        },
    )
    def propose(self, request: HttpRequest, form: Any) -> HttpResponse:
        return answer_dialog(
            request,
            lambda: propose_attestation(
                **{name: form.cleaned_data[name] for name in form.field_order},
                maker=request.user,  # type: ignore[arg-type]
                now=timezone.now(),
            ),
            refusal=Refused,
            done=str(PROPOSED),
            back=reverse("admin:tokens_attestation_changelist"),
        )
