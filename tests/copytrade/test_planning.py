"""What is decided about a leg, whatever the facts: nothing is sent that anything forbids (RISK-1)."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copytrade.reasons import REASONS
from copytrade.replication.claims import Facts, Switch
from copytrade.replication.planning import (
    Cancel,
    Decision,
    LookUp,
    Poll,
    Send,
    Skip,
    Wait,
    decide,
)
from copytrade.states import LEG_MOVES
from tests.copytrade.legs import NOW, a_leg, a_standing
from tests.copytrade.rules import a_market, amounts

MARKETS = {"BTC/USDT": a_market()}
LEVELS = ["platform", "exchange", "strategy", "subscription"]


def decided(
    leg: Facts, *, switches: Sequence[Switch] = (), trading: bool = True, later: float = 0
) -> Decision:
    markets = MARKETS if trading else {"BTC/USDT": a_market(trading=False)}
    return decide(leg, switches=switches, markets=markets, now=NOW + timedelta(seconds=later))


def a_switch(level: str, leg: Facts) -> Switch:
    return Switch(
        level=level,
        exchange=leg.exchange if level == "exchange" else "",
        strategy_id=leg.strategy_id if level == "strategy" else None,
        subscription_id=leg.subscription_id if level == "subscription" else None,
    )


def a_close(**changes: Any) -> Facts:
    values: dict[str, Any] = {
        "kind": "CLOSE",
        "side": "SELL",
        "held": Decimal("0.01"),
        "position_before": Decimal("0.01"),
        "expires_at": None,
    }
    return a_leg(**(values | changes))


# --- Whatever the facts -----------------------------------------------------------------------------

caps = st.none() | amounts("1", "2000", places=2)
losses = st.builds(
    a_standing,
    equity=amounts("0", "1200", places=2),
    stop_equity=caps,
    loss=amounts("-500", "500", places=2),
    daily_loss=caps,
    user_loss=amounts("-500", "500", places=2),
    user_daily_loss=caps,
    user_unpriced=st.booleans(),
)
facts = st.builds(
    a_leg,
    state=st.sampled_from(["PLANNED", "SENDING", "WORKING"]),
    kind=st.sampled_from(["OPEN", "CLOSE", "CANCEL"]),
    subscription_state=st.sampled_from(["ACTIVE", "PAUSED", "REDUCING", "STOPPING", "STOPPED"]),
    account_state=st.sampled_from(["ACTIVE", "PAUSED", "REMOVED"]),
    symbols=st.sampled_from([[], ["BTC/USDT"], ["ETH/USDT"]]),
    cumulative=amounts("0", "0.05"),
    position_before=amounts("0", "0.05"),
    held=amounts("0", "0.05"),
    done=amounts("0", "0.02"),
    carried=amounts("0", "0.001"),
    minimum=st.sampled_from(["skip", "bump", "accumulate"]),
    sizing=st.sampled_from(["fixed", "multiplier", "proportional"]),
    factor=amounts("0.1", "200"),
    open_pairs=st.integers(0, 25),
    open_cost=amounts("0", "900", places=2),
    value=amounts("0", "900", places=2),
    symbol_value=amounts("0", "900", places=2),
    pending=amounts("0", "300", places=2),
    realized=amounts("-500", "500", places=2),
    max_order=caps,
    max_symbol=caps,
    max_exposure=caps,
    losses=st.none() | losses,
    priced_at=st.none() | st.sampled_from([NOW, NOW - timedelta(hours=1)]),
    unpriced=st.booleans(),
    overtaken=st.sampled_from([None, "master_cancelled"]),
    target_id=st.none() | st.uuids(),
    signal_type=st.sampled_from(["MARKET", "LIMIT"]),
)


@given(
    leg=facts,
    level=st.none() | st.sampled_from(LEVELS),
    trading=st.booleans(),
    later=st.integers(0, 20),
)
def test_nothing_is_sent_that_anything_forbids(
    leg: Facts, level: str | None, trading: bool, later: int
) -> None:
    switches = [a_switch(level, leg)] if level else []

    decision = decided(leg, switches=switches, trading=trading, later=later)

    if isinstance(decision, Skip):
        assert decision.state in LEG_MOVES.followers(leg.state)
        assert decision.state == "DONE" or decision.reason in REASONS
    if isinstance(decision, Wait):
        assert decision.until > NOW + timedelta(seconds=later)
    if not isinstance(decision, Send):
        return
    order, cost = decision.order, decision.order.quantity * (decision.order.price or 0)
    assert leg.state == "PLANNED"
    assert leg.account_state == "ACTIVE"
    assert trading
    assert not switches
    assert order.quantity > 0
    assert order.signed_at == NOW + timedelta(seconds=later)
    if leg.kind == "CLOSE":
        assert order.quantity <= leg.held
        return
    assert leg.subscription_state == "ACTIVE"
    assert leg.symbols in ([], ["BTC/USDT"])
    assert not leg.overtaken
    assert leg.expires_at is None or order.signed_at < leg.expires_at
    assert cost <= leg.allocated + leg.realized - leg.open_cost - leg.pending
    for cap, used in (
        (leg.max_order, Decimal(0)),
        (leg.max_symbol, leg.symbol_value + leg.pending_symbol),
        (leg.max_exposure, leg.value + leg.pending),
    ):
        assert cap is None or used + cost <= cap
    if leg.losses:
        stands = leg.losses
        assert not stands.user_unpriced
        assert stands.stop_equity is None or stands.equity > stands.stop_equity
        assert stands.daily_loss is None or stands.loss < stands.daily_loss
        assert stands.user_daily_loss is None or stands.user_loss < stands.user_daily_loss


@given(leg=facts, level=st.sampled_from(LEVELS))
def test_under_a_kill_switch_nothing_is_sent_at_all(leg: Facts, level: str) -> None:
    assert not isinstance(decided(leg, switches=[a_switch(level, leg)]), Send)


@given(leg=facts)
def test_a_leg_that_may_have_been_heard_is_looked_up_whatever_else_holds(leg: Facts) -> None:
    decision = decided(leg, switches=[a_switch("platform", leg)], trading=False, later=60)

    if leg.state == "SENDING" and leg.kind != "CANCEL":
        assert isinstance(decision, LookUp)
    if leg.state == "WORKING":
        assert isinstance(decision, Poll)


# --- Closes are never lost --------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_a_close_waits_for_the_end_of_a_kill_switch(level: str) -> None:
    leg = a_close()

    assert isinstance(decided(leg, switches=[a_switch(level, leg)]), Wait)


def test_a_switch_for_another_stops_nothing() -> None:
    leg, other = a_close(), a_close()
    switches = [a_switch(level, other) for level in ("strategy", "subscription")]

    assert isinstance(decided(leg, switches=switches), Send)


@pytest.mark.parametrize("state", ["PAUSED", "REMOVED"])
def test_a_close_waits_for_its_account(state: str) -> None:
    assert isinstance(decided(a_close(account_state=state)), Wait)


def test_a_close_waits_for_the_market() -> None:
    assert isinstance(decided(a_close(), trading=False), Wait)


@pytest.mark.parametrize("state", ["ACTIVE", "PAUSED", "REDUCING", "STOPPING"])
def test_a_close_is_sent_however_old_and_whatever_limits_say(state: str) -> None:
    leg = a_close(
        subscription_state=state,
        symbols=["ETH/USDT"],
        max_order=Decimal(1),
        max_exposure=Decimal(1),
        blocked_until=NOW + timedelta(days=1),
        unpriced=True,
        losses=a_standing(loss=Decimal(900), daily_loss=Decimal(1)),
        realized=Decimal(-900),
    )

    decision = decided(leg, later=86_400)

    assert isinstance(decision, Send)
    assert (decision.order.type, decision.order.quantity) == ("MARKET", Decimal("0.01"))


# --- Opens come too late or in vain -----------------------------------------------------------------


def test_an_open_expires() -> None:
    decision = decided(a_leg(), later=10)

    assert isinstance(decision, Skip)
    assert (decision.state, decision.reason) == ("EXPIRED", "expired")


def test_an_open_that_the_master_made_void_meanwhile_is_not_sent_again() -> None:
    leg = a_leg(sends=1, overtaken="superseded_by_close")

    assert decided(leg) == Skip("superseded_by_close")


def test_an_open_for_a_resting_account_waits_only_if_it_can_still_be_in_time() -> None:
    soon, late = NOW + timedelta(seconds=5), NOW + timedelta(seconds=15)

    assert decided(a_leg(blocked_until=soon)) == Wait(soon, "account_failing")
    assert decided(a_leg(blocked_until=late)) == Skip("account_failing")


def test_what_an_unheard_sending_took_along_is_bought_by_the_next() -> None:
    leg = a_leg(sends=1, carried_in=Decimal("0.002"), carried=Decimal("0.001"))

    decision = decided(leg)

    assert isinstance(decision, Send)
    assert decision.order.quantity == Decimal("0.013")
    assert decision.carried_in == Decimal("0.003")


# --- Cancellations ----------------------------------------------------------------------------------


def test_a_cancellation_needs_something_that_rests() -> None:
    target = a_leg(kind="CANCEL", target_id=a_leg().id)

    assert isinstance(decided(target), Cancel)
    assert decided(a_leg(kind="CANCEL")) == Skip("nothing_open")


def test_a_cancellation_that_was_heard_before_its_worker_died_is_done() -> None:
    leg = a_leg(kind="CANCEL", state="SENDING", asked_at=NOW)

    assert decided(leg) == Skip("", state="DONE")
