"""Markets with rules of every kind, as examples and as a hypothesis strategy."""

from decimal import Decimal

from hypothesis import strategies as st

from copytrade.exchange.types import Market

ANY = Decimal("9000000000")


def a_market(
    *,
    symbol: str = "BTC/USDT",
    step: str = "0.00001",
    tick: str = "0.01",
    min_quantity: str = "0.00001",
    max_quantity: str = "9000",
    market_step: str = "0",
    market_max_quantity: str = "100",
    min_notional: str = "5",
    min_notional_applies_to_market: bool = True,
    trading: bool = True,
) -> Market:
    """BTC/USDT as Binance lists it, unless told otherwise."""
    base, quote = symbol.split("/")
    return Market(
        symbol=symbol,
        id=base + quote,
        base=base,
        quote=quote,
        trading=trading,
        step=Decimal(step),
        market_step=Decimal(market_step),
        min_quantity=Decimal(min_quantity),
        max_quantity=Decimal(max_quantity),
        market_min_quantity=Decimal(0),
        market_max_quantity=Decimal(market_max_quantity),
        tick=Decimal(tick),
        min_price=Decimal(tick),
        max_price=ANY,
        min_notional=Decimal(min_notional),
        max_notional=None,
        min_notional_applies_to_market=min_notional_applies_to_market,
        max_notional_applies_to_market=False,
        buy_multiplier_up=None,
        buy_multiplier_down=None,
        sell_multiplier_up=None,
        sell_multiplier_down=None,
        max_open_orders=None,
        order_types=frozenset({"LIMIT", "MARKET"}),
    )


def amounts(least: str, most: str, *, places: int = 8) -> st.SearchStrategy[Decimal]:
    """Exact amounts between both, of at most so many decimals."""
    return st.decimals(
        Decimal(least), Decimal(most), places=places, allow_nan=False, allow_infinity=False
    )


steps = st.sampled_from(["0.00000001", "0.00001", "0.001", "0.1", "1", "10"])
markets = st.builds(
    a_market,
    step=steps,
    tick=st.sampled_from(["0.00000001", "0.0001", "0.01", "0.5", "1"]),
    min_quantity=steps,
    market_step=st.sampled_from(["0", "0.00001", "0.01", "1"]),
    market_max_quantity=st.just("9000000000"),
    max_quantity=st.just("9000000000"),
    min_notional=st.sampled_from(["0", "1", "5", "10", "100"]),
    min_notional_applies_to_market=st.booleans(),
)
prices = amounts("0.0001", "100000")
