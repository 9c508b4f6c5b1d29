"""The broker's answers become exactly one of three outcomes, soon, and without hidden retries."""

import time
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from agora.lib.outcome import OutsideError, Rejected, Temporary, Unknown
from agora.sandbox.client import SandboxControl
from trading import broker

SUBMIT = "POST /alpaca/v2/orders"
READ = "GET /alpaca/v2/orders/*"


def submit(client_order_id: str | None = None) -> broker.BrokerOrder:
    return broker.submit_limit_buy(
        client_order_id=client_order_id or f"buy-{uuid.uuid4().hex}",
        symbol="AAPL",
        quantity=Decimal("0.1"),
        limit_price=Decimal("250.00"),
    )


def read() -> broker.BrokerOrder:
    return broker.get_order(broker_order_id=str(uuid.uuid4()))


OUTCOMES: list[tuple[dict[str, Any], type[OutsideError], type[OutsideError]]] = [
    # the fault, what a call with effect becomes, what a read becomes
    ({"kind": "drop_before"}, Unknown, Temporary),
    ({"kind": "drop_after"}, Unknown, Temporary),
    ({"kind": "truncate"}, Unknown, Temporary),
    ({"kind": "truncate", "framed": True}, Unknown, Temporary),
    ({"kind": "status", "status": 500}, Unknown, Temporary),
    ({"kind": "status", "status": 502, "body": "<html>Bad Gateway</html>"}, Unknown, Temporary),
    ({"kind": "status", "status": 504}, Unknown, Temporary),
    ({"kind": "status", "status": 200, "body": "{}"}, Unknown, Temporary),
    ({"kind": "status", "status": 200, "body": "<html>"}, Unknown, Temporary),
    ({"kind": "status", "status": 401}, Temporary, Temporary),
    ({"kind": "status", "status": 403}, Temporary, Temporary),
    (
        {"kind": "status", "status": 403, "body": '{"code": 40310000, "message": "no"}'},
        Rejected,
        Rejected,
    ),
    ({"kind": "status", "status": 422}, Rejected, Rejected),
    ({"kind": "rate_limit", "retry_after": 7}, Temporary, Temporary),
]


@pytest.mark.parametrize(
    ("fault", "of_a_send", "of_a_read"),
    OUTCOMES,
    ids=[" ".join(map(str, fault.values())) for fault, _, _ in OUTCOMES],
)
def test_each_failure_is_one_of_three_outcomes(
    sandbox: SandboxControl,
    fault: dict[str, Any],
    of_a_send: type[OutsideError],
    of_a_read: type[OutsideError],
) -> None:
    known = submit().id

    def read_known() -> object:
        return broker.get_order(broker_order_id=known)

    for route, call, outcome in ((SUBMIT, submit, of_a_send), (READ, read_known, of_a_read)):
        sandbox.fault(route, **fault)
        heard = len(sandbox.journal())
        with pytest.raises(OutsideError) as failure:
            call()
        assert type(failure.value) is outcome
        assert len(sandbox.journal()) == heard + 1, "asked once, without a hidden retry"


def test_the_time_to_wait_after_a_rate_limit_is_told(sandbox: SandboxControl) -> None:
    sandbox.fault(SUBMIT, "rate_limit", retry_after=7)

    with pytest.raises(Temporary) as failure:
        submit()

    assert failure.value.retry_after == 7


@pytest.mark.parametrize(("call", "outcome"), [(submit, Unknown), (read, Temporary)])
def test_no_call_waits_longer_than_its_timeout(
    sandbox: SandboxControl,
    settings: Settings,
    call: Callable[[], object],
    outcome: type[OutsideError],
) -> None:
    settings.VENDOR_READ_TIMEOUT = 0.2
    heard = len(sandbox.journal())
    sandbox.fault("* /alpaca/*", "delay", delay=1.5)
    start = time.monotonic()

    with pytest.raises(outcome):
        call()

    assert time.monotonic() - start < 1.5
    sandbox.wait_for(lambda _: len(sandbox.journal()) > heard)


def test_a_client_order_id_that_was_used_means_look_it_up(sandbox: SandboxControl) -> None:
    client_order_id = f"buy-{uuid.uuid4().hex}"
    first = submit(client_order_id)

    with pytest.raises(Unknown):
        submit(client_order_id)

    found = broker.find_order(client_order_id=client_order_id)
    assert found is not None
    assert found.id == first.id


def test_what_was_never_sent_is_not_found(sandbox: SandboxControl) -> None:
    assert broker.find_order(client_order_id=f"buy-{uuid.uuid4().hex}") is None


@pytest.mark.parametrize("body", ['{"is_open": true}', "[]", "{}", "null"])
def test_a_malformed_answer_of_a_read_is_asked_for_again(
    sandbox: SandboxControl, body: str
) -> None:
    sandbox.fault("GET /alpaca/v2/clock", "status", status=200, body=body)

    with pytest.raises(Temporary):
        broker.clock()


@pytest.mark.parametrize(
    ("body", "price"),
    [
        ('{"quotes": {"AAPL": {"ap": 231.07, "t": "2026-11-20T15:00:00.123456789Z"}}}', "231.07"),
        ('{"quotes": {"AAPL": {"ap": 0.1, "t": "2026-11-20T15:00:00Z"}}}', "0.1"),
    ],
)
def test_a_price_is_read_as_the_digits_on_the_wire(
    sandbox: SandboxControl, body: str, price: str
) -> None:
    route = "GET /alpaca-data/v2/stocks/quotes/latest"
    sandbox.fault(route, "status", status=200, body=body)

    assert broker.latest_price(symbol="AAPL").price == Decimal(price)


def test_without_an_ask_the_last_trade_counts(sandbox: SandboxControl) -> None:
    sandbox.market(price="231.07")
    route = "GET /alpaca-data/v2/stocks/quotes/latest"
    no_ask = '{"quotes": {"AAPL": {"ap": 0, "t": "2026-11-20T15:00:00Z"}}}'
    sandbox.fault(route, "status", status=200, body=no_ask)

    assert broker.latest_price(symbol="AAPL").price == Decimal("231.07")


def test_a_wrong_address_is_no_answer_about_an_order(sandbox: SandboxControl) -> None:
    nothing_here = '{"message": "endpoint not found."}'
    sandbox.fault(SUBMIT, "status", status=404, body=nothing_here)
    with pytest.raises(Temporary):
        submit()

    sandbox.fault(
        "GET /alpaca/v2/orders:by_client_order_id", "status", status=404, body=nothing_here
    )
    with pytest.raises(Rejected):
        broker.find_order(client_order_id="buy-1")


def test_an_order_that_the_broker_does_not_find_by_its_own_id_is_looked_for_again(
    sandbox: SandboxControl,
) -> None:
    with pytest.raises(Temporary):
        read()


def test_a_used_client_order_id_means_look_it_up_however_the_broker_says_so(
    sandbox: SandboxControl,
) -> None:
    body = '{"code": 40310000, "message": "client_order_id must be unique"}'
    sandbox.fault(SUBMIT, "status", status=403, body=body)

    with pytest.raises(Unknown):
        submit()


@pytest.mark.parametrize("body", ['{"symbol": "AAPL"}', "[]", "{}", '{"qty": "many"}'])
def test_a_malformed_position_is_asked_for_again(sandbox: SandboxControl, body: str) -> None:
    sandbox.fault("GET /alpaca/v2/positions/*", "status", status=200, body=body)

    with pytest.raises(Temporary):
        broker.position(symbol="AAPL")
