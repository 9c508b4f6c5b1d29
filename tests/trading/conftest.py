"""What tests of trading share: people who may buy, and a look at what was left untouched."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from accounts.models import User
from agora.sandbox.client import SandboxControl
from compliance.models import AuditRow
from kyc.models import DailyLimit
from tests.people import onboarded
from trading.models import Order

Untouched = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def buyer(db: None) -> User:
    """Somebody who may buy."""
    return onboarded()


@pytest.fixture
def untouched(sandbox: SandboxControl) -> Untouched:
    """A block after which orders, limits, trail and what the vendors heard are as before."""

    def state() -> tuple[object, ...]:
        return (
            list(Order.objects.order_by("pk").values()),
            list(DailyLimit.objects.order_by("pk").values()),
            AuditRow.objects.count(),
            [entry for entry in sandbox.journal() if entry["method"] != "GET"],
        )

    @contextmanager
    def block() -> Iterator[None]:
        before = state()
        yield
        assert state() == before

    return block
