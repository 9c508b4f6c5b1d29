"""Cases: what officers do from the first look at a person to the decision, and the person's part.

Every action is one transaction: it holds the case's row, checks who may do it and that nobody
changed the case meanwhile, writes the event and the audit row. The decision itself is taken by a
second person (kyc.decisions). Rows are locked in the order proposal, application, case.
"""

from kyc.cases.deciding import (
    propose_approval,
    propose_reinstatement,
    propose_rejection,
    propose_suspension,
    take_back,
)
from kyc.cases.ending import end_with_account, hold_open
from kyc.cases.needs import Need
from kyc.cases.opening import open_for_match, open_for_officer
from kyc.cases.person import Standing, hand_in, standing
from kyc.cases.queue import assign, keep_lock, release, take, take_next
from kyc.cases.record import CaseError, text_of
from kyc.cases.requirements import Requirement, requirements
from kyc.cases.review import ask, check, escalate, judge_document, note

__all__ = [
    "CaseError",
    "Need",
    "Requirement",
    "Standing",
    "ask",
    "assign",
    "check",
    "end_with_account",
    "escalate",
    "hand_in",
    "hold_open",
    "judge_document",
    "keep_lock",
    "note",
    "open_for_match",
    "open_for_officer",
    "propose_approval",
    "propose_reinstatement",
    "propose_rejection",
    "propose_suspension",
    "release",
    "requirements",
    "standing",
    "take",
    "take_back",
    "take_next",
    "text_of",
]
