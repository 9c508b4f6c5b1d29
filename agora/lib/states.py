"""Allowed moves of a state machine as a table; anything else raises."""

from collections.abc import Iterable, Mapping


class IllegalMove(Exception):
    """A move that the table does not list: a bug or a late writer, never to be swallowed."""


class Moves:
    """A table state → states that may follow. States without followers are terminal."""

    def __init__(self, table: Mapping[str, Iterable[str]]) -> None:
        self._table = {state: frozenset(followers) for state, followers in table.items()}
        unknown = set().union(*self._table.values()) - set(self._table)
        if unknown:
            raise ValueError(f"States without a row of their own: {sorted(unknown)}")

    def check(self, old: str, new: str) -> None:
        """Raise IllegalMove unless `old → new` is listed."""
        if new not in self._table[old]:
            raise IllegalMove(f"{old} → {new}")

    def followers(self, state: str) -> frozenset[str]:
        return self._table[state]

    @property
    def terminal(self) -> frozenset[str]:
        return frozenset(state for state, followers in self._table.items() if not followers)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every allowed move, sorted: what tests walk."""
        return sorted((old, new) for old, news in self._table.items() for new in news)
