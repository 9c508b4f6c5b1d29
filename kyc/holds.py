"""Who may not buy until officers have settled a match with somebody under sanctions (ID-2).

A number that is on a list is no likeness of names: what could still be made available to the person
waits. Two people end that by dismissing the match (`kyc.dismiss_match`); confirmed it waits on, and two
people decide what follows. What they have stays theirs. Nobody but officers learns of the reason.
"""

import uuid

from django.db import connection

from kyc.models import ScreeningMatch

# A match by number that was not dismissed. Confirmed it holds until the case ends in a suspension.
HOLDING = f"""
    SELECT 1 FROM {ScreeningMatch._meta.db_table}
    WHERE application_id = %(application)s AND is_sanctioned AND by = 'IDENTIFIER'
        AND state IN ('OPEN', 'CONFIRMED')"""  # noqa: S608  (the table's name is ours)


def is_held(application_id: uuid.UUID) -> bool:
    """Whether the person's orders and mints wait; one query."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({HOLDING})", {"application": application_id})
        (held,) = cursor.fetchone()
    return bool(held)
