"""A list as large as real ones: memory, time limits, and how much of it a look-up reads (ID-2)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from bench import invented_list
from kyc.models import ScreeningEntry
from kyc.screening import lists, lookup, names

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
PERSONS = 100_000
MOST_MEMORY_KB = 60_000


@pytest.fixture
def statements_of_a_tenth_of_a_second() -> None:
    """Stands for the site's own limit, which a list of a million exceeds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', '100ms', true)")


def load(path: Path) -> lists.Loaded:
    return lists.load(path=path, name="default", actor="system:test", now=timezone.now())


def test_a_large_list_is_streamed_and_a_look_up_reads_little_of_it(
    tmp_path: Path, statements_of_a_tenth_of_a_second: None
) -> None:
    path = tmp_path / "invented.simple.csv"
    invented_list.write(path, persons=PERSONS)
    before = _peak_memory(anew=True)

    counts = load(path).counts

    assert (counts.entries_count, counts.added) == (PERSONS, PERSONS)
    assert _peak_memory() - before < MOST_MEMORY_KB
    rare = ScreeningEntry.objects.filter(few_keys=False).order_by("digest")[:10]
    for name in ["Zoltan Quixwell", *(str(entry.content["name"]) for entry in rare)]:
        returned, thrown_away = _read_for(name)
        assert thrown_away == 0, name
        assert returned < PERSONS / 20, name
    for entry in rare:
        found = lookup.LocalLists().find(name=str(entry.content["name"]), number="", threshold=86.0)
        assert entry.source_id in {hit.source_id for hit in found}


def test_a_common_first_name_alone_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "invented.simple.csv"
    invented_list.write(path, persons=3000)
    load(path)
    everybody_called_so = ScreeningEntry.objects.filter(
        keys__overlap=names.sounds(["jose"])
    ).count()

    returned, thrown_away = _read_for("Jose Zoltan Quixwell")

    assert everybody_called_so > 100
    assert thrown_away == 0
    assert returned < everybody_called_so / 4


def test_what_the_database_refuses_is_told_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "invented.simple.csv"
    invented_list.write(path, persons=3000)
    monkeypatch.setattr(lists, "LONGEST_SECONDS", 0.02)

    with pytest.raises(lists.ListError) as refused:
        load(path)

    assert refused.value.code == "database"
    assert "statement timeout" in str(refused.value.message)
    assert not lists.active().exists()


def test_an_active_file_is_loaded_again_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "invented.simple.csv"
    invented_list.write(path, persons=20)
    first = load(path).load

    again = lists.load(
        path=path, name="default", actor="system:test", now=timezone.now(), force=True
    )

    assert first is not None
    assert again.load is not None
    assert (again.counts.added, again.counts.changed, again.counts.removed) == (0, 0, 0)
    assert lists.active().get() == again.load
    assert ScreeningEntry.objects.count() == 20


def _read_for(name: str) -> tuple[int, int]:
    """Rows that the look-up of a name gets, and rows that the database read for nothing.

    By the indexes: a small table would be read whole instead.
    """
    query, values = lookup._candidates(names.given(name), [], lookup.LocalLists().loads())
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", values)
        (told,) = cursor.fetchone()
    plan = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
    return int(plan["Actual Rows"]), sum(_thrown_away(plan))


def _thrown_away(plan: dict[str, Any]) -> Iterator[int]:
    yield int(plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0))
    for part in plan.get("Plans", []):
        yield from _thrown_away(part)


def _peak_memory(*, anew: bool = False) -> int:
    """The most that this process has held, in kilobytes; `anew`: from now on."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])
