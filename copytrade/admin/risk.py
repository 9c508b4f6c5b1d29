"""Limits, days and kill switches in the admin: read-only, changed by actions that call services."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Case, OuterRef, QuerySet, Subquery, UUIDField, When
from django.db.models.functions import Cast, Substr
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.access import signed_in
from accounts.models import User
from agora.lib.admin import (
    PROPOSED,
    DialogForm,
    ReadOnlyAdmin,
    answer_dialog,
    decimal_column,
    dialog,
    leave_dialog,
    refuse_dialog,
    trail_link,
    trail_to,
)
from compliance.four_eyes import LONGEST_TEXT, Refused
from copytrade.decisions import propose_release, propose_wider_limits
from copytrade.forms.risk import initial_of
from copytrade.models import Exchange, KillSwitch, RiskDay, RiskLimits
from copytrade.selectors.risk import limits_of
from copytrade.services import kill, risk
from copytrade.services.risk import AMOUNTS, Limits, RiskRefused
from copytrade.views.kill import told


class PlatformLimitsForm(DialogForm):
    """Limits that apply to every person besides their own; empty means none."""

    max_order = forms.DecimalField(
        label=_("largest order"), required=False, widget=UnfoldAdminTextInputWidget
    )
    max_symbol = forms.DecimalField(
        label=_("most in one pair"), required=False, widget=UnfoldAdminTextInputWidget
    )
    max_exposure = forms.DecimalField(
        label=_("most in open positions"), required=False, widget=UnfoldAdminTextInputWidget
    )
    daily_loss = forms.DecimalField(
        label=_("largest loss in a day"), required=False, widget=UnfoldAdminTextInputWidget
    )

    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=LONGEST_TEXT,
        help_text=_("Needed where a limit is raised or lifted."),
        widget=UnfoldAdminTextareaWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, initial=initial_of(limits_of()))


class StopForm(DialogForm):
    """What to stop, and why. One strategy or subscription is stopped by its id."""

    exchange = forms.ChoiceField(
        label=_("What to stop"),
        required=False,
        choices=[("", _("Everything")), *Exchange.choices],
        widget=UnfoldAdminSelectWidget,
    )
    reason = forms.CharField(label=_("Reason"), max_length=200, widget=UnfoldAdminTextInputWidget)


@admin.register(RiskLimits)
class RiskLimitsAdmin(ReadOnlyAdmin):
    list_display = ["whose", "order", "pair", "exposure", "loss", "timezone", "updated_at"]
    list_select_related = ["user", "subscription__strategy", "subscription__follower"]
    search_fields = ["=user__id", "user__email", "=subscription__id"]
    search_help_text = _("Id of person or subscription, e-mail address")
    fields = ["whose", "order", "pair", "exposure", "loss", "timezone", "updated_at", "trail"]
    readonly_fields = fields
    actions_list = ["set_platform"]

    order = decimal_column("max_order", _("largest order"))
    pair = decimal_column("max_symbol", _("most in one pair"))
    exposure = decimal_column("max_exposure", _("most in open positions"))
    loss = decimal_column("daily_loss", _("largest loss in a day"))

    @admin.display(description=_("whose"))
    def whose(self, row: RiskLimits) -> str:
        return str(row.user or row.subscription or _("everybody"))

    @admin.display(description=_("audit trail"))
    def trail(self, row: RiskLimits) -> str:
        kind = "subscription" if row.subscription_id else "user" if row.user_id else "platform"
        return trail_to(kind, row.subscription_id or row.user_id or "platform")

    def has_set_permission(self, request: HttpRequest) -> bool:
        """Who may only look at limits may not set them."""
        return request.user.has_perm("copytrade.change_risklimits")

    @action(
        description=_("Set everybody's limits"),
        url_path="platform",
        permissions=["set"],
        dialog=dialog(
            _("Limits of the platform"),
            _(
                "They apply to every person besides their own limits; the stricter one counts. An "
                "empty field is no limit. Amounts in USDT. Where one is raised or lifted, all of this "
                "takes effect once a second person approves it."
            ),
            _("Set"),
            PlatformLimitsForm,
        ),
    )
    def set_platform(self, request: HttpRequest, form: Any) -> HttpResponse:
        """Narrower limits are set at once; wider ones are proposed."""
        limits = Limits(**{name: form.cleaned_data[name] for name in AMOUNTS})
        officer, now = signed_in(request), timezone.now()
        back = reverse("admin:copytrade_risklimits_changelist")
        if risk.widens(limits_of(), limits):
            return answer_dialog(
                request,
                lambda: propose_wider_limits(
                    limits=limits, reason=form.cleaned_data["reason"], maker=officer, now=now
                ),
                refusal=Refused,
                done=str(PROPOSED),
                back=back,
            )
        return answer_dialog(
            request,
            lambda: risk.set_limits(by=officer, limits=limits, now=now),
            refusal=RiskRefused,
            done=str(_("The limits are set. They apply from the next order on.")),
            back=back,
        )


@admin.register(RiskDay)
class RiskDayAdmin(ReadOnlyAdmin):
    list_display = ["day", "subscription", "begins_at", "start", "rebuilt", "breached_at"]
    list_filter = ["rebuilt", "day", ("breached_at", admin.EmptyFieldListFilter)]
    list_select_related = ["subscription__strategy", "subscription__follower"]
    search_fields = ["=subscription__id", "subscription__follower__email"]
    search_help_text = _("Subscription id, e-mail address")
    date_hierarchy = "begins_at"
    fields = ["day", "subscription", "begins_at", "start", "rebuilt", "breached_at"]
    readonly_fields = fields

    start = decimal_column("pnl_start", _("profit and loss at the start"))


@admin.register(KillSwitch)
class KillSwitchAdmin(ReadOnlyAdmin):
    list_display = ["engaged_at", "level", "target", "reason", "engager", "status"]
    list_filter = ["level", ("released_at", admin.EmptyFieldListFilter), "engaged_at"]
    list_select_related = ["strategy", "subscription__strategy", "subscription__follower"]
    search_fields = ["=strategy__id", "=subscription__id", "reason", "engaged_by"]
    search_help_text = _("Id of strategy or subscription, reason, actor")
    fields = [
        "level", "target", "reason", "engager", "engaged_at", "releaser", "released_at",
        "trail",
    ]  # fmt: skip
    readonly_fields = fields
    actions_list = ["stop"]
    actions_detail = ["release", "propose_release"]

    trail = trail_link("kill_switch")

    def get_queryset(self, request: HttpRequest) -> QuerySet[KillSwitch]:
        rows: QuerySet[KillSwitch] = super().get_queryset(request)
        email = User.objects.values("email")
        return rows.annotate(
            engager_id=_person("engaged_by"), releaser_id=_person("released_by")
        ).annotate(
            engager_email=Subquery(email.filter(pk=OuterRef("engager_id"))),
            releaser_email=Subquery(email.filter(pk=OuterRef("releaser_id"))),
        )

    @admin.display(description=_("engaged by"), ordering="engaged_by")
    def engager(self, switch: KillSwitch) -> str:
        return getattr(switch, "engager_email", None) or switch.engaged_by

    @admin.display(description=_("released by"))
    def releaser(self, switch: KillSwitch) -> str:
        return getattr(switch, "releaser_email", None) or switch.released_by or "–"

    @admin.display(description=_("what"))
    def target(self, switch: KillSwitch) -> str:
        return str(switch.strategy or switch.subscription or switch.exchange or "–")

    @display(description=_("state"), label={"on": "danger", "off": "success"})
    def status(self, switch: KillSwitch) -> tuple[str, str]:
        if switch.released_at is None:
            return "on", str(_("engaged"))
        return "off", str(_("released"))

    def has_switch_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        """Who may only look at switches may not use them."""
        return request.user.has_perm("copytrade.change_killswitch")

    @action(
        description=_("Stop copying"),
        url_path="stop",
        permissions=["switch"],
        dialog=dialog(
            _("Stop copying"),
            _(
                "Nothing more is sent to the exchange, closes included, until the switch is "
                "released. What opens is skipped, closes wait."
            ),
            _("Stop"),
            StopForm,
        ),
    )
    def stop(self, request: HttpRequest, form: Any) -> HttpResponse:
        back = reverse("admin:copytrade_killswitch_changelist")
        exchange = form.cleaned_data["exchange"]
        level = KillSwitch.Level.EXCHANGE if exchange else KillSwitch.Level.PLATFORM
        try:
            engaged = kill.engage(
                level=level,
                exchange=exchange,
                reason=form.cleaned_data["reason"],
                by=request.user,  # type: ignore[arg-type]
                now=timezone.now(),
            )
        except kill.KillRefused as refusal:
            return refuse_dialog(request, str(refusal.message), back=back)
        for text in told(engaged):
            messages.warning(request, text)
        return leave_dialog(back)

    def has_release_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return self.has_switch_permission(request) and self._is_engaged(object_id, wide=False)

    def has_propose_release_permission(
        self, request: HttpRequest, object_id: object = None
    ) -> bool:
        return self.has_switch_permission(request) and self._is_engaged(object_id, wide=True)

    def _is_engaged(self, object_id: object, *, wide: bool) -> bool:
        """What stops others is released by two people; the services ask again."""
        rows = KillSwitch.objects.filter(pk=str(object_id), released_at=None)
        return (
            rows.filter(level__in=kill.WIDE).exists()
            if wide
            else rows.exclude(level__in=kill.WIDE).exists()
        )

    @action(
        description=_("Release"),
        url_path="release",
        permissions=["release"],
        dialog=dialog(
            _("Release the kill switch"),
            _("Closes that waited are sent at once; opens come with new signals."),
            _("Release"),
            None,
        ),
    )
    def release(self, request: HttpRequest, form: Any, object_id: int) -> HttpResponse:
        return answer_dialog(
            request,
            lambda: kill.release(switch_id=object_id, by=signed_in(request), now=timezone.now()),
            refusal=kill.KillRefused,
            done=str(_("The switch is released.")),
            back=reverse("admin:copytrade_killswitch_changelist"),
        )

    @action(
        description=_("Propose to release"),
        url_path="propose-release",
        permissions=["propose_release"],
        dialog=dialog(
            _("Propose to release the kill switch"),
            _(
                "Once a second person approves, closes that waited are sent at once; opens come with "
                "new signals."
            ),
            _("Propose"),
        ),
    )
    def propose_release(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return answer_dialog(
            request,
            lambda: propose_release(
                switch_id=int(object_id),
                reason=form.cleaned_data["reason"],
                maker=request.user,  # type: ignore[arg-type]
                now=timezone.now(),
            ),
            refusal=Refused,
            done=str(PROPOSED),
            back=reverse("admin:copytrade_killswitch_changelist"),
        )


def _person(actor: str) -> Case:
    """The id in an actor `user:<id>`; NULL for other actors."""
    person = Cast(Substr(actor, len("user:") + 1), UUIDField())
    return Case(When(**{f"{actor}__regex": r"^user:[0-9a-f-]{36}$"}, then=person))
