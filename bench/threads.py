"""The same work in several threads at once, each with a database connection of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connection

R = TypeVar("R")


def at_once(number: int, work: Callable[[], R]) -> list[R]:
    """What `work` returns in each of `number` threads that are released at the same moment."""
    barrier = Barrier(number)

    def run() -> R:
        connection.ensure_connection()
        barrier.wait(timeout=30)
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as pool:
        return [each.result() for each in [pool.submit(run) for _thread in range(number)]]
