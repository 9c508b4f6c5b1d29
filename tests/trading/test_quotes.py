"""A quote travels through the review form signed: unchanged, and only as long as it is good."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from agora.sandbox.client import SandboxControl
from tests.quoting import a_quote
from trading.quotes import (
    QuoteExpired,
    QuoteInvalid,
    QuoteUnavailable,
    current_quote,
    freeze,
    refresh_quote,
    thaw,
    worst_price,
)

PRICE_ROUTE = "GET /alpaca-data/v2/stocks/quotes/latest"


def test_a_frozen_quote_thaws_to_the_same() -> None:
    closed = a_quote(market_open=False, next_open=timezone.now() + timedelta(hours=9))

    for quote in (a_quote(), closed):
        assert thaw(freeze(quote), now=quote.quoted_at) == quote


@given(st.integers(min_value=0), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_changed_token_is_not_taken(place: int, letter: str) -> None:
    quote = a_quote()
    token = freeze(quote)
    at = place % len(token)
    changed = token[:at] + letter + token[at + 1 :]

    if changed != token:
        with pytest.raises(QuoteInvalid):
            thaw(changed, now=quote.quoted_at)


@pytest.mark.parametrize("token", ["", "abc", "a:b:c", "é"])
def test_a_made_up_token_is_not_taken(token: str) -> None:
    with pytest.raises(QuoteInvalid):
        thaw(token, now=timezone.now())


def test_a_token_signed_for_something_else_is_no_quote() -> None:
    with pytest.raises(QuoteInvalid):
        thaw(signing.dumps({"price": "0.01"}, salt="elsewhere"), now=timezone.now())


def test_a_quote_expires_on_the_second() -> None:
    quote = a_quote()
    token = freeze(quote)

    assert thaw(token, now=quote.expires_at - timedelta(microseconds=1)) == quote
    with pytest.raises(QuoteExpired):
        thaw(token, now=quote.expires_at)


def test_market_data_grows_stale_in_an_open_market_only() -> None:
    quote = a_quote()
    limit = timedelta(seconds=settings.MARKET_DATA_MAX_AGE_SECONDS)

    assert not quote.stale(quote.as_of + limit)
    assert quote.stale(quote.as_of + limit + timedelta(seconds=1))
    assert not replace(quote, market_open=False).stale(quote.as_of + 100 * limit)


@given(st.decimals("0.01", "100000", places=4))
def test_the_worst_price_is_the_collar_above_rounded_up_to_the_cent(price: Decimal) -> None:
    exact = price * (10_000 + settings.PRICE_COLLAR_BPS) / 10_000

    assert exact <= worst_price(price) < exact + Decimal("0.01")


def test_the_price_is_the_brokers_ask(sandbox: SandboxControl) -> None:
    sandbox.market(price="231.07")

    quote = refresh_quote(now=timezone.now())

    assert (quote.symbol, quote.price, quote.market_open) == ("AAPL", Decimal("231.08"), True)
    assert quote.limit_price == worst_price(Decimal("231.08"))
    assert quote.expires_at - quote.quoted_at == timedelta(seconds=settings.QUOTE_SECONDS)


def test_the_age_of_the_data_is_told(sandbox: SandboxControl) -> None:
    sandbox.market(quote_age=120)
    now = timezone.now()

    assert 119 < refresh_quote(now=now).age_seconds(now) < 125


def test_a_closed_market_tells_when_it_opens(sandbox: SandboxControl) -> None:
    sandbox.market(mode="closed")

    quote = refresh_quote(now=timezone.now())

    assert not quote.market_open
    assert quote.next_open is not None
    assert quote.next_open > timezone.now() - timedelta(minutes=1)


def test_a_fresh_quote_is_answered_from_the_cache(sandbox: SandboxControl) -> None:
    first = current_quote(now=timezone.now())
    heard = len(sandbox.journal())

    assert current_quote(now=timezone.now()) == first
    assert len(sandbox.journal()) == heard


def test_an_old_cached_quote_is_not_used(sandbox: SandboxControl) -> None:
    first = current_quote(now=timezone.now())
    later = timezone.now() + timedelta(seconds=settings.QUOTE_CACHE_SECONDS * 3 + 1)

    assert current_quote(now=later).quoted_at == later > first.quoted_at


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "drop_before"},
        {"kind": "truncate"},
        {"kind": "rate_limit"},
        {"kind": "status", "status": 200, "body": "<html>"},
        {"kind": "status", "status": 200, "body": '{"quotes": {}}'},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_without_a_price_there_is_no_quote(
    sandbox: SandboxControl, fault: dict[str, object]
) -> None:
    cache.clear()
    sandbox.fault(PRICE_ROUTE, **fault)  # type: ignore[arg-type]

    with pytest.raises(QuoteUnavailable):
        current_quote(now=timezone.now())
