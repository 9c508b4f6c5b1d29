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
from pathlib import Path

from django.conf import settings


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


def declared(root: Path) -> list[str]:
    """Names of all marks in the source below `root`, sorted.

    A mark is written `failpoint("name")`, or comes as three around a call that is asked once
    (`mark="name"`: before the intent, before the call, after the call).
    """
    names: set[str] = set()
    for source in root.glob("*/*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call):
                names.update(_marks_of(node))
    return sorted(names)


def _marks_of(call: ast.Call) -> list[str]:
    if isinstance(call.func, ast.Name) and call.func.id == "failpoint":
        first = call.args[0]
        return [first.value] if isinstance(first, ast.Constant) else []
    return [
        f"{keyword.value.value}.{moment}"
        for keyword in call.keywords
        if keyword.arg == "mark" and isinstance(keyword.value, ast.Constant)
        for moment in ("before_intent", "before_call", "after_call")
    ]
