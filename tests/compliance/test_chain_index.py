"""The events of the token that are kept: how they are read."""

from collections.abc import Callable

import pytest
from django.db import connection

from compliance.reserves import chain_index
from compliance.reserves.chain_index import Token
from tests.people import new_address

pytestmark = pytest.mark.django_db


def test_the_holders_are_joined_with_their_owners_in_one_pass() -> None:
    """PostgreSQL cannot guess how many there are; a loop would compare everybody with everybody."""
    plans: list[str] = []

    def explain(
        execute: Callable[..., object], sql: str, params: object, many: bool, context: object
    ) -> object:
        if "accounts_walletproof" in sql:
            with connection.connection.cursor() as cursor:
                cursor.execute("EXPLAIN " + sql, params)
                plans.append("\n".join(line for (line,) in cursor.fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        chain_index.holders(token=Token(chain_id=1, contract=new_address()), block=1)
    (plan,) = plans
    assert "Nested Loop" not in plan
