"""Follows the parts' log files and prints each new line behind its part's name."""

import json
import sys
from pathlib import Path
from typing import BinaryIO, TextIO

_UNTOLD = {"timestamp", "level", "logger", "event", "exception", "request_id"}
_COLOURS = (36, 33, 32, 35, 34, 31, 96, 93)


class Follower:
    """Reads what was appended since the last look; whole lines only."""

    def __init__(self, folder: Path, *, out: TextIO | None = None) -> None:
        self.folder = folder
        self.out = out or sys.stdout
        self._files: dict[str, BinaryIO] = {}
        self._rest: dict[str, bytes] = {}

    def follow(self, names: list[str]) -> None:
        for name in names:
            self._files[name] = (self.folder / f"{name}.log").open("rb")

    def print_new(self) -> None:
        for name, file in self._files.items():
            text = self._rest.pop(name, b"") + file.read()
            *lines, self._rest[name] = text.split(b"\n")
            for line in lines:
                if line.strip():
                    self._print(name, readable(line.decode(errors="replace")))
        self.out.flush()

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _print(self, name: str, line: str) -> None:
        prefix = f"{name:>8} │ "
        if self.out.isatty():
            colour = _COLOURS[list(self._files).index(name) % len(_COLOURS)]
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        self.out.write(f"{prefix}{line}\n")


def readable(line: str) -> str:
    """A JSON log line as a person reads it: time, event, facts; any other line as it is."""
    try:
        record = json.loads(line)
        words = [record["timestamp"][11:19], record["event"]]
    except (ValueError, KeyError, TypeError):
        return line
    if record.get("level") not in ("info", "debug"):
        words.insert(1, str(record.get("level", "")).upper())
    words += [f"{name}={value}" for name, value in record.items() if name not in _UNTOLD]
    text = " ".join(str(word) for word in words)
    return f"{text}\n{record['exception']}" if record.get("exception") else text
