"""Base of admin pages on money: everything can be read, nothing can be changed by hand."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from agora.lib.money import plain

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class ReadOnlyAdmin(ModelAdmin):
    """No add, no change, no delete; what may happen to a row is an action that calls a service."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def decimal_column(field: str, description: "str | _StrPromise") -> Callable[[Any, Any], str]:
    """A column that shows a decimal without trailing zeros; sorted by the field itself."""

    @admin.display(description=description, ordering=field)
    def column(_self: Any, row: Any) -> str:
        value: Decimal | None = getattr(row, field)
        return "–" if value is None else plain(value)

    return column


def trail_link(object_type: str) -> Callable[[Any, Any], str]:
    """A field that leads to the audit rows of the object."""

    @admin.display(description=_("audit trail"))
    def field(_self: Any, row: Any) -> str:
        return trail_to(object_type, row.pk)

    return field


def trail_to(object_type: str, object_id: object) -> str:
    """A link to the audit rows of an object."""
    query = urlencode({"object_type": object_type, "object_id": str(object_id)})
    address = f"{reverse('admin:compliance_auditrow_changelist')}?{query}"
    return format_html('<a href="{}">{}</a>', address, _("All that happened to it"))
