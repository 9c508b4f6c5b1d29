"""Alternating measurements, and the line that reports them.

A time means nothing on a shared machine, so subject and floor take turns in short slices and only
the ratio of their medians is judged.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

ROUNDS = 7


@dataclass(frozen=True)
class Pair:
    """Rates of both sides, one of each per round, in operations per second."""

    subject: list[float]
    floor: list[float]

    @property
    def value(self) -> float:
        return median(self.subject)

    @property
    def least(self) -> float:
        return median(self.floor)

    @property
    def spread(self) -> list[float]:
        """The lowest and the highest ratio of one round."""
        ratios = [a / b for a, b in zip(self.subject, self.floor, strict=True)]
        return [round(min(ratios), 3), round(max(ratios), 3)]


@dataclass(frozen=True)
class Line:
    """Outcome of one benchmark. `ratio` is value / floor; `sound` holds what must be exact."""

    name: str
    value: float
    floor: float
    goal: float
    better: str = "higher"
    sound: bool = True
    extra: dict[str, object] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        return self.value / self.floor if self.floor else 0.0

    @property
    def ok(self) -> bool:
        reached = self.ratio >= self.goal if self.better == "higher" else self.ratio <= self.goal
        return reached and self.sound

    def text(self) -> str:
        return json.dumps(
            {
                "name": self.name,
                "value": round(self.value, 3),
                "floor": round(self.floor, 3),
                "ratio": round(self.ratio, 3),
                "goal": self.goal,
                "better": self.better,
                "ok": self.ok,
                **self.extra,
            }
        )


def alternate(
    *, subject: Callable[[], float], floor: Callable[[], float], rounds: int = ROUNDS
) -> Pair:
    """Run both by turns, the order swapped each round; each call returns a rate.

    The first round warms up caches, connections and plans, and is not counted.
    """
    pair = Pair([], [])
    for number in range(rounds + 1):
        sides = [(subject, pair.subject), (floor, pair.floor)]
        for run, rates in sides if number % 2 else reversed(sides):
            rate = run()
            if number:
                rates.append(rate)
        if number:
            tell(
                f"  round {number}/{rounds}: {pair.subject[-1]:.0f}/s, floor {pair.floor[-1]:.0f}/s"
            )
    return pair


def paired(name: str, pair: Pair, *, goal: float, sound: bool = True, **extra: object) -> Line:
    """The line of an alternating measurement; `extra` goes into it as it is."""
    return Line(
        name=name,
        value=pair.value,
        floor=pair.least,
        goal=goal,
        sound=sound,
        extra={"unit": "1/s", "rounds": len(pair.subject), "spread": pair.spread, **extra},
    )


def tell(text: str) -> None:
    """Progress, for whoever watches; standard output carries the results only."""
    print(text, file=sys.stderr, flush=True)
