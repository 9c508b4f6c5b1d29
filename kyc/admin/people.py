"""What the pages about people share: each look is written down, and nobody looks at themselves."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.access import signed_in
from agora.lib.admin import ReadOnlyAdmin, link
from compliance import audit
from kyc.models import Case

ERASED = _("erased")
Looked = tuple[str, object, list[str]]


class NotesLooks(ReadOnlyAdmin):
    """A page of one row that shows personal data, once it is written down who looks at it."""

    def looked_at(self, row: Any) -> Looked:
        """Type and id of what the row is about, and which personal data of it the page shows."""
        raise NotImplementedError

    def render_change_form(
        self,
        request: HttpRequest,
        context: Any,
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Django has asked for the permission before it calls this."""
        object_type, object_id, fields = self.looked_at(obj)
        if fields:
            audit.viewed(
                viewer=signed_in(request),
                object_type=object_type,
                object_id=str(object_id),
                fields=fields,
                now=timezone.now(),
            )
        page: HttpResponse = super().render_change_form(
            request, context, add, change, form_url, obj
        )
        return page


class PersonAdmin(NotesLooks):
    """Rows about people who have applied. Nobody reads what is about themselves."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.exclude(application__user=signed_in(request))


def case_link(case: Case | None) -> str:
    """A link to the page of a case; a dash for none."""
    if case is None:
        return "–"
    return link(reverse("admin:kyc_case_change", args=[case.pk]), case)
