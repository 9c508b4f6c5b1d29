"""An equity curve as an SVG drawn on the server: no script, prints, follows the theme's colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from babel.dates import format_date
from django.utils.translation import gettext as _

from agora.lib import formats
from copytrade.models import NavPoint

WIDTH, HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 12, 12, 34
_GRID_LINES = 4
_STEPS = (Decimal(1), Decimal(2), Decimal(5), Decimal(10))  # times a power of ten
_LEAST_SPAN = Decimal("0.01")
_TABLE_ROWS = 60


@dataclass(frozen=True)
class Line:
    """A grid line and what it stands for."""

    y: str
    text_y: str
    label: str


@dataclass(frozen=True)
class Row:
    """A row of the table beside the curve."""

    day: str
    change: str
    equity: str
    flows: str


@dataclass(frozen=True)
class Curve:
    """What the template draws: one path, its area, grid lines, and the same as a table."""

    path: str
    area: str
    lines: list[Line]
    first_day: str
    last_day: str
    description: str
    rows: list[Row]
    step: int
    base_y: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM


def draw(points: Sequence[NavPoint]) -> Curve | None:
    """The growth of a unit since the first point, in percent; None with fewer than two points."""
    if len(points) < 2 or not points[0].nav:
        return None
    growth = [point.nav / points[0].nav - 1 for point in points]
    marks = _marks(growth)
    low, span = marks[0], marks[-1] - marks[0]
    inner_width, inner_height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def x(index: int) -> Decimal:
        return _LEFT + Decimal(inner_width * index) / (len(points) - 1)

    def y(value: Decimal) -> Decimal:
        return _TOP + inner_height * (1 - (value - low) / span)

    path = "M" + " L".join(f"{x(i):.1f} {y(value):.1f}" for i, value in enumerate(growth))
    bottom = f"{HEIGHT - _BOTTOM}"
    places = 0 if marks[1] - marks[0] >= _LEAST_SPAN else 1
    lines = [Line(f"{y(m):.1f}", f"{y(m) + 5:.1f}", formats.percent(m, places)) for m in marks]
    rows, step = _rows(points, growth)
    return Curve(
        path=path,
        area=f"{path} L{x(len(points) - 1):.1f} {bottom} L{_LEFT} {bottom} Z",
        lines=lines,
        first_day=_day(points[0].day),
        last_day=_day(points[-1].day),
        description=_describe(points, growth),
        rows=rows,
        step=step,
        base_y=f"{y(Decimal(0)):.1f}",
    )


def _marks(growth: Sequence[Decimal]) -> list[Decimal]:
    """Round values for grid lines around what occurs and zero."""
    low, high = min(*growth, Decimal(0)), max(*growth, Decimal(0))
    least = max(high - low, _LEAST_SPAN) / _GRID_LINES
    power = Decimal(1).scaleb(least.adjusted())
    step = next(times * power for times in _STEPS if times * power >= least)
    first = (low / step).to_integral_value(ROUND_FLOOR)
    last = max((high / step).to_integral_value(ROUND_CEILING), first + 1)
    return [step * number for number in range(int(first), int(last) + 1)]


def _describe(points: Sequence[NavPoint], growth: Sequence[Decimal]) -> str:
    lowest, highest = growth.index(min(growth)), growth.index(max(growth))
    return _(
        "From %(first)s to %(last)s the value of a unit changed by %(change)s. "
        "Its lowest was %(low)s on %(low_day)s, its highest %(high)s on %(high_day)s."
    ) % {
        "first": _day(points[0].day),
        "last": _day(points[-1].day),
        "change": formats.percent(growth[-1]),
        "low": formats.percent(growth[lowest]),
        "low_day": _day(points[lowest].day),
        "high": formats.percent(growth[highest]),
        "high_day": _day(points[highest].day),
    }


def _rows(points: Sequence[NavPoint], growth: Sequence[Decimal]) -> tuple[list[Row], int]:
    """Newest first; of a long curve every nth day, and the days between taken together."""
    step = -(-len(points) // _TABLE_ROWS)
    rows = []
    for index in range(len(points) - 1, -1, -step):
        point = points[index]
        flows = sum((p.flows for p in points[max(0, index - step + 1) : index + 1]), Decimal(0))
        rows.append(
            Row(
                day=_day(point.day),
                change=formats.percent(growth[index], 2),
                equity=formats.rounded(point.equity),
                flows=formats.rounded(flows),
            )
        )
    return rows, step


def _day(day: date) -> str:
    return format_date(day, "d MMM y", locale=formats.reader_locale())
