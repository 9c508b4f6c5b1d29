"""How a case ends that nobody decides: the person has closed their account."""

from datetime import datetime

from accounts.models import User
from compliance import four_eyes
from kyc.cases.deciding import CASE
from kyc.cases.opening import hold_application
from kyc.cases.record import hold, move, store, unlock, write
from kyc.models import Case, CaseEvent
from kyc.states import Outcome, State


def hold_open(*, user: User) -> None:
    """Lock the user's open case until the transaction ends; the application's row is held."""
    rows = Case.objects.select_for_update(no_key=True, of=("self",))
    rows.filter(application__user=user, closed_at=None).first()


def end_with_account(*, user: User, now: datetime) -> None:
    """End the user's open case, if there is one, and what is proposed on it.

    Call it inside the transaction that closes the account. Holds the rows of application and case.
    """
    found = Case.objects.filter(application__user=user, closed_at=None).first()
    if found is None:
        return
    hold_application(found.application_id)
    case = hold(found.pk)
    before = case.state
    move(case, State.ENDED)
    case.outcome, case.closed_at = Outcome.ACCOUNT_CLOSED, now
    unlock(case)
    write(case, CaseEvent.Kind.ENDED, by=None, now=now, outcome=case.outcome, before=before)
    store(case)
    four_eyes.lapse(object_type=CASE, object_id=case.pk, now=now)
