"""People with a session, and prices that need no vendor."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client

from accounts.models import User
from kyc.models import Tier
from tests.people import onboarded
from tests.quoting import a_quote
from trading import quotes
from trading.quotes import Quote

SetQuote = Callable[[Quote | None], None]


@pytest.fixture
def buyer(db: None) -> User:
    """Somebody who may buy."""
    Tier.objects.get_or_create(number=1, defaults={"daily_limit_usd": Decimal(1000)})
    return onboarded()


@pytest.fixture
def browser(client: Client, buyer: User) -> Client:
    """The buyer's browser."""
    client.force_login(buyer)
    return client


@pytest.fixture
def set_quote(monkeypatch: pytest.MonkeyPatch) -> SetQuote:
    """Puts a price on the market; None: the broker does not answer."""

    def change(quote: Quote | None) -> None:
        def current(*, now: object) -> Quote:
            if quote is None:
                raise quotes.QuoteUnavailable("no answer")
            return quote

        monkeypatch.setattr(quotes, "current_quote", current)

    change(a_quote(price="200.00"))
    return change
