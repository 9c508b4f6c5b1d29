"""What two people decide about a match on a list: the end of a pause in buying, and deciding anew."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from accounts.erasure import shown_name
from agora.lib.catalog import Text
from compliance.four_eyes import Kind, Refused
from compliance.models import Proposal
from kyc.models import ScreeningMatch
from kyc.screening import matching
from kyc.selectors import subject_of

Lines = Sequence[tuple[Text, Text]]
_READER = "kyc.view_case"


def _held(proposal: Proposal) -> ScreeningMatch:
    try:
        return matching.held(UUID(proposal.object_id))
    except ScreeningMatch.DoesNotExist as error:
        raise Refused("gone", _("This match is not there any more.")) from error


def _check_dismissal(proposal: Proposal) -> None:
    match = _held(proposal)
    if match.state != ScreeningMatch.State.OPEN:
        raise Refused("decided", matching.DECIDED)
    if not match.holds:
        raise Refused("takes_one", _("This match pauses nothing: one officer dismisses it."))
    if matching.has_changed(match, since=str(proposal.payload["load"])):
        raise Refused(
            "changed", _("The list says something else of them by now: withdraw it and look again.")
        )


def _dismiss(proposal: Proposal, now: datetime) -> None:
    assert proposal.checker_id  # noqa: S101  # an approval has one
    matching.settle(
        match=_held(proposal),
        state=ScreeningMatch.State.DISMISSED,
        reason=proposal.reason,
        decider=proposal.checker_id,
        now=now,
    )


def _check_reopening(proposal: Proposal) -> None:
    match = _held(proposal)
    if match.state == ScreeningMatch.State.OPEN:
        raise Refused("not_now", _("This match waits for a decision already."))
    decided = {"state": match.state, "decided_at": str(match.decided_at)}
    if decided != proposal.payload:
        raise Refused("changed", _("The match was decided anew meanwhile. Look at it again."))


def _reopen(proposal: Proposal, now: datetime) -> None:
    matching.reopen(match=_held(proposal), actor=f"user:{proposal.checker_id}", now=now)


def _dismissal_lines(proposal: Proposal) -> Lines:
    return [
        *_lines(proposal),
        (_("What follows"), _("Buying goes on, unless another match pauses it.")),
    ]


def _reopening_lines(proposal: Proposal) -> Lines:
    state = ScreeningMatch.State(str(proposal.payload["state"]))
    return [*_lines(proposal), (_("Decided until now"), state.label)]


def _lines(proposal: Proposal) -> Lines:
    match = ScreeningMatch.objects.select_related("application__user").get(pk=proposal.object_id)
    return [
        (_("Person"), shown_name(match.application.user)),
        (_("State of the person"), match.application.get_status_display()),
        (_("List"), match.list_name),
        (_("Found by"), match.get_by_display()),
        (_("Under sanctions"), _("yes") if match.is_sanctioned else _("no")),
    ]


KINDS = [
    Kind(
        name=matching.DISMISS,
        title=_("Dismiss a match that pauses buying"),
        maker_permission=matching.REVIEW,
        check=_check_dismissal,
        effect=_dismiss,
        lines=_dismissal_lines,
        subject=subject_of,
        reader_permission=_READER,
    ),
    Kind(
        name=matching.REOPEN,
        title=_("Decide a match on a list anew"),
        maker_permission=matching.REVIEW,
        check=_check_reopening,
        effect=_reopen,
        lines=_reopening_lines,
        subject=subject_of,
        reader_permission=_READER,
    ),
]
