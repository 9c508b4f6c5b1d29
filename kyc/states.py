"""States of a case and the moves between them; anything else raises (kyc.cases)."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from agora.lib.states import Moves


class State(models.TextChoices):
    """Where a case stands. What came out of it is its outcome, kept apart."""

    PENDING = "PENDING", _("Waits for an officer")
    UNDER_REVIEW = "UNDER_REVIEW", _("Under review")
    INFO_REQUESTED = "INFO_REQUESTED", _("Waits for the person")
    ESCALATED = "ESCALATED", _("Escalated")
    AWAITING_SECOND = "AWAITING_SECOND", _("Waits for a second person")
    APPROVED = "APPROVED", _("Approved")
    REJECTED = "REJECTED", _("Rejected")
    ENDED = "ENDED", _("Ended without a decision")


class Outcome(models.TextChoices):
    """What came out: the first two of an approval, the last one of no decision, others of a rejection."""

    VERIFIED = "VERIFIED", _("Identity verified")
    NO_RISK = "NO_RISK", _("Matches on lists are of other people")
    UNREADABLE = "UNREADABLE", _("A document cannot be read")
    EXPIRED = "EXPIRED", _("A document has expired")
    DIFFERENT = "DIFFERENT", _("Documents and application differ")
    ADDRESS_UNPROVEN = "ADDRESS_UNPROVEN", _("The address is not proven")
    NO_ANSWER = "NO_ANSWER", _("No answer from the person")
    RISK_CONFIRMED = "RISK_CONFIRMED", _("A match on a list is this person")
    OTHER = "OTHER", _("Another reason")
    ACCOUNT_CLOSED = "ACCOUNT_CLOSED", _("The person has closed the account")


GOOD_OUTCOMES = frozenset({Outcome.VERIFIED, Outcome.NO_RISK})
NO_DECISION = frozenset({Outcome.ACCOUNT_CLOSED})
BAD_OUTCOMES = frozenset(Outcome) - GOOD_OUTCOMES - NO_DECISION

MOVES = Moves(
    {
        State.PENDING: {State.UNDER_REVIEW, State.ENDED},
        State.UNDER_REVIEW: {
            State.PENDING,
            State.INFO_REQUESTED,
            State.ESCALATED,
            State.AWAITING_SECOND,
            State.ENDED,
        },
        # An officer may go on without the answer, for instance to reject after a long silence.
        State.INFO_REQUESTED: {State.PENDING, State.UNDER_REVIEW, State.ENDED},
        State.ESCALATED: {State.UNDER_REVIEW, State.ENDED},
        # Back when the proposal is withdrawn, refused or expired.
        State.AWAITING_SECOND: {
            State.UNDER_REVIEW,
            State.APPROVED,
            State.REJECTED,
            State.ENDED,
        },
        State.APPROVED: set(),
        State.REJECTED: set(),
        State.ENDED: set(),
    }
)
CLOSED = frozenset({State.APPROVED, State.REJECTED, State.ENDED})
# While a case waits for the person, or is over, it cannot be late.
NO_CLOCK = CLOSED | {State.INFO_REQUESTED}
WITH_OFFICERS = frozenset({State.PENDING, State.UNDER_REVIEW, State.ESCALATED})
