"""Tiers and daily limits in the admin: read-only; a change is proposed here and decided by another."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.access import signed_in
from agora.lib.admin import (
    PROPOSED,
    ReadOnlyAdmin,
    ReasonForm,
    answer_dialog,
    decimal_column,
    dialog,
    trail_link,
)
from compliance.four_eyes import Refused
from kyc import limit_decisions
from kyc.models import DailyLimit, Tier


class LimitForm(ReasonForm):
    """The limit wanted, and why."""

    daily_limit_usd = forms.CharField(
        label=_("daily limit, USD"), max_length=20, widget=UnfoldAdminTextInputWidget
    )
    field_order = ["daily_limit_usd", "reason"]


@admin.register(Tier)
class TierAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "limit"]
    fields = ["number", "limit", "trail"]
    readonly_fields = fields
    actions_list = ["propose_tier"]
    actions_detail = ["propose_limit"]

    limit = decimal_column("daily_limit_usd", _("daily limit, USD"))
    trail = trail_link("tier")

    def has_propose_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return request.user.has_perm("kyc.change_tier")

    @action(
        description=_("Propose another limit"),
        url_path="propose-limit",
        permissions=["propose"],
        dialog=dialog(
            _("Propose another limit"),
            _("It holds for everybody in the tier once a second person approves it."),
            _("Propose"),
            LimitForm,
        ),
    )
    def propose_limit(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._propose(request, form, int(object_id))

    @action(
        description=_("Propose a new tier"),
        url_path="propose-tier",
        permissions=["propose"],
        dialog=dialog(
            _("Propose a new tier"),
            _(
                "It comes above the highest one, and people can apply for it once a second person "
                "approves it."
            ),
            _("Propose"),
            LimitForm,
        ),
    )
    def propose_tier(self, request: HttpRequest, form: Any) -> HttpResponse:
        return self._propose(request, form, limit_decisions.next_tier())

    def _propose(self, request: HttpRequest, form: Any, number: int) -> HttpResponse:
        return answer_dialog(
            request,
            lambda: limit_decisions.propose_tier_limit(
                number=number,
                **form.values,
                maker=signed_in(request),
                now=timezone.now(),
            ),
            refusal=Refused,
            done=str(PROPOSED),
            back=reverse("admin:kyc_tier_changelist"),
        )


@admin.register(DailyLimit)
class DailyLimitAdmin(ReadOnlyAdmin):
    list_display = ["application", "day", "used", "limit", "is_personal"]
    list_filter = ["is_personal", "day"]
    list_select_related = ["application"]
    search_fields = ["application__user__email"]
    search_help_text = _("E-mail address")
    fields = ["application", "limit", "is_personal", "day", "used", "trail"]
    readonly_fields = fields
    actions_detail = ["propose_limit"]

    limit = decimal_column("limit_usd", _("limit, USD"))
    used = decimal_column("used_usd", _("used, USD"))
    trail = trail_link("kyc_application")

    def has_propose_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return request.user.has_perm("kyc.change_dailylimit")

    @action(
        description=_("Propose a limit of their own"),
        url_path="propose-limit",
        permissions=["propose"],
        dialog=dialog(
            _("Propose a limit of their own"),
            _(
                "At most that of their tier; the tier's own amount lets them follow the tier again. It "
                "holds once a second person approves it."
            ),
            _("Propose"),
            LimitForm,
        ),
    )
    def propose_limit(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        limit = DailyLimit.objects.select_related("application").get(pk=UUID(object_id))
        return answer_dialog(
            request,
            lambda: limit_decisions.propose_person_limit(
                application=limit.application,
                **form.values,
                maker=signed_in(request),
                now=timezone.now(),
            ),
            refusal=Refused,
            done=str(PROPOSED),
            back=reverse("admin:kyc_dailylimit_changelist"),
        )
