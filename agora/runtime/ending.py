"""How a runtime ends: by a signal, which becomes an exception, so that everything is put away."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """Ctrl-C, or another signal that asks the runtime to end."""


@contextmanager
def stops_on_signals() -> Iterator[None]:
    """Raise Stopped in the body on the first signal; from then on signals are ignored.

    A second Ctrl-C must not leave parts behind: each part has a limit to end within.
    """
    before = {number: signal.signal(number, _stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped
