"""Locks that services share. Who needs several takes them in this order: address, people, rows of theirs.

All hold until the transaction ends. Two that took them the other way round could wait for each other.
"""

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import connection

from accounts.models import User


def wallet_address(address: str) -> None:
    """Wait for whoever is linking or unlinking this wallet address; call it in a transaction.

    Rows cannot tell: of a wallet and a change for the same address each may not be there yet.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [address])


def people(*user_ids: UUID) -> None:
    """Lock the rows of these people, always in the same order; call it in a transaction."""
    rows = User.objects.select_for_update(no_key=True).filter(pk__in=user_ids)
    list(rows.order_by("pk").values_list("pk"))


class AccountClosed(PermissionDenied):
    """The account was closed a moment ago: nobody gets anything more by it."""


def open_account(user_id: UUID) -> User:
    """Lock the row of somebody who is about to get something; call it in a transaction.

    Returns it as it is now, which may be another than before the wait. An erasure waits for what is
    given and finds it, or is over and seen here. Raises AccountClosed.
    """
    rows = User.objects.select_for_update(no_key=True).filter(pk=user_id, is_active=True)
    user = rows.first()
    if user is None:
        raise AccountClosed
    return user
