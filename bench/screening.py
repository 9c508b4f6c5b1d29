"""P13: one name looked up among 100,000 invented persons on a list.

Floor: rapidfuzz's own loop in C++ over every name and alias of the list, held in memory: what it costs
to compare with everybody, without a database, and without judging part by part what looks alike.
"""

import time
from collections.abc import Callable
from itertools import cycle, islice

from django.utils import timezone
from rapidfuzz import fuzz, process

from bench import invented_list, measure
from bench.measure import Line, tell
from bench.stand import Stand
from kyc.models import ScreeningEntry
from kyc.screening import lists, lookup, names

GOAL = 5.0
PERSONS = 100_000
_NAMES = 40  # of the list, common ones and rare ones as they come
_FLOOR_NAMES = 5
_THRESHOLD = 86.0
_ROUGH = 70.0  # below it names.best does not look closer


def run(stand: Stand) -> Line:
    """Names a second; everybody who is looked up by a name of the list must be found."""
    path = stand.folder / "invented.simple.csv"
    invented_list.write(path, persons=PERSONS)
    started, cpu = time.monotonic(), time.process_time()
    lists.load(path=path, name="bench", actor="system:bench", now=timezone.now(), force=True)
    loaded, loading_cpu = time.monotonic() - started, time.process_time() - cpu
    tell(f"  loaded in {loaded:.0f} s")
    entries = ScreeningEntry.objects.filter(load__name="bench")
    wanted = list(entries.order_by("digest").values_list("source_id", "content__name")[:_NAMES])
    forms = [form for each in entries.values_list("forms", flat=True).iterator() for form in each]
    missed: list[str] = []
    pair = measure.alternate(
        subject=lambda: _look_up(wanted, missed), floor=_compare_all(wanted, forms)
    )
    return measure.paired(
        "screening",
        pair,
        goal=GOAL,
        sound=not missed,
        persons=PERSONS,
        forms=len(forms),
        missed=len(missed),
        look_up_ms=round(1000 / pair.value, 1),
        load_s=round(loaded, 1),
        load_cpu_s=round(loading_cpu, 1),
    )


def _look_up(wanted: list[tuple[str, str]], missed: list[str]) -> float:
    local = lookup.LocalLists()
    started = time.perf_counter()
    for source_id, name in wanted:
        hits = local.find(name=name, number="", threshold=_THRESHOLD)
        if source_id not in {hit.source_id for hit in hits}:
            missed.append(source_id)
    return len(wanted) / (time.perf_counter() - started)


def _compare_all(wanted: list[tuple[str, str]], forms: list[str]) -> Callable[[], float]:
    turns = cycle([names.compared(name) for _source_id, name in wanted])

    def compare() -> float:
        some = list(islice(turns, _FLOOR_NAMES))
        started = time.perf_counter()
        process.cdist(some, forms, scorer=fuzz.token_set_ratio, score_cutoff=_ROUGH, workers=1)
        return len(some) / (time.perf_counter() - started)

    return compare
