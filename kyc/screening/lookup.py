"""Who on a list may be a person: the adapter, and the local lists behind it.

Another source (a vendor's API) is another class with `find`, named by SCREENING_SOURCE. Whatever it
is, it gets the name and the number in process and must not keep or log them.
"""

from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from kyc.models import ScreeningEntry
from kyc.screening import names
from kyc.screening.lists import active
from kyc.screening.opensanctions import FEW, sanctioned

_CANDIDATES = """
SELECT id, forms, identifiers && %(numbers)s::text[]
FROM kyc_screeningentry
WHERE load_id = ANY(%(loads)s::uuid[]) AND (identifiers && %(numbers)s::text[] OR {alike})
"""
_ONE_ALIKE = "keys && %(keys)s::text[]"
# Each arm is a look into an index: rows that share one common first name are not even fetched.
_FEW_ALIKE = "(few_keys AND keys && %(keys)s::text[])"
_TWO_ALIKE = "keys @> %({name})s::text[]"
_MOST_PAIRED = 12  # sounds of one name; 66 pairs


@dataclass(frozen=True)
class Hit:
    """An entry that may be the person. `score` is the likeness in per cent, 100 for a number."""

    list_name: str
    source_id: str
    digest: str
    entry: dict[str, object]
    is_sanctioned: bool
    by_number: bool
    score: float


class Source(Protocol):
    """Something that knows lists."""

    def loads(self) -> list[UUID]:
        """What is looked up in just now, by its version; empty: nothing is loaded."""

    def find(self, *, name: str, number: str, threshold: float) -> list[Hit]:
        """Everybody on the lists whose likeness reaches the threshold, or who has the number.

        Those with the number first, then the most alike.
        """


class LocalLists:
    """The lists that were loaded with `manage.py screening import`."""

    def loads(self) -> list[UUID]:
        return list(active().order_by("name").values_list("pk", flat=True))

    def find(self, *, name: str, number: str, threshold: float) -> list[Hit]:
        forms = names.given(name)
        kept = names.number(number)
        with connection.cursor() as cursor:
            cursor.execute(*_candidates(forms, [kept] if kept else [], self.loads()))
            rows = cursor.fetchall()
        found = {pk: 100.0 for pk, _forms, by_number in rows if by_number}
        numbered = frozenset(found)
        for form in forms:
            for pk, score in _alike(form, rows):
                if score >= threshold:
                    found[pk] = max(score, found.get(pk, 0.0))
        return _hits(found, numbered)


def _candidates(
    forms: list[str], numbers: list[str], loads: list[UUID]
) -> tuple[str, dict[str, Any]]:
    """The query for entries worth comparing, and its parameters.

    They share the number, or what a part of the name sounds like; two parts where both the name and the
    entry have three or more, as one common first name makes no candidate then.
    """
    keys = names.sounds(forms)
    values: dict[str, Any] = {"loads": loads, "numbers": numbers, "keys": keys}
    parts = min((names.telling_parts([form]) for form in forms), default=0)
    if parts < FEW or len(keys) > _MOST_PAIRED:
        return _CANDIDATES.format(alike=_ONE_ALIKE), values
    pairs = {f"pair{n}": list(pair) for n, pair in enumerate(combinations(keys, 2))}
    arms = [_FEW_ALIKE, *(_TWO_ALIKE.format(name=name) for name in pairs)]
    return _CANDIDATES.format(alike=" OR ".join(arms)), {**values, **pairs}


def _alike(form: str, rows: list[tuple[int, list[str], bool]]) -> list[tuple[int, float]]:
    """The best likeness of each candidate; one call for the forms of all of them."""
    owners = [pk for pk, forms, _by_number in rows for _form in forms]
    scores = names.best(form, [one for _pk, forms, _by_number in rows for one in forms])
    best: dict[int, float] = {}
    for pk, score in zip(owners, scores, strict=True):
        best[pk] = max(score, best.get(pk, 0.0))
    return list(best.items())


def _hits(found: dict[int, float], numbered: frozenset[int]) -> list[Hit]:
    entries = ScreeningEntry.objects.select_related("load").in_bulk(list(found))
    return [
        Hit(
            list_name=entry.load.name,
            source_id=entry.source_id,
            digest=entry.digest,
            entry=entry.content,
            is_sanctioned=sanctioned(entry.content),
            by_number=pk in numbered,
            score=min(found[pk], 100.0),
        )
        for pk, entry in sorted(
            entries.items(),
            key=lambda item: (item[0] not in numbered, -found[item[0]], item[0]),
        )
    ]


@cache
def _source(path: str) -> Source:
    made: Source = import_string(path)()
    return made


def source() -> Source:
    """The source that the settings name."""
    return _source(settings.SCREENING_SOURCE)
