"""Trades, ledger entries and comparisons in the admin: read-only, with exports for auditors.

What a person has to say (a difference was a deposit; a booking was wrong) is an action that asks
for words and calls a service.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from import_export import resources
from import_export.admin import ExportMixin
from unfold.contrib.import_export.forms import ExportForm
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.access import signed_in
from agora.lib.admin import DialogForm, ReadOnlyAdmin, answer_dialog, decimal_column, dialog
from copytrade.models import Fill, LedgerEntry, LedgerProof
from copytrade.services.proof import ProofRefused, book_difference, correct


class FillResource(resources.ModelResource):
    """The columns of an exported trade; no personal data."""

    class Meta:
        model = Fill
        fields = [
            "id", "account", "symbol", "trade_id", "exchange_order_id", "copy_order",
            "subscription", "master_order", "strategy", "side", "price", "quantity",
            "quote_quantity", "fee", "fee_asset", "fee_value", "realized", "at", "booked_at",
        ]  # fmt: skip


class EntryResource(resources.ModelResource):
    """The columns of an exported ledger entry."""

    class Meta:
        model = LedgerEntry
        fields = [
            "id", "account", "fill", "kind", "source", "debit", "credit", "asset", "amount",
            "reverses", "note", "at", "booked_at",
        ]  # fmt: skip


class WordsForm(DialogForm):
    """What a person has to say for an action."""

    note = forms.CharField(label=_("Reason"), max_length=200, widget=UnfoldAdminTextInputWidget)


@admin.register(Fill)
class FillAdmin(ExportMixin, ReadOnlyAdmin):
    resource_classes = [FillResource]
    export_form_class = ExportForm
    list_display = ["traded", "account", "side", "symbol", "amount", "at_price", "value", "gain"]
    list_filter = ["side", "symbol", "at"]
    list_select_related = ["account"]
    search_fields = [
        "=trade_id", "=exchange_order_id", "=account__id", "=copy_order__id", "=subscription__id",
        "=master_order__id", "=strategy__id",
    ]  # fmt: skip
    search_help_text = _("Trade or order id of the exchange; id of account, leg, subscription, …")
    date_hierarchy = "at"
    ordering = ["-at", "-id"]
    fields = [
        "id", "account", "symbol", "side", "amount", "at_price", "value", "charged", "fee_asset",
        "charged_value", "gain", "trade_id", "exchange_order_id", "copy_order", "subscription",
        "master_order", "strategy", "at", "booked_at",
    ]  # fmt: skip
    readonly_fields = fields

    amount = decimal_column("quantity", _("quantity"))
    at_price = decimal_column("price", _("price"))
    value = decimal_column("quote_quantity", _("value"))
    charged = decimal_column("fee", _("fee"))
    charged_value = decimal_column("fee_value", _("fee, value"))
    gain = decimal_column("realized", _("realized"))

    @admin.display(description=_("traded"), ordering="at")
    def traded(self, fill: Fill) -> str:
        return f"{fill.at:%Y-%m-%d %H:%M:%S.%f}"[:-3]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        linked = lookup == "copy_order__id__exact"
        return linked or bool(super().lookup_allowed(lookup, value, request))


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ExportMixin, ReadOnlyAdmin):
    resource_classes = [EntryResource]
    export_form_class = ExportForm
    list_display = ["happened", "account", "kind", "credit", "debit", "moved", "asset", "fill"]
    list_filter = ["kind", "asset", "debit", "credit", "at"]
    list_select_related = ["account", "fill"]
    search_fields = ["=id", "=account__id", "=fill__trade_id", "=source", "note"]
    search_help_text = _("Id of entry, account or trade; source; note")
    date_hierarchy = "at"
    ordering = ["-at", "-id"]
    fields = [
        "id", "account", "kind", "credit", "debit", "moved", "asset", "fill", "reverses", "note",
        "source", "at", "booked_at",
    ]  # fmt: skip
    readonly_fields = fields
    actions_detail = ["take_back"]

    moved = decimal_column("amount", _("amount"))

    @admin.display(description=_("happened"), ordering="at")
    def happened(self, entry: LedgerEntry) -> str:
        return f"{entry.at:%Y-%m-%d %H:%M:%S.%f}"[:-3]

    def has_book_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        """Who may only read the ledger may not book in it."""
        return request.user.has_perm("copytrade.add_ledgerentry")

    @action(
        description=_("Take back"),
        url_path="take-back",
        permissions=["book"],
        dialog=dialog(
            _("Take back this entry"),
            _(
                "The entry stays; its opposite is booked beside it. Only deposits and withdrawals "
                "that a person booked can be taken back."
            ),
            _("Book the opposite"),
            WordsForm,
        ),
    )
    def take_back(self, request: HttpRequest, form: Any, object_id: int) -> HttpResponse:
        note = form.cleaned_data["note"]
        return answer_dialog(
            request,
            lambda: correct(
                entry_id=object_id, note=note, by=signed_in(request), now=timezone.now()
            ),
            refusal=ProofRefused,
            done=str(_("The opposite is booked.")),
            back=reverse("admin:copytrade_ledgerentry_changelist"),
        )


class Differing(SimpleListFilter):
    """Rows in which ledger and exchange differ."""

    title = _("difference")
    parameter_name = "differs"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Differs")), ("no", _("Agrees"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[LedgerProof]
    ) -> QuerySet[LedgerProof]:
        if self.value() == "yes":
            return queryset.exclude(difference=0)
        return queryset.filter(difference=0) if self.value() == "no" else queryset


@admin.register(LedgerProof)
class LedgerProofAdmin(ReadOnlyAdmin):
    list_display = ["at", "account", "asset", "by_ledger", "at_exchange", "status"]
    list_filter = [Differing, "asset", "at"]
    list_select_related = ["account"]
    search_fields = ["=account__id", "=run", "account__label"]
    search_help_text = _("Id or name of the account, id of the run")
    date_hierarchy = "at"
    ordering = ["-at", "asset"]
    fields = ["at", "account", "asset", "by_ledger", "at_exchange", "gap", "run"]
    readonly_fields = fields
    actions_detail = ["book"]

    by_ledger = decimal_column("ledger", _("ledger"))
    at_exchange = decimal_column("exchange", _("exchange"))
    gap = decimal_column("difference", _("difference"))

    @display(description=_("difference"), ordering="difference", label={"yes": "danger"})
    def status(self, row: LedgerProof) -> "tuple[str, str] | str":
        return ("yes", f"{row.difference.normalize():f}") if row.difference else "–"

    def has_book_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        """Who may only read comparisons may not book in the ledger."""
        return request.user.has_perm("copytrade.add_ledgerentry")

    @action(
        description=_("Book the difference"),
        url_path="book",
        permissions=["book"],
        dialog=dialog(
            _("Book the difference as a deposit or withdrawal"),
            _(
                "Only when it is known what it was. It is refused when something was booked since "
                "this comparison, or when there is a newer one."
            ),
            _("Book"),
            WordsForm,
        ),
    )
    def book(self, request: HttpRequest, form: Any, object_id: int) -> HttpResponse:
        row = LedgerProof.objects.get(pk=object_id)
        return answer_dialog(
            request,
            lambda: book_difference(
                account_id=row.account_id,
                asset=row.asset,
                note=form.cleaned_data["note"],
                by=signed_in(request),
                now=timezone.now(),
                run=row.run,
            ),
            refusal=ProofRefused,
            done=str(_("The difference is booked.")),
            back=reverse("admin:copytrade_ledgerproof_changelist"),
        )
