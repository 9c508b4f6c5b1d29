"""People, their address books and notices in the admin: read-only."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget

from accounts import notices
from accounts.access import signed_in
from accounts.decisions import propose_role
from accounts.models import AddressEntry, Notice, User
from agora.lib.admin import (
    PROPOSED,
    ReadOnlyAdmin,
    ReasonForm,
    answer_dialog,
    dialog,
    leave_dialog,
    trail_link,
)
from compliance import audit
from compliance.four_eyes import Refused

admin.site.unregister(Group)


class RoleForm(ReasonForm):
    """Which role, and whether it is given or taken away."""

    role = forms.ModelChoiceField(
        label=_("Role"),
        queryset=Group.objects.order_by("name"),
        to_field_name="name",
        widget=UnfoldAdminSelectWidget,
    )
    give = forms.TypedChoiceField(
        label=_("What happens"),
        choices=[("yes", _("Give the role")), ("no", _("Take it away"))],
        coerce=lambda value: value == "yes",
        widget=UnfoldAdminSelectWidget,
    )
    field_order = ["role", "give", "reason"]


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    list_display = ["email", "is_active", "is_staff", "is_demo", "date_joined", "last_login"]
    list_filter = ["is_active", "is_staff", "is_demo", "date_joined"]
    search_fields = ["email", "=id"]
    ordering = ["-date_joined"]
    fields = [
        "id",
        "email",
        "is_active",
        "is_staff",
        "is_superuser",
        "roles",
        "is_demo",
        "language",
        "date_joined",
        "last_login",
        "trail",
    ]
    readonly_fields = ["roles", "trail"]
    actions_detail = ["propose_role"]

    trail = trail_link("user")

    @admin.display(description=_("roles"))
    def roles(self, user: User) -> str:
        return ", ".join(user.groups.order_by("name").values_list("name", flat=True)) or "–"

    def has_propose_role_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return request.user.has_perm("accounts.assign_role")

    @action(
        description=_("Propose a role"),
        url_path="propose-role",
        permissions=["propose_role"],
        dialog=dialog(
            _("Propose a role"),
            _(
                "A role opens the back office. It is given or taken away once a second person approves."
            ),
            _("Propose"),
            RoleForm,
        ),
    )
    def propose_role(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return answer_dialog(
            request,
            lambda: propose_role(
                person=User.objects.get(pk=UUID(object_id)),
                role=form.cleaned_data["role"].name,
                give=form.cleaned_data["give"],
                reason=form.cleaned_data["reason"],
                maker=request.user,  # type: ignore[arg-type]
                now=timezone.now(),
            ),
            refusal=Refused,
            done=str(PROPOSED),
            back=reverse("admin:accounts_user_change", args=[object_id]),
        )

    def lookup_allowed(self, lookup: str, value: object, request: HttpRequest) -> bool:
        """No search by password: its hash could be guessed letter by letter."""
        return not lookup.startswith("password") and super().lookup_allowed(lookup, value, request)


@admin.register(AddressEntry)
class AddressEntryAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "user", "chain", "exchange", "address", "tag"]
    list_filter = ["chain", "exchange", "created_at"]
    list_select_related = ["user"]
    search_fields = ["=id", "address", "user__email"]
    search_help_text = _("Id, address, e-mail address")
    fields = [
        "id", "user", "chain", "exchange", "label", "address", "tag", "created_at", "updated_at", "trail",
    ]  # fmt: skip
    readonly_fields = fields

    trail = trail_link("address_entry")


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "user", "kind", "status", "read_at", "emailed_at", "look"]
    list_filter = ["kind", "level", "attention", "created_at"]
    list_select_related = ["user"]
    search_fields = ["=id", "user__email", "=dedupe_key"]
    search_help_text = _("Id, e-mail address, what it was told once for")
    date_hierarchy = "created_at"
    actions = ["try_again"]
    actions_list = ["try_all_again"]
    fields = [
        "id", "user", "kind", "level", "subject_shown", "text_shown", "url", "dedupe_key",
        "created_at", "read_at", "emailed_at", "attention", "last_error", "attempts", "next_attempt_at",
        "lease_until", "trail",
    ]  # fmt: skip
    readonly_fields = fields

    trail = trail_link("notice")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notice]:
        """Without others' on decisions and cases: one that leads nowhere for the reader is about them."""
        rows: QuerySet[Notice] = super().get_queryset(request)
        of_officers = Q(kind__startswith="decision_") | Q(kind__startswith="case_")
        return rows.exclude(of_officers & ~Q(user=signed_in(request)))

    @admin.display(description=_("subject"))
    def subject_shown(self, notice: Notice) -> str:
        return notice.title

    @admin.display(description=_("text"))
    def text_shown(self, notice: Notice) -> str:
        return notice.text

    @display(
        description=_("level"),
        ordering="level",
        label={
            Notice.Level.INFO: "info",
            Notice.Level.WARNING: "warning",
            Notice.Level.ALERT: "danger",
        },
    )
    def status(self, notice: Notice) -> tuple[str, str]:
        return notice.level, notice.get_level_display()

    @display(description=_("attention"), ordering="attention", label={"yes": "danger"})
    def look(self, notice: Notice) -> "tuple[str, str] | str":
        return ("yes", str(_("needs a person"))) if notice.attention else "–"

    def has_try_again_permission(self, request: HttpRequest) -> bool:
        """Who may only look at notices may not set them going."""
        return request.user.has_perm("accounts.change_notice")

    @action(
        description=_("Try all again"),
        url_path="try-all-again",
        permissions=["try_again"],
        dialog=dialog(
            _("Try all again"),
            _(
                "Every e-mail that needs attention is sent again, also those of decisions and cases, "
                "which are not listed here for others than their readers."
            ),
            _("Try all again"),
            None,
        ),
    )
    def try_all_again(self, request: HttpRequest, form: Any) -> HttpResponse:
        """Also what the reader does not see: that may be about them, but it must reach its reader."""
        self.try_again(request, Notice.objects.filter(attention=True))
        return leave_dialog(reverse("admin:accounts_notice_changelist"))

    @admin.action(description=_("Try again what needs attention"), permissions=["try_again"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Notice]) -> None:
        count = notices.try_again(
            notice_ids=list(queryset.values_list("pk", flat=True)),
            actor=audit.actor_of(request.user),
            now=timezone.now(),
        )
        text = ngettext("%(n)d e-mail is due again.", "%(n)d e-mails are due again.", count)
        messages.info(request, text % {"n": count})
