"""What tests of copy trading share: the exchange's sandbox as the product reaches it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from copytrade.exchange import runner

if TYPE_CHECKING:
    from agora.sandbox.client import SandboxControl
    from copytrade.exchange.venue import Venue


@pytest.fixture
def venue(sandbox: "SandboxControl") -> Iterator["Venue"]:
    """A venue that has not asked the exchange anything yet; its coroutines go to `runner.run`."""
    runner.close()
    yield runner.venue()
    runner.close()
