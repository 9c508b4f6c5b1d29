"""When a vendor asks us to wait, we know for how long."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from agora.lib.outcome import retry_after_seconds


@pytest.mark.parametrize(("text", "wait"), [("0", 0.0), ("1", 1.0), ("2.5", 2.5), ("-3", 0.0)])
def test_retry_after_in_seconds(text: str, wait: float) -> None:
    assert retry_after_seconds(text) == wait


def test_retry_after_as_a_date() -> None:
    at = datetime.now(UTC) + timedelta(seconds=90)

    wait = retry_after_seconds(format_datetime(at, usegmt=True))

    assert wait is not None
    assert 85 < wait <= 90


def test_a_date_that_has_passed_means_now() -> None:
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_no_vendor_makes_an_order_wait_longer_than_a_day() -> None:
    assert retry_after_seconds("1e300") == 24 * 60 * 60


@pytest.mark.parametrize("text", [None, "", "soon", "12 parsecs", "nan", "inf"])
def test_an_unreadable_header_tells_nothing(text: str | None) -> None:
    assert retry_after_seconds(text) is None
