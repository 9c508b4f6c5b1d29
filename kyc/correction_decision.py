"""The decision of two people to put a person's name or tax id right (LGPD art. 18 III)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from accounts.erasure import shown_name
from agora.lib.catalog import Text
from compliance.four_eyes import Kind, Refused
from compliance.models import Proposal
from kyc import screening
from kyc.cases.record import WORK, store, write
from kyc.cases.record import hold as hold_case
from kyc.corrections import CORRECT, TAX_ID_ELSEWHERE, change, elsewhere, end, hold, tell
from kyc.models import Case, CaseEvent, Correction
from kyc.selectors import subject_of

LABELS: dict[str, Text] = {"full_name": _("Full name"), "tax_id": _("Tax id")}


def _held(proposal: Proposal) -> Correction:
    """The open correction and its application, held."""
    try:
        return hold(UUID(proposal.object_id))
    except Correction.DoesNotExist as error:
        raise Refused("gone", _("This correction is not there any more.")) from error


def _check(proposal: Proposal) -> None:
    if elsewhere(_held(proposal)) is not None:
        raise Refused("tax_id_taken", TAX_ID_ELSEWHERE)


def _correct(proposal: Proposal, now: datetime) -> None:
    correction = _held(proposal)
    change(correction)
    end(correction, Correction.State.MADE, actor=f"user:{proposal.checker_id}", now=now)
    _look_again(correction, now)
    tell(correction, now=now)


def _look_again(correction: Correction, now: datetime) -> None:
    """Look the person up under the new values, and have an open case's checks done anew."""
    application = correction.application
    screening.screen(application=application, now=now, corrected=True)
    found = Case.objects.filter(application=application, closed_at=None).values_list(
        "pk", flat=True
    )
    if found:
        case = hold_case(found[0])
        case.checks.all().delete()
        write(case, CaseEvent.Kind.CORRECTED, by=None, now=now, fields=correction.fields)
        store(case)


def _lines(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    """Whose, and what is changed; into what is read on the correction's page, which notes the look."""
    user = Correction.objects.get(pk=proposal.object_id).application.user
    names = [LABELS[name] for name in proposal.payload["fields"]]
    return [
        (_("Person"), shown_name(user)),
        (_("To be corrected"), ", ".join(str(name) for name in names)),
        (_("Old and new values"), _("on the page of the correction")),
    ]


KINDS = [
    Kind(
        name=CORRECT,
        title=_("Correct a person's name or tax id"),
        maker_permission=WORK,
        check=_check,
        effect=_correct,
        lines=_lines,
        subject=subject_of,
        reader_permission="kyc.view_case",
    ),
]
