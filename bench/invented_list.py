"""A list of people who do not exist, in the form of a sanctions list.

Names are put together from syllables, beside the commonest real first names and surnames, as often
as such names are: a few shared by thousands, most by nobody else. About 60 % have a surname of two parts
or two given names; each has up to six aliases.
"""

import csv
import random
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path


def _words(text: str) -> list[str]:
    return text.split()


_COLUMNS = [
    "id", "schema", "name", "aliases", "birth_date", "countries", "identifiers", "sanctions", "dataset",
]  # fmt: skip
_FIRST = _words(
    "Jose Maria Joao Carlos Luis Antonio Ana Pedro Paulo Marcos Francisco Mohammed Ahmed Ali Hassan "
    "Vladimir Sergei Aleksandr Ivan Juan Miguel Jorge Fernando Roberto Ricardo Rafael"
)
_LAST = _words(
    "Silva Santos Oliveira Souza Pereira Lima Costa Ferreira Rodrigues Almeida Gonzalez Garcia Fernandez "
    "Lopez Martinez Gomez Benitez Ivanov Petrov Hussain Ibrahim Khan"
)
_ONSETS = _words("b d f g h j k l m n p r s t v z br ch dr gr kh ll mb nd nt rr sh st tr")
_VOWELS = _words("a e i o u a e o ia ei")


def write(path: Path, *, persons: int) -> None:
    """Write a file of so many; the same for the same number."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, dialect=csv.unix_dialect)
        writer.writeheader()
        writer.writerows(_rows(persons))


def _rows(persons: int) -> Iterator[dict[str, str]]:
    chance = random.Random(persons)  # repeatable
    drawn = _names(chance)
    for number in range(persons):
        first, last = next(drawn)
        yield {
            "id": f"invented-{number}",
            "schema": "Person",
            "name": " ".join(first + last),
            "aliases": ";".join(_aliases(first, last, drawn, chance)),
            "birth_date": f"{1930 + number % 75}-01-01",
            "countries": "br",
            "identifiers": f"INV{10**8 + number}",
            "sanctions": "Invented programme" if number % 3 == 0 else "",
            "dataset": "Invented: nobody on this list exists",
        }


def _aliases(
    first: list[str],
    last: list[str],
    drawn: Iterator[tuple[list[str], list[str]]],
    chance: random.Random,
) -> list[str]:
    aliases = [f"{' '.join(last)} {' '.join(first)}"]
    for _ in range(chance.randint(0, 5)):
        kind = chance.random()
        if kind < 0.4:
            aliases.append(f"{first[0]} {last[-1]}")
        elif kind < 0.7:
            at = chance.randrange(len(last[-1]))
            changed = last[-1][:at] + chance.choice("aeiou") + last[-1][at + 1 :]
            aliases.append(" ".join([*first, *last[:-1], changed]))
        else:
            aliases.append(" ".join(next(drawn)[0][:1] + last))
    return sorted(set(aliases))


def _names(chance: random.Random) -> Iterator[tuple[list[str], list[str]]]:
    firsts = _FIRST + _syllables(chance, count=3000, longest=3)
    lasts = _LAST + _syllables(chance, count=12_000, longest=4)
    often_first = list(accumulate(1 / (place + 8) for place in range(len(firsts))))
    often_last = list(accumulate(1 / (place + 15) for place in range(len(lasts))))
    while True:
        yield (
            chance.choices(firsts, cum_weights=often_first, k=chance.choice([1, 1, 1, 2, 2])),
            chance.choices(lasts, cum_weights=often_last, k=chance.choice([1, 1, 2])),
        )


def _syllables(chance: random.Random, *, count: int, longest: int) -> list[str]:
    made: dict[str, None] = {}
    while len(made) < count:
        parts = (
            chance.choice(_ONSETS) + chance.choice(_VOWELS)
            for _ in range(chance.randint(2, longest))
        )
        made["".join(parts).capitalize() + chance.choice(["", "", "n", "s", "r"])] = None
    return list(made)
