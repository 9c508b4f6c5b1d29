"""What becomes of each failure at the exchange: refused, certainly not done, or unknown."""

import json
import socket
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from ccxt.base import errors as ccxt_errors
from hypothesis import given
from hypothesis import strategies as st

from agora.lib.outcome import OutsideError, Rejected, Temporary, Unknown
from copytrade import budget
from copytrade.exchange import reasons
from copytrade.exchange.errors import BY_CLASS, BY_CODE, BY_STATUS, BY_TEXT, Answer, outcome_of
from copytrade.exchange.types import OrderReport
from tests.trading_at import Trading, done, open_account, order

if TYPE_CHECKING:
    from agora.sandbox.client import SandboxControl
    from copytrade.exchange.venue import Venue

POST, GET = "POST /binance/api/v3/order", "GET /binance/api/v3/order"
R, T, U = Rejected, Temporary, Unknown

# (HTTP status, code, words) and what that is, as errors.md and rest-api.md of Binance tell them.
TOLD: list[tuple[int, int, str, type[OutsideError], str]] = [
    (400, -1000, "An unknown error occurred.", U, reasons.SERVER_ERROR),
    (503, -1001, "Internal error; unable to process.", U, reasons.SERVER_ERROR),
    (401, -1002, "You are not authorized.", R, reasons.KEY_NO_PERMISSION),
    (429, -1003, "Too much request weight used.", T, reasons.RATE_LIMITED_IP),
    (418, -1003, "Way too much; IP banned until 1.", T, reasons.BANNED_IP),
    (400, -1006, "An unexpected response was received.", U, reasons.SERVER_ERROR),
    (504, -1007, "Timeout waiting for response from backend.", U, reasons.TIMEOUT),
    (503, -1008, "Server is currently overloaded.", T, reasons.OVERLOADED),
    (400, -1013, "Filter failure: LOT_SIZE", R, reasons.LOT_SIZE),
    (400, -1013, "Filter failure: MARKET_LOT_SIZE", R, reasons.LOT_SIZE),
    (400, -1013, "Filter failure: PRICE_FILTER", R, reasons.PRICE_FILTER),
    (400, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE", R, reasons.PERCENT_PRICE),
    (400, -1013, "Filter failure: NOTIONAL", R, reasons.BELOW_MIN_NOTIONAL),
    (400, -1013, "Filter failure: MIN_NOTIONAL", R, reasons.BELOW_MIN_NOTIONAL),
    (400, -1013, "Filter failure: MAX_NUM_ORDERS", R, reasons.TOO_MANY_OPEN_ORDERS),
    (400, -1013, "Filter failure: MAX_POSITION", R, reasons.REJECTED),
    (400, -1013, "Market is closed.", T, reasons.MARKET_CLOSED),
    (400, -1013, "Invalid quantity.", R, reasons.LOT_SIZE),
    (400, -1013, "Invalid price.", R, reasons.PRICE_FILTER),
    (400, -1013, "Something new.", R, reasons.REJECTED),
    (429, -1015, "Too many new orders.", T, reasons.RATE_LIMITED_ACCOUNT),
    (400, -1015, "Too many new orders.", T, reasons.RATE_LIMITED_ACCOUNT),
    (503, -1016, "This service is no longer available.", T, reasons.MAINTENANCE),
    (400, -1021, "Timestamp is outside of the recvWindow.", T, reasons.CLOCK_SKEW),
    (400, -1022, "Signature for this request is not valid.", R, reasons.KEY_INVALID),
    (429, -1034, "Too many new connections.", T, reasons.RATE_LIMITED_IP),
    (401, -1099, "Not found, authenticated, or authorized.", R, reasons.KEY_NO_PERMISSION),
    (400, -1102, "Mandatory parameter was not sent.", R, reasons.REJECTED),
    (400, -1111, "Precision is over the maximum.", R, reasons.LOT_SIZE),
    (400, -1121, "Invalid symbol.", R, reasons.UNKNOWN_SYMBOL),
    (400, -2010, "Account has insufficient balance.", R, reasons.INSUFFICIENT_FUNDS),
    (400, -2010, "Duplicate order sent.", U, reasons.DUPLICATE),
    (400, -2010, "Order would immediately match and take.", R, reasons.WOULD_MATCH),
    (400, -2010, "Market is closed.", T, reasons.MARKET_CLOSED),
    (400, -2010, "Filter failure: MAX_NUM_ORDERS", R, reasons.TOO_MANY_OPEN_ORDERS),
    (400, -2010, "This action is disabled on this account.", R, reasons.KEY_NO_PERMISSION),
    (400, -2010, "This symbol is not permitted.", R, reasons.KEY_NO_PERMISSION),
    (400, -2010, "Something new.", R, reasons.REJECTED),
    (400, -2011, "Unknown order sent.", R, reasons.ORDER_NOT_FOUND),
    (400, -2013, "Order does not exist.", R, reasons.ORDER_NOT_FOUND),
    (401, -2014, "API-key format invalid.", R, reasons.KEY_INVALID),
    (401, -2015, "Invalid API-key, IP, or permissions.", R, reasons.KEY_INVALID),
    (401, -2015, "Invalid API-key, IP; request ip: 10.0.0.1", R, reasons.IP_NOT_ALLOWED),
    (400, -2016, "No trading window could be found.", T, reasons.MARKET_CLOSED),
    (400, -2026, "Order was archived.", R, reasons.ORDER_NOT_FOUND),
    (400, -9999, "A code that is not known yet.", R, reasons.REJECTED),
    (500, -9999, "A code that is not known yet.", U, reasons.SERVER_ERROR),
]
# Answers without a code: (status, body) and what that is.
BARE: list[tuple[int, str, type[OutsideError], str]] = [
    (400, "<html>Bad Request</html>", U, reasons.BAD_ANSWER),
    (401, "", R, reasons.KEY_INVALID),
    (403, "<html>WAF</html>", T, reasons.RATE_LIMITED_IP),
    (404, "<html>Not Found</html>", T, reasons.MAINTENANCE),
    (408, "", U, reasons.TIMEOUT),
    (418, "<html>teapot</html>", T, reasons.BANNED_IP),
    (429, "", T, reasons.RATE_LIMITED_IP),
    (451, "<html>Unavailable For Legal Reasons</html>", R, reasons.LEGAL),
    (500, "<html>Error</html>", U, reasons.SERVER_ERROR),
    (502, "", U, reasons.SERVER_ERROR),
    (503, "<html>Unknown error, please check your request</html>", U, reasons.SERVER_ERROR),
    (504, "", U, reasons.SERVER_ERROR),
    (301, "", U, reasons.BAD_ANSWER),
    (200, "", U, reasons.BAD_ANSWER),
    (200, "<html>All is well</html>", U, reasons.BAD_ANSWER),
    (200, "{}", U, reasons.BAD_ANSWER),
    (200, '{"symbol":"BTCUSDT","orderId":', U, reasons.BAD_ANSWER),
    (200, '{"code":-1007,"msg":"Timeout waiting."}', U, reasons.TIMEOUT),
]


@pytest.fixture
def account(venue: "Venue", sandbox: "SandboxControl") -> Trading:
    done(venue.load())
    return open_account(venue, sandbox)


def failing(account: Trading, **fields: Any) -> OutsideError:
    with pytest.raises(OutsideError) as failed:
        account.place(**fields)
    return failed.value


# --- The table ------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "code", "words", "kind", "reason"), TOLD)
def test_a_code_of_the_exchange_has_its_outcome(
    account: Trading,
    sandbox: "SandboxControl",
    status: int,
    code: int,
    words: str,
    kind: type[OutsideError],
    reason: str,
) -> None:
    body = json.dumps({"code": code, "msg": words})
    sandbox.fault(POST, "status", status=status, body=body)

    failure = failing(account)

    assert (type(failure), failure.code) == (kind, reason)
    assert str(code) in failure.message
    assert account.books == []


@pytest.mark.parametrize(("status", "body", "kind", "reason"), BARE)
def test_an_answer_without_a_code_has_its_outcome(
    account: Trading,
    sandbox: "SandboxControl",
    status: int,
    body: str,
    kind: type[OutsideError],
    reason: str,
) -> None:
    sandbox.fault(POST, "status", status=status, body=body)

    failure = failing(account)

    assert (type(failure), failure.code) == (kind, reason)


def test_every_row_of_the_table_is_tested() -> None:
    codes = {code for _, code, *_ in TOLD}
    statuses = {status for status, *_ in BARE}

    assert set(BY_CODE) <= codes
    assert set(BY_STATUS) <= statuses
    for number, words, row in BY_TEXT:
        assert any(
            code == number and words in told and row.code == reason
            for _, code, told, _, reason in TOLD
        ), words


def test_the_table_covers_every_class_of_ccxt() -> None:
    classes = {name for name in ccxt_errors.__all__ if name != "error_hierarchy"}

    assert set(BY_CLASS) == classes


@given(st.sampled_from(sorted(BY_CLASS)))
def test_what_was_not_sent_is_never_unknown_but_for_a_duplicate(name: str) -> None:
    error = getattr(ccxt_errors, name)()

    outcome = outcome_of(answer=Answer(sent=False), error=error, effect=True)

    assert not isinstance(outcome, Unknown) or outcome.code == reasons.DUPLICATE


@given(st.sampled_from(["NetworkError", "RequestTimeout", "OperationFailed", "BadResponse"]))
def test_what_was_sent_and_not_answered_is_unknown(name: str) -> None:
    error = getattr(ccxt_errors, name)()

    assert isinstance(outcome_of(answer=Answer(sent=True), error=error, effect=True), Unknown)


def test_a_look_up_that_fails_has_done_nothing(account: Trading, sandbox: "SandboxControl") -> None:
    sandbox.fault(GET, "status", status=500, body="")

    with pytest.raises(Temporary) as failed:
        account.find("any")

    assert failed.value.code == reasons.SERVER_ERROR


# --- Refusals of the sandbox itself ---------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"quantity": "10"}, reasons.INSUFFICIENT_FUNDS),
        ({"quantity": "0.000001"}, reasons.LOT_SIZE),
        ({"quantity": "0.0000101"}, reasons.LOT_SIZE),
        ({"price": "1"}, reasons.PERCENT_PRICE),
        ({"quantity": "0.00002"}, reasons.BELOW_MIN_NOTIONAL),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused_with_its_reason(
    account: Trading, fields: dict[str, str], reason: str
) -> None:
    failure = failing(account, **fields)

    assert (type(failure), failure.code) == (Rejected, reason)


def test_a_closed_market_is_waited_for(account: Trading, sandbox: "SandboxControl") -> None:
    sandbox.binance.venue(status={"BTCUSDT": "BREAK"})

    assert failing(account).code == reasons.MARKET_CLOSED


def test_an_id_of_an_open_order_is_looked_up(account: Trading) -> None:
    open_order = account.place(price=price_below(account))

    failure = failing(account, client_order_id=open_order.client_order_id)

    assert (type(failure), failure.code) == (Unknown, reasons.DUPLICATE)
    assert account.find(open_order.client_order_id) == open_order


def price_below(account: Trading) -> str:
    """A limit price at which a buy rests."""
    return str((done(account.venue.prices())["BTC/USDT"] * 9 / 10).quantize(1))


# --- The network ----------------------------------------------------------------------------


def looked_up(account: Trading, client_order_id: str) -> OrderReport | None:
    return account.find(client_order_id)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("kind", "options", "reason", "done_there"),
    [
        ("drop_before", {}, reasons.RESET, False),
        ("drop_after", {}, reasons.RESET, True),
        ("truncate", {}, reasons.BAD_ANSWER, True),
        ("truncate", {"framed": True}, reasons.BAD_ANSWER, True),
        ("delay", {"delay": 1.0, "after": True}, reasons.TIMEOUT, True),
        ("status", {"status": 502, "body": "", "after": True}, reasons.SERVER_ERROR, True),
    ],
)
def test_a_lost_answer_is_unknown_and_a_look_up_tells(
    venue: "Venue",
    sandbox: "SandboxControl",
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    options: dict[str, Any],
    reason: str,
    done_there: bool,
) -> None:
    short = aiohttp.ClientTimeout(total=0.3)
    monkeypatch.setattr(venue._connection, "_send_timeout", short)
    account = open_account(venue, sandbox)
    done(venue.load())
    sandbox.fault(POST, kind, **options)
    new = order()

    failure = failing(account, new=new)

    assert (type(failure), failure.code) == (Unknown, reason)
    found = account.find(new.client_order_id)
    assert (found is not None) == done_there
    assert len(account.books) == done_there


@pytest.mark.fault
def test_an_exchange_that_refuses_the_connection_was_sent_nothing(
    account: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/api/v3"
    monkeypatch.setitem(account.venue._connection._api.urls["api"], "private", nobody)

    failure = failing(account)

    assert (type(failure), failure.code) == (Temporary, reasons.NOT_SENT)


@pytest.mark.fault
def test_an_exchange_without_an_address_was_sent_nothing(
    account: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        account.venue._connection._api.urls["api"], "private", "http://nobody.invalid/api/v3"
    )

    failure = failing(account)

    assert (type(failure), failure.code) == (Temporary, reasons.NOT_SENT)


# --- Limits ---------------------------------------------------------------------------------


def test_a_limit_says_how_long_to_wait(account: Trading, sandbox: "SandboxControl") -> None:
    sandbox.fault(POST, "rate_limit", retry_after=7)

    failure = failing(account)

    assert isinstance(failure, Temporary)
    assert (failure.code, failure.retry_after) == (reasons.RATE_LIMITED_IP, 7)


def test_a_ban_says_until_when_in_words() -> None:
    body = {"code": -1003, "msg": "Way too much; IP banned until 1900000000000."}
    answer = Answer(sent=True, status=418, body=body)

    outcome = outcome_of(answer=answer, error=ValueError(), effect=True)

    assert isinstance(outcome, Temporary)
    assert outcome.retry_after is not None
    assert outcome.retry_after > 60


def test_a_limit_silences_the_budget_for_all(account: Trading, sandbox: "SandboxControl") -> None:
    sandbox.fault(POST, "rate_limit", retry_after=30)

    failing(account)

    grant = budget.take(exchange="binance", weights=[1], urgent=True)
    assert grant.granted == 0
    assert 20 < grant.wait_seconds <= 31


def test_an_accounts_limit_leaves_the_others_alone(
    account: Trading, sandbox: "SandboxControl"
) -> None:
    body = json.dumps({"code": -1015, "msg": "Too many new orders."})
    sandbox.fault(POST, "status", status=429, body=body)

    assert failing(account).code == reasons.RATE_LIMITED_ACCOUNT
    assert budget.take(exchange="binance", weights=[1], urgent=False).granted == 1


def test_weight_that_the_exchange_counts_reaches_the_budget(
    account: Trading, sandbox: "SandboxControl"
) -> None:
    account.place()

    assert budget._memory("binance").used_weight > 0
