"""What any answer makes of a leg in any state: only allowed moves, and nothing is forgotten."""

from datetime import timedelta
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agora.lib.outcome import OutsideError, Rejected, Temporary, Unknown
from copytrade.exchange import reasons
from copytrade.exchange.types import OPEN_STATUSES, OrderReport, OrderStatus
from copytrade.models import CopyOrder, Signal
from copytrade.reasons import REASONS
from copytrade.replication import outcomes
from copytrade.replication.claims import Facts
from copytrade.replication.outcomes import Change
from copytrade.replication.planning import FINAL_AFTER, Cancel, LookUp, Poll, Send
from copytrade.states import LEG_MOVES, LegState
from tests.copytrade.legs import NOW, a_leg, a_report
from tests.copytrade.rules import amounts

CODES = sorted(
    value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)
)
# What a worker does, the state that the leg has at the exchange's answer, and the kinds it is done for.
DOINGS: dict[str, tuple[type, str, str]] = {
    "send open": (Send, "SENDING", "OPEN"),
    "send close": (Send, "SENDING", "CLOSE"),
    "look up open": (LookUp, "SENDING", "OPEN"),
    "look up close": (LookUp, "SENDING", "CLOSE"),
    "poll open": (Poll, "WORKING", "OPEN"),
    "poll close": (Poll, "WORKING", "CLOSE"),
    "cancel": (Cancel, "SENDING", "CANCEL"),
}
kinds = st.sampled_from(["OPEN", "CLOSE"])
statuses = st.sampled_from(list(get_args(OrderStatus)))
ages = st.integers(0, 3600).map(lambda seconds: timedelta(seconds=seconds))
errors = st.builds(
    lambda kind, code: kind("told", code=code),
    st.sampled_from([Rejected, Temporary, Unknown]),
    st.sampled_from(["", "bug", *CODES]),
)


def allowed(old: str, change: Change) -> bool:
    return change.state == old or change.state in LEG_MOVES.followers(old)


def in_hand(doing: str, **changes: object) -> tuple[Facts, object]:
    """A leg as the worker that does this has it in hand; the rows' state is in DOINGS."""
    decision, state, kind = DOINGS[doing]
    before = "PLANNED" if decision in (Send, Cancel) else state
    made = a_leg(state=before, kind=kind, asked_at=NOW, **changes)
    return made, object.__new__(decision)


def check(old: str, leg: Facts, change: Change) -> None:
    """What holds for every change, whatever brought it."""
    assert allowed(old, change), f"{old} → {change.state}"
    open_now = change.state in ("PLANNED", "SENDING", "WORKING")
    # An open leg is looked at again, an ended one never.
    assert (change.again_at is not None) == open_now
    if change.state in ("REJECTED", "SKIPPED", "EXPIRED"):
        assert change.reason
    assert not change.reason or change.reason in REASONS
    # The database holds: whatever may have been heard carries the time it was signed.
    assert change.keep_asked or change.state != "SENDING"


@given(
    doing=st.sampled_from(sorted(DOINGS)),
    error=errors,
    attempts=st.integers(0, 50),
    missed=st.integers(0, 3),
    resting=st.booleans(),
)
def test_any_failure_in_any_state_is_an_allowed_move(
    doing: str, error: OutsideError, attempts: int, missed: int, resting: bool
) -> None:
    expiry = None if resting or "close" in doing else NOW + timedelta(seconds=10)
    leg, decision = in_hand(doing, attempts=attempts, missed_lookups=missed, expires_at=expiry)

    change = outcomes.of_failure(leg, decision, error, now=NOW)

    check(DOINGS[doing][1], leg, change)
    assert change.error


@given(
    doing=st.sampled_from([doing for doing in DOINGS if doing != "cancel"]),
    status=statuses,
    filled=amounts("0", "0.01", places=5),
    told=amounts("0", "0.01", places=5),
    age=ages,
)
def test_any_report_in_any_state_is_an_allowed_move(
    doing: str, status: OrderStatus, filled: Decimal, told: Decimal, age: timedelta
) -> None:
    leg, _ = in_hand(doing, accepted_at=NOW - age)
    report = a_report(leg, status, filled=str(filled), told=str(min(told, filled)))

    change = outcomes.of_report(leg, report, now=NOW)

    check(DOINGS[doing][1], leg, change)
    assert outcomes.quantities(change) == (filled, filled * 50_000, "77")
    if change.state in LEG_MOVES.terminal:
        assert report.status not in OPEN_STATUSES
        assert report.has_all_trades
    if change.state == "FILLED":
        assert filled == report.quantity
    if change.again_at is not None:
        assert NOW < change.again_at <= NOW + timedelta(minutes=5)


@given(doing=st.sampled_from(["look up open", "look up close", "poll open"]), after=ages)
def test_an_order_that_is_missing_ends_nothing(doing: str, after: timedelta) -> None:
    leg, _ = in_hand(doing, missed_lookups=1)

    change = outcomes.of_missing(leg, began=NOW + after, now=NOW + after)

    check(DOINGS[doing][1], leg, change)
    assert change.state not in LEG_MOVES.terminal


@given(target=st.none() | statuses, told=st.booleans())
def test_a_cancellation_is_done_when_nothing_rests_any_more(
    target: OrderStatus | None, told: bool
) -> None:
    leg, _ = in_hand("cancel")
    report = target and a_report(leg, target, filled="0.005", told=None if told else "0")

    change = outcomes.of_cancel(leg, report, now=NOW)

    check("SENDING", leg, change)
    assert (change.state == "DONE") == (target is None or target not in OPEN_STATUSES)


# --- When a missing order may be sent again ---------------------------------------------------------


def look_ups(times: list[float]) -> list[str]:
    """States after look-ups that find nothing, so many seconds after the order was signed."""
    missed, states = 0, []
    for seconds in times:
        leg, _ = in_hand("look up open", missed_lookups=missed)
        at = NOW + timedelta(seconds=seconds)
        change = outcomes.of_missing(leg, began=at, now=at)
        missed = change.missed_lookups
        states.append(change.state)
    return states


def test_it_is_sent_again_only_after_two_look_ups_and_the_exchanges_window() -> None:
    final = FINAL_AFTER.total_seconds()

    assert look_ups([0.5, 1, 2, final - 0.1]) == ["SENDING"] * 4
    assert look_ups([0.5, final]) == ["SENDING", "PLANNED"]
    assert look_ups([final + 60]) == ["SENDING"]
    assert look_ups([final + 60, final + 61]) == ["SENDING", "PLANNED"]


def test_a_look_up_begun_too_early_proves_nothing_however_late_its_answer_comes() -> None:
    leg, _ = in_hand("look up open", missed_lookups=1)

    change = outcomes.of_missing(
        leg, began=NOW + timedelta(seconds=3), now=NOW + FINAL_AFTER + timedelta(seconds=3)
    )

    assert change.state == "SENDING"


@given(missed=st.integers(0, 30), after=ages)
def test_the_next_look_up_is_neither_at_once_nor_late(missed: int, after: timedelta) -> None:
    leg, _ = in_hand("look up close", missed_lookups=missed)

    change = outcomes.of_missing(leg, began=NOW + after, now=NOW + after)

    if change.state == "SENDING":
        assert change.again_at is not None
        assert timedelta(milliseconds=500) <= change.again_at - (NOW + after) <= FINAL_AFTER


# --- What single answers mean -------------------------------------------------------------------------


@pytest.mark.parametrize("doing", ["send open", "send close"])
def test_an_unknown_answer_is_looked_up_before_anything_else(doing: str) -> None:
    leg, decision = in_hand(doing)

    change = outcomes.of_failure(leg, decision, Unknown("?", code=reasons.TIMEOUT), now=NOW)

    assert (change.state, change.keep_asked) == ("SENDING", True)


@pytest.mark.parametrize("code", sorted(outcomes.KEY_TROUBLE))
def test_a_close_waits_for_a_key_that_works(code: str) -> None:
    leg, decision = in_hand("send close", expires_at=None)

    change = outcomes.of_failure(leg, decision, Rejected("no", code=code), now=NOW)

    assert (change.state, change.key_trouble) == ("PLANNED", code)


@pytest.mark.parametrize("resting", [False, True])
def test_an_open_at_a_closed_market_is_not_sent_again_at_once(resting: bool) -> None:
    leg, decision = in_hand(
        "send open",
        signal_type="LIMIT" if resting else "MARKET",
        expires_at=None if resting else NOW + timedelta(seconds=10),
    )

    change = outcomes.of_failure(
        leg, decision, Temporary("closed", code=reasons.MARKET_CLOSED), now=NOW
    )

    assert change.again_at is not None
    assert change.again_at >= NOW + timedelta(milliseconds=50)


@given(error=errors, attempts=st.integers(0, 30))
def test_a_failed_open_is_looked_at_again_in_time_to_expire(
    error: OutsideError, attempts: int
) -> None:
    leg, decision = in_hand("send open", attempts=attempts)

    change = outcomes.of_failure(leg, decision, error, now=NOW)

    if change.state == "PLANNED":
        assert leg.expires_at is not None
        assert change.again_at is not None
        assert change.again_at <= leg.expires_at


@pytest.mark.parametrize("code", sorted(outcomes._SHARED_TROUBLE))
def test_no_account_is_blamed_for_the_exchanges_trouble(code: str) -> None:
    leg, decision = in_hand("send open")

    change = outcomes.of_failure(leg, decision, Temporary("no", code=code), now=NOW)

    assert not change.failed


def test_a_market_sell_that_found_too_few_buyers_asks_for_the_rest() -> None:
    leg, _ = in_hand("send close")

    change = outcomes.of_report(leg, a_report(leg, "EXPIRED", filled="0.004"), now=NOW)

    assert (change.state, change.reason, change.rest_to_close) == (
        "CANCELLED",
        "partly_filled",
        True,
    )


def every_report() -> list[OrderReport]:
    leg = a_leg()
    return [
        a_report(leg, status, filled=filled)
        for status in get_args(OrderStatus)
        for filled in ("0", "0.004", "0.01")
    ]


def test_the_table_of_moves_and_the_rows_know_the_same_states() -> None:
    choices = {value for value, _ in CopyOrder._meta.get_field("state").choices or []}

    assert (
        choices == set(LegState.values) == {old for old, _ in LEG_MOVES.pairs} | LEG_MOVES.terminal
    )
    assert set(Signal.Kind.values) == {kind for _, _, kind in DOINGS.values()}


@pytest.mark.parametrize("kind", ["OPEN", "CLOSE"])
def test_every_report_told_twice_says_the_same(kind: str) -> None:
    leg = a_leg(kind=kind, state="WORKING", accepted_at=NOW)

    for report in every_report():
        assert outcomes.of_report(leg, report, now=NOW) == outcomes.of_report(leg, report, now=NOW)
