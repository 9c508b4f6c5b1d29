"""One real placement over the API, in this process: its statements, and quotes to place at."""

import json
from datetime import timedelta
from decimal import Decimal
from itertools import count

from django.db import close_old_connections
from django.test import Client
from django.utils import timezone

from bench import pgbench
from bench.people import Person
from trading import quotes
from trading.quotes import Quote

PATH = "/api/v1/orders"
QUANTITY = Decimal("0.02")
_numbers = count()


def quote() -> Quote:
    """A quote that outlives the benchmark, so that no vendor is asked."""
    now, price = timezone.now(), Decimal("230.10")
    return Quote(
        symbol=quotes.SYMBOL,
        price=price,
        as_of=now,
        quoted_at=now,
        expires_at=now + timedelta(hours=1),
        limit_price=quotes.worst_price(price),
        market_open=True,
        next_open=None,
    )


def body() -> str:
    """What an API client sends."""
    token = quotes.freeze(quote())
    return json.dumps({"symbol": quotes.SYMBOL, "quantity": str(QUANTITY), "quote_token": token})


def traced(person: Person) -> tuple[list[str], str]:
    """The statements of a usual placement, one a round trip, and its Idempotency-Key."""
    client, order = Client(), body()

    def place() -> str:
        key = f"traced-{next(_numbers)}"
        headers = {
            "Authorization": f"Bearer {person.token}",
            "Idempotency-Key": key,
            "Host": "localhost",
        }
        answer = client.generic("POST", PATH, order, "application/json", headers=headers)
        assert answer.status_code == 201, answer.content
        return key

    with pgbench.spelled_out():
        place()  # opens the connection and notes the token's use, which is written once a minute
        close_old_connections()  # as at the start of each request of a server
        with pgbench.traced() as statements:
            key = place()
    return statements, key
