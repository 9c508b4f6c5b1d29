"""CPU time and memory of a process and its children, as Linux counts them."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True)
class Usage:
    """Seconds of CPU since the start, and resident memory in MB now."""

    cpu_seconds: float
    memory_mb: float


def usage_of(pid: int) -> Usage:
    """Of the process and everything below it."""
    seconds = megabytes = 0.0
    for each in _tree(pid):
        stat = _stat(each)
        if stat:
            seconds += (int(stat[11]) + int(stat[12])) / _TICKS
            megabytes += int(stat[21]) * _PAGE_MB
    return Usage(seconds, megabytes)


def _tree(root: int) -> list[int]:
    parents = {
        int(entry.name): int(stat[1])
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (stat := _stat(int(entry.name)))
    }
    found, fresh = [root], [root]
    while fresh:
        fresh = [pid for pid, parent in parents.items() if parent in fresh]
        found += fresh
    return found


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
