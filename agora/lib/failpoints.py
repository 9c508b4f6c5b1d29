"""Marks at which a test can kill, raise in or pause a real worker process.

`failpoint("order.submit.before_call", key=...)` does nothing unless FAILPOINTS_DIR names a folder
(never set it in production; a system check refuses it). A test arms a mark by a file there named
`<name>` or `<name>@<key>` holding `kill`, `kill-group`, `raise` or `pause <seconds>`; it is used up
by the first process that reaches it. `manage.py failpoints` lists all marks.
"""

import ast
import os
import signal
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.conf import settings

# Which moments a function that takes a `mark` has.
_MOMENTS = {
    "ask_once": ("before_intent", "before_call", "after_call"),
    "move": ("before_commit", "after_commit"),
    "stay": ("before_commit", "after_commit"),
}


class FailpointRaised(Exception):
    """The error that an armed `raise` throws."""


def failpoint(name: str, *, key: object = "") -> None:
    """Do what is armed for this mark, once; nothing when failpoints are off."""
    if settings.FAILPOINTS_DIR:
        for file_name in (f"{name}@{key}", name):
            action = _take(Path(settings.FAILPOINTS_DIR) / file_name)
            if action:
                _act(action, name=name)


def _take(armed: Path) -> str:
    """Claim an armed file atomically, so that it strikes one process only."""
    taken = armed.with_name(f"taken.{os.getpid()}.{time.monotonic_ns()}")
    try:
        armed.rename(taken)
    except FileNotFoundError:
        return ""
    return taken.read_text().strip()


def _act(action: str, *, name: str) -> None:
    verb, _, argument = action.partition(" ")
    if verb == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif verb == "kill-group":
        os.killpg(os.getpgrp(), signal.SIGKILL)
    elif verb == "pause":
        time.sleep(float(argument))
    elif verb == "raise":
        raise FailpointRaised(name)
    else:
        raise ValueError(f"Failpoint {name} is armed with {action!r}.")


@cache
def declared(root: Path) -> tuple[str, ...]:
    """Names of all marks in the source below `root`, sorted; read once a process.

    A mark is written `failpoint("name")`, or comes in a set with `mark="name"`: around a call that
    is asked once, and around the commit of a move.
    """
    names: set[str] = set()
    for source in _sources(root):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call):
                names.update(_marks_of(node))
    return tuple(sorted(names))


def _sources(root: Path) -> Iterator[Path]:
    """Python files of the packages directly below `root`, without environments and tests."""
    for package in sorted(root.iterdir()):
        if (package / "apps.py").exists():
            yield from package.rglob("*.py")


def _marks_of(call: ast.Call) -> list[str]:
    if isinstance(call.func, ast.Name) and call.func.id == "failpoint":
        return [text for text in map(_text_of, call.args[:1]) if text]
    moments = _MOMENTS.get(call.func.attr if isinstance(call.func, ast.Attribute) else "", ())
    if isinstance(call.func, ast.Name):
        moments = _MOMENTS.get(call.func.id, ())
    marks = [_text_of(keyword.value) for keyword in call.keywords if keyword.arg == "mark"]
    return [f"{mark}.{moment}" for mark in marks if mark for moment in moments]


def _text_of(node: ast.expr) -> str:
    """The text of a literal; "" for anything else."""
    value = node.value if isinstance(node, ast.Constant) else ""
    return value if isinstance(value, str) else ""
