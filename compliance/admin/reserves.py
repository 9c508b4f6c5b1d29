"""Proof of reserve in the admin: read-only; a report is asked for by a button."""

from django.contrib import admin, messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from agora.lib.admin import ReadOnlyAdmin, decimal_column, trail_link
from compliance import audit, reserves
from compliance.models import ReserveReport


@admin.register(ReserveReport)
class ReserveReportAdmin(ReadOnlyAdmin):
    """Shares by source: minted, custody, vault, broker, in flight, and their difference."""

    list_display = [
        "requested_at", "status", "minted", "custody", "vault", "broker", "in_flight", "gap", "block_number",
    ]  # fmt: skip
    list_filter = ["state", "requested_at"]
    fields = [
        "symbol", "state", "requested_by", "requested_at", "built_at", "block_number", "block_hash",
        "minted", "minted_records", "custody", "vault", "broker", "in_flight", "in_flight_orders",
        "gap", "last_error", "trail",
    ]  # fmt: skip
    readonly_fields = fields
    actions_list = ["build_report"]

    def has_build_report_permission(self, request: HttpRequest) -> bool:
        """Who may only look at reports may not ask for one."""
        return request.user.has_perm("compliance.add_reservereport")

    gap = decimal_column("difference", _("difference"))
    trail = trail_link("reserve_report")

    @action(
        description=_("Build proof of reserve"),
        url_path="build",
        permissions=["build_report"],
        dialog={
            "title": _("Build proof of reserve"),
            "description": _(
                "A worker reads the chain at one block, the broker's position and the custodian's "
                "balance, and stores the figures. It takes a few seconds."
            ),
            "form_class": None,
            "form_submit_text": _("Build"),
        },
    )
    def build_report(self, request: HttpRequest, form: Form) -> HttpResponse:
        reserves.request_report(actor=audit.actor_of(request.user), now=timezone.now())
        messages.info(request, _("The report is being built. Reload this page in a few seconds."))
        # The dialog is sent by htmx, which would put a plain redirect inside itself.
        return HttpResponse(
            headers={"HX-Redirect": reverse("admin:compliance_reservereport_changelist")}
        )

    @display(
        description=_("state"),
        ordering="state",
        label={ReserveReport.State.REQUESTED: "info", ReserveReport.State.READY: "success"},
    )
    def status(self, report: ReserveReport) -> tuple[str, str]:
        return report.state, report.get_state_display()

    @admin.display(description=_("minted (total supply)"))
    def minted(self, report: ReserveReport) -> str:
        return _figure(report, "total_supply")

    @admin.display(description=_("minted (our records)"))
    def minted_records(self, report: ReserveReport) -> str:
        return _figure(report, "minted_records")

    @admin.display(description=_("custody (our records)"))
    def custody(self, report: ReserveReport) -> str:
        return _figure(report, "custody_records")

    @admin.display(description=_("vault (custodian)"))
    def vault(self, report: ReserveReport) -> str:
        return _figure(report, "vault_balance")

    @admin.display(description=_("broker position"))
    def broker(self, report: ReserveReport) -> str:
        return _figure(report, "broker_position")

    @admin.display(description=_("in flight"))
    def in_flight(self, report: ReserveReport) -> str:
        return _figure(report, "in_flight")

    @admin.display(description=_("orders in flight"))
    def in_flight_orders(self, report: ReserveReport) -> str:
        return ", ".join(report.figures.get("in_flight_orders", [])) or "–"


def _figure(report: ReserveReport, name: str) -> str:
    return str(report.figures.get(name, "–"))
