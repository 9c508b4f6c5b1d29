"""Keys and signatures stay out of logs, errors, tracebacks and reprs."""

import json
import logging
import traceback
import uuid
from typing import TYPE_CHECKING

import pytest

from agora.lib.outcome import OutsideError
from copytrade.exchange import runner
from copytrade.exchange.types import Credentials
from tests.trading_at import Trading, done, open_account, order

if TYPE_CHECKING:
    from agora.sandbox.client import SandboxControl
    from copytrade.exchange.venue import Venue


@pytest.fixture
def account(venue: "Venue", sandbox: "SandboxControl") -> Trading:
    done(venue.load())
    return open_account(venue, sandbox)


def assert_harmless(text: str, account: Trading) -> None:
    assert account.credentials.api_key not in text
    assert account.credentials.secret not in text
    assert "signature" not in text


def frames_with_locals(error: Exception) -> str:
    """The product's frames of the traceback, as an error tracker would keep them."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in told.stack if "/copytrade/exchange/" in frame.filename]
    assert ours
    return "".join(traceback.StackSummary.from_list(ours).format()) + str(
        [frame.locals for frame in ours]
    )


def test_credentials_have_no_secrets_in_their_repr() -> None:
    shown = repr(Credentials(uuid.uuid4(), "key-canary", "secret-canary"))

    assert "canary" not in shown


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("status", {"status": 400}),
        ("status", {"status": 500}),
        ("status", {"status": 418}),
        ("drop_before", {}),
        ("truncate", {}),
        ("rate_limit", {}),
    ],
)
def test_a_failure_tells_nothing_secret(
    account: Trading,
    sandbox: "SandboxControl",
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    kind: str,
    options: dict[str, int],
) -> None:
    """Not even when the exchange echoes the key, and with all local variables shown."""
    echo = json.dumps({"code": -1022, "msg": f"Bad key {account.credentials.api_key}!"})
    body = {"body": echo} if kind == "status" else {}
    sandbox.fault("* /binance/api/v3/*", kind, count=None, **options, **body)

    with caplog.at_level(logging.DEBUG):
        for work in (
            account.venue.place(account.credentials, order()),
            account.venue.balances(account.credentials),
        ):
            with pytest.raises(OutsideError) as failed:
                done(work)
            error = failed.value
            assert_harmless(frames_with_locals(error), account)
            assert_harmless(f"{error!r} {error.message} {error.__dict__}", account)
            assert error.__context__ is None

    assert_harmless(caplog.text, account)
    assert_harmless("".join(capfd.readouterr()), account)


def test_a_trade_tells_nothing_secret(account: Trading, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        account.place()
        account.find("nothing")

    assert_harmless(caplog.text, account)


def test_no_key_stays_on_the_shared_exchange(account: Trading) -> None:
    account.place()

    api = account.venue._connection._api
    kept = repr(
        {name: value for name, value in vars(api).items() if name not in ("api", "options")}
    )
    assert account.credentials.api_key not in kept
    assert account.credentials.secret not in kept


def test_a_key_check_of_a_page_tells_nothing_secret(
    sandbox: "SandboxControl", venue: "Venue"
) -> None:
    secret = "canary" * 10 + "1234"

    with pytest.raises(OutsideError) as failed:
        runner.check_key(api_key="k" * 64, secret=secret)

    assert "canary" not in "".join(traceback.format_exception(failed.value))
