"""Running the same thing at the same moment in many threads, each with its own connection."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import TypeVar

from django.db import connection, transaction

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


def after(
    first: Callable[[], object],
    then: Callable[[], object],
    *,
    at_last: Callable[[], object] = lambda: None,
) -> list[object]:
    """What `first` and `then` answered or raised.

    `then` begins once `first` is done; when it waits for a lock, `at_last` is done, and both are
    committed together.
    """
    begun = Event()

    def run(number: int) -> object:
        if number:
            assert begun.wait(20)
            return then()
        with transaction.atomic():
            answer = first()
            begun.set()
            until_somebody_waits()
            at_last()
            return answer

    return list(at_once(2, run))


def until_somebody_waits() -> None:
    """Return once a connection of this database waits for a lock."""
    sql = """SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    for _ in range(2000):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # kept to the end of a transaction
            cursor.execute(sql)
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise TimeoutError("Nobody waits.")
