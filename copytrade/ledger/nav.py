"""The figures of a track record as pure functions of a strategy's days (research 1, 2.11).

Unit value (NAV): deposits buy units and withdrawals return them at the value of the day, so that
neither moves it. A day's deposits count as there all day and its withdrawals until the day's end:
capital that came or left during a day never makes its profit look larger than it was.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from itertools import pairwise

ZERO, ONE = Decimal(0), Decimal(1)
NAV_PLACES = Decimal("1E-12")
DAYS_A_YEAR = 365
LEAST_RETURNS = 7
_LARGEST = Decimal(999_999_999)
_PRECISION = 50


@dataclass(frozen=True, slots=True)
class Day:
    """Worth of an account at the end of a UTC day, and what came in and left on it (both ≥ 0)."""

    day: date
    equity: Decimal
    deposits: Decimal = ZERO
    withdrawals: Decimal = ZERO

    @property
    def flows(self) -> Decimal:
        return self.deposits - self.withdrawals


@dataclass(frozen=True, slots=True)
class Point:
    """Unit value at the end of a day, with the account's worth and the day's net flows."""

    day: date
    nav: Decimal
    equity: Decimal
    flows: Decimal


@dataclass(frozen=True, slots=True)
class Figures:
    """Track record of one period. Fractions, not percent; `pnl` in the quote asset."""

    roi: Decimal
    pnl: Decimal
    max_drawdown: Decimal
    sharpe: Decimal | None


def day_return(*, before: Decimal, day: Day) -> Decimal:
    """The return on what was there: profit ÷ (equity of the evening before + deposits), ≥ -1."""
    base = before + day.deposits
    if base <= 0:
        return ZERO
    with localcontext(prec=_PRECISION):
        return max(-ONE, (day.equity - day.flows - before) / base)


def unit_values(
    days: Iterable[Day], *, nav: Decimal = ONE, equity: Decimal = ZERO
) -> Iterator[Point]:
    """Unit values of consecutive days, from those of the evening before the first."""
    for day in days:
        with localcontext(prec=_PRECISION):
            grown = nav * (1 + day_return(before=equity, day=day))
            nav = min(grown, _LARGEST).quantize(NAV_PLACES)
        equity = day.equity
        yield Point(day.day, nav, equity, day.flows)


def figures(points: Sequence[Point], *, before: Point | None) -> Figures:
    """Figures over the days of `points`; `before` is the evening before them, if there was one."""
    if not points:
        return Figures(ZERO, ZERO, ZERO, None)
    start = before.nav if before else ONE
    curve = [start, *(point.nav for point in points)]
    with localcontext(prec=_PRECISION):
        gained = points[-1].equity - (before.equity if before else ZERO)
        return Figures(
            roi=_growth(start, curve[-1]),
            pnl=gained - sum((point.flows for point in points), ZERO),
            max_drawdown=max_drawdown(curve),
            sharpe=sharpe([_growth(a, b) for a, b in pairwise(curve)]),
        )


def _growth(start: Decimal, end: Decimal) -> Decimal:
    return min(end / start - 1, _LARGEST) if start else ZERO


def max_drawdown(curve: Iterable[Decimal]) -> Decimal:
    """The largest fall from a peak, as a fraction of the peak: from 0 to 1."""
    peak, worst = ZERO, ZERO
    for value in curve:
        peak = max(peak, value)
        if peak:
            worst = max(worst, 1 - value / peak)
    return worst


def sharpe(returns: Sequence[Decimal]) -> Decimal | None:
    """Mean over sample deviation of daily returns, a year of 365 days, no riskless rate.

    None with fewer than 7 returns, and where nothing varied.
    """
    count = len(returns)
    if count < LEAST_RETURNS:
        return None
    with localcontext(prec=_PRECISION):
        mean = sum(returns, ZERO) / count
        variance = sum(((each - mean) ** 2 for each in returns), ZERO) / (count - 1)
        if variance <= Decimal("1E-24"):
            return None
        ratio = mean / variance.sqrt() * Decimal(DAYS_A_YEAR).sqrt()
        return max(-_LARGEST, min(_LARGEST, ratio))
