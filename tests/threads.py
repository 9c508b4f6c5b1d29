"""Running the same thing at the same moment in many threads, each with its own connection."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def at_once(count: int, call: Callable[[int], T]) -> list[T | Exception]:
    """What `call(0)` … `call(count - 1)` answered or raised, started together."""
    start = Barrier(count, timeout=20)

    def run(number: int) -> T | Exception:
        try:
            connection.ensure_connection()
            start.wait()
            return call(number)
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=count) as pool:
        return list(pool.map(run, range(count)))
