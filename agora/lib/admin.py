"""Base of admin pages on money: everything can be read, nothing can be changed by hand."""

from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from agora.lib.money import plain

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


PROPOSED = _("Proposed. It takes effect once a second person approves it.")


class DialogForm(BaseDialogForm):
    """What is filled in for an action; the request knows it, so that a refusal shows it again."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        vars(request)["dialog_form"] = self

    @property
    def values(self) -> dict[str, Any]:
        """What was filled in, without the form's own marks: as the service takes it."""
        return {
            name: value for name, value in self.cleaned_data.items() if not name.startswith("_")
        }


class ReasonForm(DialogForm):
    """A dialog that asks why."""

    reason = forms.CharField(label=_("Reason"), max_length=1000, widget=UnfoldAdminTextareaWidget)


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

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Nothing is offered on a row that is not there."""
        if self.get_object(request, unquote(str(object_id))) is None:
            return []
        return super().get_actions_detail(request, object_id)

    def _get_instance_method(self, method_name: str) -> Callable[..., Any]:
        """An action on a row that is not there, or not for this reader, is not found."""
        method: Callable[..., Any] = super()._get_instance_method(method_name)

        @wraps(method)
        def on_a_row(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if "object_id" in kwargs:
                kwargs["object_id"] = unquote(kwargs["object_id"])
                if self.get_object(request, kwargs["object_id"]) is None:
                    raise Http404
            dialog = vars(request)["dialog"] = getattr(method, "dialog", None)
            answer = method(request, *args, **kwargs)
            if dialog and request.method == "GET" and "HX-Request" not in request.headers:
                return self._page_around(request, dialog, answer, kwargs.get("object_id"))
            return answer

        return on_a_row

    def _page_around(
        self, request: HttpRequest, dialog: Any, answer: HttpResponse, object_id: str | None
    ) -> HttpResponse:
        """A dialog whose address was opened by itself, as in a new tab, as a page of its own."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        back = (
            reverse(f"{name}_change", args=[quote(object_id)])
            if object_id is not None
            else reverse(f"{name}_changelist")
        )
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": dialog["title"],
            "dialog": mark_safe(answer.content.decode()),  # noqa: S308  (drawn by a template)
            "back": back,
        }
        return render(request, "admin/dialog.html", context, status=answer.status_code)


def dialog(
    title: "str | _StrPromise",
    description: "str | _StrPromise",
    submit: "str | _StrPromise",
    form_class: type[BaseDialogForm] | None = ReasonForm,
) -> dict[str, Any]:
    """The dialog of an action, as unfold takes it; without a form it only asks whether to go on."""
    return {
        "title": title,
        "description": description,
        "form_class": form_class,
        "form_submit_text": submit,
    }


def answer_dialog(
    request: HttpRequest,
    act: Callable[[], object],
    *,
    refusal: type[Exception],
    done: str,
    back: str,
) -> HttpResponse:
    """Run a dialog's service call, tell how it ended, and lead back to a page of the admin.

    `refusal` is the service's own exception, with a `message` for the person. Where something was
    filled in, the dialog stays with it and says why.
    """
    try:
        act()
    except refusal as refused:
        return refuse_dialog(request, str(getattr(refused, "message", refused)), back=back)
    messages.success(request, done)
    return leave_dialog(back)


def refuse_dialog(request: HttpRequest, message: str, *, back: str) -> HttpResponse:
    """The dialog again, with what was filled in and why it was refused; without a form, `back`."""
    form: DialogForm | None = getattr(request, "dialog_form", None)
    if form is None:
        messages.error(request, message)
        return leave_dialog(back)
    form.add_error(None, message)
    told = getattr(request, "dialog", None) or {}
    context = {"form": form, "dialog": told, "form_submit_text": told.get("form_submit_text", "")}
    return render(request, "unfold/helpers/dialog.html", context)


def leave_dialog(back: str) -> HttpResponse:
    """The dialog is sent by htmx, which would put a plain redirect inside itself."""
    return HttpResponse(headers={"HX-Redirect": back})


def decimal_column(field: str, description: "str | _StrPromise") -> Callable[[Any, Any], str]:
    """A column that shows a decimal without trailing zeros; sorted by the field itself."""

    @admin.display(description=description, ordering=field)
    def column(_self: Any, row: Any) -> str:
        value: Decimal | None = getattr(row, field)
        return "–" if value is None else plain(value)

    return column


def link(address: str, words: object) -> str:
    """A link in a field of a page."""
    return format_html('<a class="underline" href="{}">{}</a>', address, words)


def trail_link(object_type: str, pk: str = "pk") -> Callable[[Any, Any], str]:
    """A field that leads to the audit rows of the object, whose id is the row's `pk`."""

    @admin.display(description=_("audit trail"))
    def field(_self: Any, row: Any) -> str:
        return trail_to(object_type, getattr(row, pk))

    return field


def trail_to(object_type: str, object_id: object) -> str:
    """A link to the audit rows of an object."""
    query = urlencode({"object_type": object_type, "object_id": str(object_id)})
    address = f"{reverse('admin:compliance_auditrow_changelist')}?{query}"
    return link(address, _("All that happened to it"))
