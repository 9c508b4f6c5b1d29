"""Dialogs of the case page: what an officer fills in for each action."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from accounts.models import User
from agora.lib.admin import DialogForm, dialog, leave_dialog, refuse_dialog
from compliance import four_eyes
from compliance.four_eyes import Refused
from kyc.cases.needs import Need
from kyc.cases.record import LONGEST_TEXT
from kyc.cases.review import groups_for_cases, officers_for_cases
from kyc.documents.refusals import LONGEST_NOTE
from kyc.models import Case, Document, ScreeningMatch
from kyc.states import BAD_OUTCOMES, GOOD_OUTCOMES, Outcome

Choices = list[tuple[str, Any]]
_EMPTY = ("", "–")


def _choices(outcomes: frozenset[Outcome]) -> Choices:
    return [_EMPTY, *((one.value, one.label) for one in Outcome if one in outcomes)]


def _text(
    label: Any, *, help_text: Any = "", required: bool = True, longest: int = LONGEST_TEXT
) -> forms.CharField:
    return forms.CharField(
        label=label,
        help_text=help_text,
        required=required,
        max_length=longest,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
    )


_SHOWN = _("Shown to the person as you write it.")
_KEPT = _("Kept with the decision; the trail holds a digest.")


class TakeForm(DialogForm):
    """Nothing to fill in; says whose review ends by it."""

    form_before_template = "admin/kyc/case/taking.html"

    def get_before_template_context(
        self, request: HttpRequest, object_id: int | str | None = None
    ) -> dict[str, Any]:
        case = _case(object_id)
        holder = case.lock_holder(timezone.now()) if case else None
        others = holder not in (None, getattr(request.user, "pk", None))
        shown = super().get_before_template_context(request, object_id)
        return {**shown, "held": case if others else None}


class NoteForm(DialogForm):
    """A note for other officers."""

    text = _text(_("Note"), help_text=_("Only officers read it."))


class AskForm(DialogForm):
    """What the person should hand in."""

    needs = forms.MultipleChoiceField(
        label=_("What the person should hand in"),
        choices=Need.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    text = _text(_("Text for the person"), help_text=_SHOWN)


class EscalateForm(DialogForm):
    """Another group of officers, and why."""

    group = forms.ModelChoiceField(
        label=_("Group"), queryset=Group.objects.none(), widget=UnfoldAdminSelectWidget
    )
    text = _text(_("Why"), help_text=_("Only officers read it."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["group"].queryset = groups_for_cases()


class AssignForm(DialogForm):
    """The officer who gets the case."""

    to = forms.ModelChoiceField(
        label=_("Officer"), queryset=User.objects.none(), widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["to"].queryset = officers_for_cases()


def _case(object_id: int | str | None) -> Case | None:
    return Case.objects.select_related("application", "locked_by").filter(pk=str(object_id)).first()


_BY_DOCUMENT: dict[str, str] = {
    Document.Reason.UNREADABLE: Outcome.UNREADABLE,
    Document.Reason.CUT_OFF: Outcome.UNREADABLE,
    Document.Reason.EXPIRED: Outcome.EXPIRED,
    Document.Reason.DIFFERENT: Outcome.DIFFERENT,
}


def _good_outcome(case: Case) -> str:
    """What an approval would be for, by what the case is about."""
    without_documents = case.cause in (Case.Cause.ONBOARDING, Case.Cause.SCREENING)
    by_lists = without_documents and case.application.matches.exists()
    return Outcome.NO_RISK if by_lists else Outcome.VERIFIED


def _bad_outcome(case: Case) -> str:
    """What a rejection would most likely be for; empty where nothing hints at it."""
    if case.application.matches.filter(state=ScreeningMatch.State.CONFIRMED).exists():
        return Outcome.RISK_CONFIRMED
    if case.is_unanswered:
        return Outcome.NO_ANSWER
    judged = case.application.documents.filter(state=Document.State.REJECTED)
    why = judged.order_by("-decided_at").values_list("reason", flat=True).first()
    return _BY_DOCUMENT.get(why or "", "")


class ApproveForm(DialogForm):
    """What the review found, and why that is enough."""

    outcome = forms.ChoiceField(
        label=_("Outcome"), choices=_choices(GOOD_OUTCOMES), widget=UnfoldAdminSelectWidget
    )
    reason = _text(_("Reason"), help_text=_KEPT, longest=four_eyes.LONGEST_TEXT)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _preselect(self, _good_outcome)


def _preselect(form: DialogForm, outcome: Callable[[Case], str]) -> None:
    """Choose the outcome beforehand in a dialog that is just opened."""
    case = None if form.is_bound else _case(form.object_id)
    if case is not None:
        form.initial["outcome"] = outcome(case)


class RejectForm(DialogForm):
    """What the review found, why, and what the person reads about it."""

    outcome = forms.ChoiceField(
        label=_("Outcome"), choices=_choices(BAD_OUTCOMES), widget=UnfoldAdminSelectWidget
    )
    reason = _text(_("Reason"), help_text=_KEPT, longest=four_eyes.LONGEST_TEXT)
    text = _text(_("Text for the person"), help_text=_SHOWN)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _preselect(self, _bad_outcome)


class RejectDocumentForm(DialogForm):
    """Why a document is not accepted."""

    reason = forms.ChoiceField(
        label=_("Reason"),
        choices=[_EMPTY, *Document.Reason.choices],
        widget=UnfoldAdminSelectWidget,
    )
    text = _text(_("Text for the person"), help_text=_SHOWN, required=False, longest=LONGEST_NOTE)


class Dialog:
    """One action's dialog: its words, its form, and its answer."""

    def __init__(
        self, title: Any, form_class: type[DialogForm], submit: Any, description: Any = ""
    ) -> None:
        self.words = dialog(title, description, submit, form_class)

    def answer(
        self, request: HttpRequest, form: DialogForm, act: Callable[[], object], *, back: str
    ) -> HttpResponse:
        """Run the service call and lead back; a refusal is shown in the dialog itself."""
        try:
            act()
        except Refused as refused:
            return refuse_dialog(request, str(refused.message), back=back)
        return leave_dialog(back)
