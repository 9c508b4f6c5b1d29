"""The gate between deciding to send and a kill switch: nobody is half-way through it.

Whoever commits intents holds the gate open until the transaction ends; engaging a switch waits for
them, and those who come later see the switch.
"""

from django.db import connection

_GATE = 0x434F5059  # any constant


def hold_open() -> None:
    """Keep switches from being engaged until this transaction ends; read the switches after it."""
    _lock("SELECT pg_advisory_xact_lock_shared(%s)")


def wait_closed() -> None:
    """Wait until no intent is being committed; inside the transaction that engages a switch."""
    _lock("SELECT pg_advisory_xact_lock(%s)")


def _lock(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, [_GATE])
