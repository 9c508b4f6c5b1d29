"""How large a copy is, for any sizes, prices and rules of markets (research on copying 2.4, 2.5)."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from copytrade import sizing
from copytrade.exchange.types import Market
from copytrade.sizing import Headroom, Sized, Sizing
from tests.copytrade.rules import a_market, amounts, markets, prices

ZERO, ONE = Decimal(0), Decimal(1)
# Values of the database have 18 decimals; nothing is computed finer than that.
_GRAIN = Decimal("1e-17")
quantities = amounts("0", "100000")
rooms = st.lists(amounts("-1000", "1000000"), max_size=4)
minima = st.sampled_from(["skip", "bump", "accumulate"])


def is_multiple(value: Decimal, step: Decimal) -> bool:
    return not step or Fraction(value) / Fraction(step) == int(Fraction(value) / Fraction(step))


def an_open(
    *,
    target: Decimal,
    price: Decimal,
    market: Market,
    done: Decimal = ZERO,
    carried: Decimal = ZERO,
    minimum: str = "skip",
    rooms: list[Decimal] | None = None,
) -> Sized:
    return sizing.size_open(
        target=target,
        done=done,
        carried=carried,
        price=price,
        headrooms=[Headroom(room, f"room {n}") for n, room in enumerate(rooms or [])],
        minimum=minimum,
        market=market,
    )


# --- Rounding -------------------------------------------------------------------------------------


@given(value=quantities, step=st.sampled_from(["0.00000001", "0.001", "0.25", "1", "10"]))
def test_rounding_down_loses_less_than_a_step_and_never_adds(value: Decimal, step: str) -> None:
    down, up = sizing.floor_to(value, Decimal(step)), sizing.ceil_to(value, Decimal(step))

    assert down <= value <= up
    assert value - down < Decimal(step)
    assert up - value < Decimal(step)
    assert is_multiple(down, Decimal(step))
    assert is_multiple(up, Decimal(step))


@pytest.mark.parametrize(
    ("value", "step", "kept"),
    [("0.2", "0.00001", "0.2"), ("0.28", "0.00001", "0.28"), ("100", "1", "100")],
)
def test_what_is_whole_stays_whole(value: str, step: str, kept: str) -> None:
    # 0.3 - 0.1, 0.29 - 0.01 and 99.99999999999999 in binary: ccxt's own rounding loses a step there.
    assert sizing.floor_to(Decimal(value), Decimal(step)) == Decimal(kept)


@given(reference=prices, bps=st.integers(0, 1000), market=markets)
def test_the_most_an_open_pays_is_never_above_the_slippage_limit(
    reference: Decimal, bps: int, market: Market
) -> None:
    cap = sizing.cap_price(reference=reference, slippage_bps=bps, market=market)

    assert Fraction(cap) <= Fraction(reference) * (10_000 + bps) / 10_000
    assert is_multiple(cap, market.tick)


# --- Opens ----------------------------------------------------------------------------------------


@given(
    target=quantities,
    done=quantities,
    carried=amounts("0", "10"),
    price=prices,
    rooms=rooms,
    minimum=minima,
    market=markets,
)
def test_an_open_keeps_target_limits_and_rules(
    target: Decimal,
    done: Decimal,
    carried: Decimal,
    price: Decimal,
    rooms: list[Decimal],
    minimum: str,
    market: Market,
) -> None:
    sized = an_open(
        target=target,
        done=done,
        carried=carried,
        price=price,
        rooms=rooms,
        minimum=minimum,
        market=market,
    )

    least = sizing.least_buy(price=price, market=market)
    if not sized.rounded:
        assert sized.reason
        return
    assert is_multiple(sized.rounded, market.step)
    assert sized.rounded >= least
    assert sized.rounded * price >= market.min_notional
    for room in rooms:
        assert sized.rounded * price <= room
    wanted = max(target - done, ZERO) + carried
    assert sized.rounded <= max(wanted, least if minimum == "bump" else ZERO)


@given(target=quantities, price=prices, market=markets)
def test_an_open_loses_less_than_a_step(target: Decimal, price: Decimal, market: Market) -> None:
    sized = an_open(target=target, price=price, market=market)

    assume(sized.rounded)
    assert target - sized.rounded < market.step + _GRAIN


@given(target=quantities, price=prices, market=markets)
def test_raising_raises_to_the_minimum_and_no_further(
    target: Decimal, price: Decimal, market: Market
) -> None:
    sized = an_open(target=target, price=price, market=market, minimum="bump")

    assume(target)
    least = sizing.least_buy(price=price, market=market)
    assert sized.rounded == max(least, sizing.floor_to(target, market.step))


@given(price=amounts("1", "200000", places=2))
def test_what_was_raised_to_the_least_can_be_sold_again_after_its_fee(price: Decimal) -> None:
    market = a_market()
    bought = sizing.least_buy(price=price, market=market)

    close = sizing.size_close(
        held=bought * Decimal("0.999"),
        sold=ZERO,
        cumulative=Decimal(1),
        position_before=Decimal(1),
        price=price,
        market=market,
    )

    assert close.rounded > 0


@given(target=quantities, price=prices, rooms=rooms, minimum=minima, market=markets)
def test_what_is_not_sent_says_why_and_a_binding_limit_is_named(
    target: Decimal, price: Decimal, rooms: list[Decimal], minimum: str, market: Market
) -> None:
    sized = an_open(target=target, price=price, rooms=rooms, minimum=minimum, market=market)

    binding = any(max(room, ZERO) / price < target for room in rooms)
    assert sized.rounded or sized.reason
    if binding and target:
        assert sized.reason.startswith("room")


def test_a_bought_minimum_can_be_sold_again_after_its_fee() -> None:
    market, price = a_market(), Decimal(50_000)

    sized = an_open(target=Decimal("0.00001"), price=price, market=market, minimum="bump")
    held = sized.rounded * Decimal("0.999")

    assert sizing.size_close(
        held=held,
        sold=ZERO,
        cumulative=ONE,
        position_before=ONE,
        price=price,
        market=market,
    ).rounded


# --- Slices of one order, and orders one after another --------------------------------------------


def cumulated(parts: list[Decimal]) -> list[Decimal]:
    return [sum(parts[: n + 1], ZERO) for n in range(len(parts))]


def buy_all(
    orders: list[list[Decimal]], *, price: Decimal, market: Market, minimum: str
) -> tuple[Decimal, Decimal]:
    """Copy orders of several slices as the engine does; bought in all, and still carried over."""
    carried = total = ZERO
    for slices in orders:
        done = ZERO
        for cumulative in cumulated(slices):
            sized = an_open(
                target=cumulative,
                done=done,
                carried=carried,
                price=price,
                market=market,
                minimum=minimum,
            )
            if sized.rounded:
                done += max(sized.rounded - carried, ZERO)
                total, carried = total + sized.rounded, ZERO
            elif sized.reason == "accumulated":
                done, carried = done + sized.clamped, sized.carried
    return total, carried


slices = st.lists(amounts("0.00000001", "1"), min_size=1, max_size=8)


@given(parts=slices, price=prices, market=markets)
def test_slices_add_up_to_the_order_in_one(
    parts: list[Decimal], price: Decimal, market: Market
) -> None:
    whole, _ = buy_all([[sum(parts, ZERO)]], price=price, market=market, minimum="accumulate")
    assume(whole)

    sliced, left = buy_all([parts], price=price, market=market, minimum="accumulate")

    assert sliced + left <= sum(parts, ZERO) + _GRAIN
    assert whole - (sliced + left) < market.step + _GRAIN


@given(orders=st.lists(slices, min_size=1, max_size=6), price=prices, market=markets)
def test_accumulating_counts_every_piece_once(
    orders: list[list[Decimal]], price: Decimal, market: Market
) -> None:
    bought, left = buy_all(orders, price=price, market=market, minimum="accumulate")

    wanted = sum((sum(parts, ZERO) for parts in orders), ZERO)
    assert bought + left <= wanted + _GRAIN * 50
    # Each order may leave less than a step behind, never a whole one.
    assert wanted - (bought + left) < market.step * len(orders) + _GRAIN * 50


@given(parts=slices, price=prices, market=markets)
def test_without_accumulating_slices_never_buy_more_than_the_order(
    parts: list[Decimal], price: Decimal, market: Market
) -> None:
    bought, left = buy_all([parts], price=price, market=market, minimum="skip")

    assert bought <= sum(parts, ZERO)
    assert left == ZERO


@given(target=quantities, done=quantities, price=prices, minimum=minima, market=markets)
def test_an_older_slice_that_comes_late_buys_nothing(
    target: Decimal, done: Decimal, price: Decimal, minimum: str, market: Market
) -> None:
    assume(done >= target)

    sized = an_open(target=target, done=done, price=price, minimum=minimum, market=market)

    assert (sized.rounded, sized.reason) == (ZERO, "nothing_to_add")


# --- Targets --------------------------------------------------------------------------------------


@given(
    factor=amounts("0.0001", "100"),
    master=quantities,
    price=prices,
    equities=st.tuples(amounts("1", "1000000"), amounts("1", "1000000")),
)
def test_targets_follow_the_formulas(
    factor: Decimal, master: Decimal, price: Decimal, equities: tuple[Decimal, Decimal]
) -> None:
    def target(mode: str) -> Fraction:
        return Fraction(
            sizing.open_target(
                sizing=Sizing(mode=mode, factor=factor, minimum="skip"),
                cumulative=master,
                order_quantity=master,
                price=price,
                equity=equities[0],
                master_equity=equities[1],
            )
        )

    near = pytest.approx
    assert float(target("fixed")) == near(float(factor / price), rel=1e-12)
    assert target("multiplier") == Fraction(factor) * Fraction(master)
    share = Fraction(equities[0]) / Fraction(equities[1])
    assert float(target("proportional")) == near(
        float(Fraction(factor) * Fraction(master) * share), rel=1e-12
    )


@pytest.mark.parametrize("equities", [("1000", "0"), ("1000", "-5"), ("0", "1000"), ("-1", "10")])
def test_without_equity_on_either_side_nothing_is_opened(equities: tuple[str, str]) -> None:
    target = sizing.open_target(
        sizing=Sizing(mode="proportional", factor=ONE, minimum="skip"),
        cumulative=ONE,
        order_quantity=ONE,
        price=ONE,
        equity=Decimal(equities[0]),
        master_equity=Decimal(equities[1]),
    )

    assert target == 0


# --- Closes ---------------------------------------------------------------------------------------


@given(held=quantities, before=amounts("0.00001", "1000"), price=prices, market=markets)
def test_a_flat_master_leaves_the_follower_less_than_can_be_sold(
    held: Decimal, before: Decimal, price: Decimal, market: Market
) -> None:
    sized = sizing.size_close(
        held=held, sold=ZERO, cumulative=before, position_before=before, price=price, market=market
    )

    rest = held - sized.rounded
    assert rest >= 0
    again = sizing.size_close(
        held=rest, sold=ZERO, cumulative=ONE, position_before=ONE, price=price, market=market
    )
    assert not again.rounded


@given(
    held=amounts("0.001", "1000"),
    parts=st.lists(st.integers(1, 100), min_size=1, max_size=6),
    keeps=st.integers(0, 300),
    price=prices,
    market=markets,
)
def test_partial_closes_follow_the_fraction_that_the_master_sold(
    held: Decimal, parts: list[int], keeps: int, price: Decimal, market: Market
) -> None:
    """Slices of one closing order: cumulative, so that no slice is counted twice."""
    before = Decimal(sum(parts) + keeps)
    sold = ZERO
    for cumulative in cumulated([Decimal(part) for part in parts]):
        sized = sizing.size_close(
            held=held - sold,
            sold=sold,
            cumulative=cumulative,
            position_before=before,
            price=price,
            market=market,
        )
        step = market.market_step or market.step
        assert is_multiple(sized.rounded, step)
        assert sized.rounded <= held - sold
        left, sold = held - sold, sold + sized.rounded
        if sized.clamped == left:  # what would remain is too small: all of it is sold
            break
        assert sold <= held * cumulative / before + _GRAIN * 1000

    if not keeps:
        rest = sizing.size_close(
            held=held - sold,
            sold=ZERO,
            cumulative=ONE,
            position_before=ONE,
            price=price,
            market=market,
        )
        assert not rest.rounded


@given(held=quantities, price=prices, market=markets)
def test_a_rest_too_small_to_be_sold_is_sold_along(
    held: Decimal, price: Decimal, market: Market
) -> None:
    half = sizing.size_close(
        held=held, sold=ZERO, cumulative=ONE, position_before=Decimal(2), price=price, market=market
    )
    assume(half.rounded)

    rest = held - half.rounded
    alone = sizing.size_close(
        held=rest, sold=ZERO, cumulative=ONE, position_before=ONE, price=price, market=market
    )
    assert alone.rounded or rest < (market.market_step or market.step) + (
        half.clamped - half.rounded
    )


@given(held=amounts("-5", "0"), price=prices, market=markets)
def test_nothing_held_is_nothing_sold(held: Decimal, price: Decimal, market: Market) -> None:
    sized = sizing.size_close(
        held=held, sold=ZERO, cumulative=ONE, position_before=ONE, price=price, market=market
    )

    assert (sized.rounded, sized.reason) == (ZERO, "no_position")


@given(target=quantities, price=prices, minimum=minima, market=markets)
def test_every_number_is_a_decimal(
    target: Decimal, price: Decimal, minimum: str, market: Market
) -> None:
    sized = an_open(target=target, price=price, minimum=minimum, market=market)

    for number in (sized.ideal, sized.clamped, sized.rounded, sized.carried):
        assert type(number) is Decimal
