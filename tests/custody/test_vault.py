"""The custodian's answers become exactly one of three outcomes, soon, and without hidden retries."""

import time
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as project
from pytest_django import Settings

from agora.lib.outcome import OutsideError, Rejected, Temporary, Unknown
from agora.sandbox.client import SandboxControl
from custody import vault

CREATE = "POST /fireblocks/v1/transactions"
READ = "GET /fireblocks/v1/transactions/*"


def key() -> str:
    return f"cus-{uuid.uuid4().hex}"


def send(external_tx_id: str | None = None, *, quantity: str = "0.1") -> str:
    return vault.send_receipt(
        external_tx_id=external_tx_id or key(),
        number=1,
        asset=project.FIREBLOCKS_RECEIPT_ASSET,
        quantity=Decimal(quantity),
    )


def read() -> object:
    return vault.get_transaction(tx_id=str(uuid.uuid4()))


OUTCOMES: list[tuple[dict[str, Any], type[OutsideError], type[OutsideError]]] = [
    # the fault, what a call with effect becomes, what a read becomes
    ({"kind": "drop_before"}, Unknown, Temporary),
    ({"kind": "drop_after"}, Unknown, Temporary),
    ({"kind": "truncate"}, Unknown, Temporary),
    ({"kind": "truncate", "framed": True}, Unknown, Temporary),
    ({"kind": "status", "status": 500}, Unknown, Temporary),
    ({"kind": "status", "status": 503, "body": "<html>"}, Unknown, Temporary),
    ({"kind": "status", "status": 200, "body": "{}"}, Unknown, Temporary),
    ({"kind": "status", "status": 400}, Unknown, Rejected),
    ({"kind": "status", "status": 409}, Unknown, Rejected),
    ({"kind": "status", "status": 401}, Temporary, Temporary),
    ({"kind": "rate_limit", "retry_after": 7}, Temporary, Temporary),
]


@pytest.fixture(autouse=True, scope="module")
def _sdk_loaded() -> None:
    """Its import takes seconds, which no test here may mistake for a slow call."""
    vault.preload()


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
    known = send()

    def read_known() -> object:
        return vault.get_transaction(tx_id=known)

    for route, call, outcome in ((CREATE, send, of_a_send), (READ, read_known, of_a_read)):
        sandbox.fault(route, **fault)
        heard = len(sandbox.journal())
        with pytest.raises(OutsideError) as failure:
            call()
        assert type(failure.value) is outcome
        assert len(sandbox.journal()) == heard + 1, "asked once, without a hidden retry"


def test_the_time_to_wait_after_a_rate_limit_is_told(sandbox: SandboxControl) -> None:
    sandbox.fault(READ, "rate_limit", retry_after=7)
    start = time.monotonic()

    with pytest.raises(Temporary) as failure:
        read()

    assert failure.value.retry_after == 7
    assert time.monotonic() - start < 5, "the row waits, not the worker"


@pytest.mark.parametrize(("call", "outcome"), [(send, Unknown), (read, Temporary)])
def test_no_call_waits_longer_than_its_timeout(
    sandbox: SandboxControl,
    settings: Settings,
    call: Callable[[], object],
    outcome: type[OutsideError],
) -> None:
    settings.VENDOR_READ_TIMEOUT = 0.2
    heard = len(sandbox.journal())
    sandbox.fault("* /fireblocks/*", "delay", delay=1.5)
    start = time.monotonic()

    with pytest.raises(outcome):
        call()

    assert time.monotonic() - start < 1.5
    sandbox.wait_for(lambda _: len(sandbox.journal()) > heard)


def test_an_external_id_is_taken_once_for_ever(sandbox: SandboxControl) -> None:
    external = key()
    first = vault.send_receipt(
        external_tx_id=external, number=1, asset="AAPL_RECEIPT", quantity=Decimal("0.1")
    )

    with pytest.raises(Unknown) as refusal:
        vault.send_receipt(
            external_tx_id=external, number=2, asset="AAPL_RECEIPT", quantity=Decimal("0.1")
        )

    found = vault.find_transaction(external_tx_id=external)
    assert refusal.value.code == "refused"
    assert found is not None
    assert found.id == first


def test_what_was_never_sent_is_not_found(sandbox: SandboxControl) -> None:
    assert vault.find_transaction(external_tx_id=key()) is None


@pytest.mark.parametrize("quantity", ["0.1", "0.010000001", "12.345678901"])
def test_the_quantity_arrives_exactly(sandbox: SandboxControl, quantity: str) -> None:
    external = key()
    send(external, quantity=quantity)

    (held,) = [tx for tx in sandbox.transactions() if tx["externalTxId"] == external]
    assert held["amountInfo"]["amount"] == quantity


def test_an_asset_that_a_vault_does_not_hold_has_the_balance_zero(sandbox: SandboxControl) -> None:
    balance = vault.balance(vault="1", asset="ETH_TEST5")

    assert balance.total == balance.available == 0


def test_a_message_of_an_outcome_holds_no_secret(sandbox: SandboxControl) -> None:
    sandbox.fault(CREATE, "status", status=500, body="secret-in-the-body")

    with pytest.raises(Unknown) as failure:
        send()

    assert "secret" not in failure.value.message
    assert project.FIREBLOCKS_API_KEY not in failure.value.message


def test_a_transaction_that_the_custodian_does_not_find_by_its_own_id_is_looked_for_again(
    sandbox: SandboxControl,
) -> None:
    with pytest.raises(Temporary):
        read()
