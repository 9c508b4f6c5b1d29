"""What an officer may do about masters' orders: have those tried again that need somebody."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin

from compliance import audit
from copytrade.models import MasterOrder
from copytrade.services import desk


class TryAgainAdmin(ModelAdmin):
    """The action on parked orders; safe at any time, because every step looks up before it sends."""

    actions = ["try_again"]

    def has_try_again_permission(self, request: HttpRequest) -> bool:
        """Who may only look at orders may not set them going."""
        return request.user.has_perm("copytrade.change_masterorder")

    @admin.action(description=_("Try again what needs attention"), permissions=["try_again"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[MasterOrder]) -> None:
        count = desk.try_again(
            order_ids=list(queryset.values_list("pk", flat=True)),
            actor=audit.actor_of(request.user),
            now=timezone.now(),
        )
        text = ngettext("%(n)d order is due again.", "%(n)d orders are due again.", count)
        messages.info(request, text % {"n": count})
