"""Dialogs of the case page: what an officer fills in for each action."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from accounts.models import User
from agora.lib.admin import leave_dialog
from compliance.four_eyes import Refused
from kyc.cases.needs import Need
from kyc.cases.record import LONGEST_TEXT
from kyc.cases.review import groups_for_cases, officers_for_cases
from kyc.models import Document
from kyc.states import BAD_OUTCOMES, GOOD_OUTCOMES, Outcome

Choices = list[tuple[str, Any]]
_EMPTY = ("", "–")


def _choices(outcomes: frozenset[Outcome]) -> Choices:
    return [_EMPTY, *((one.value, one.label) for one in Outcome if one in outcomes)]


class CaseForm(BaseDialogForm):
    """A dialog that shows why its action was refused and keeps what was typed."""

    form_before_template = "admin/kyc/case/refused.html"
    refused: Any = ""

    def get_before_template_context(
        self, request: HttpRequest, object_id: int | str | None = None
    ) -> dict[str, Any]:
        return {"refused": self.refused}

    @property
    def values(self) -> dict[str, Any]:
        """What was filled in, as the service takes it."""
        return {
            name: value for name, value in self.cleaned_data.items() if not name.startswith("_")
        }


def _text(label: Any, *, help_text: Any = "", required: bool = True) -> forms.CharField:
    return forms.CharField(
        label=label,
        help_text=help_text,
        required=required,
        max_length=LONGEST_TEXT,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
    )


_SHOWN = _("Shown to the person as you write it.")
_KEPT = _("For officers and the audit trail: no names, numbers or other personal data.")


class NoteForm(CaseForm):
    """A note for other officers."""

    text = _text(_("Note"), help_text=_("Only officers read it."))


class AskForm(CaseForm):
    """What the person should hand in."""

    needs = forms.MultipleChoiceField(
        label=_("What the person should hand in"),
        choices=Need.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    text = _text(_("Text for the person"), help_text=_SHOWN)


class EscalateForm(CaseForm):
    """Another group of officers, and why."""

    group = forms.ModelChoiceField(
        label=_("Group"), queryset=Group.objects.none(), widget=UnfoldAdminSelectWidget
    )
    text = _text(_("Why"), help_text=_("Only officers read it."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["group"].queryset = groups_for_cases()


class AssignForm(CaseForm):
    """The officer who gets the case."""

    to = forms.ModelChoiceField(
        label=_("Officer"), queryset=User.objects.none(), widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["to"].queryset = officers_for_cases()


class ApproveForm(CaseForm):
    """What the review found, and why that is enough."""

    outcome = forms.ChoiceField(
        label=_("Outcome"), choices=_choices(GOOD_OUTCOMES), widget=UnfoldAdminSelectWidget
    )
    reason = _text(_("Reason"), help_text=_KEPT)


class RejectForm(CaseForm):
    """What the review found, why, and what the person reads about it."""

    outcome = forms.ChoiceField(
        label=_("Outcome"), choices=_choices(BAD_OUTCOMES), widget=UnfoldAdminSelectWidget
    )
    reason = _text(_("Reason"), help_text=_KEPT)
    text = _text(_("Text for the person"), help_text=_SHOWN)


class RejectDocumentForm(CaseForm):
    """Why a document is not accepted."""

    reason = forms.ChoiceField(
        label=_("Reason"),
        choices=[_EMPTY, *Document.Reason.choices],
        widget=UnfoldAdminSelectWidget,
    )
    text = _text(_("Text for the person"), help_text=_SHOWN, required=False)


class Dialog:
    """One action's dialog: its words, its form, and its answer."""

    def __init__(
        self, title: Any, form_class: type[CaseForm], submit: Any, description: Any = ""
    ) -> None:
        self.words = {
            "title": title,
            "description": description,
            "form_class": form_class,
            "form_submit_text": submit,
        }

    def answer(
        self, request: HttpRequest, form: CaseForm, act: Callable[[], object], *, back: str
    ) -> HttpResponse:
        """Run the service call and lead back; a refusal is shown in the dialog itself."""
        try:
            act()
        except Refused as refused:
            form.refused = refused.message
            context = {
                "dialog": self.words,
                "form": form,
                "form_submit_text": self.words["form_submit_text"],
            }
            return render(request, "unfold/helpers/dialog.html", context)
        return leave_dialog(back)
