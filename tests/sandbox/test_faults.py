"""Every kind of fault, as the vendors' SDKs meet it, and what the books say afterwards."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

from agora.sandbox.client import SandboxControl
from agora.sandbox.faults import Rule
from tests.sandbox.conftest import Sandbox
from tests.sandbox.helpers import buy, raw_sign, transfer, wait_for_status, wait_for_tx

if TYPE_CHECKING:
    from fireblocks.client import Fireblocks

ORDERS = "POST /alpaca/v2/orders"
TRANSACTIONS = "POST /fireblocks/v1/transactions"


def test_a_request_dropped_before_its_effect_leaves_nothing(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.fault(ORDERS, "drop_before")
    with pytest.raises(requests.ConnectionError):
        buy(trading, "lost")
    assert control.orders() == []
    buy(trading, "lost")
    assert len(control.orders()) == 1


def test_a_request_dropped_after_its_effect_is_in_the_books(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.fault(ORDERS, "drop_after")
    with pytest.raises(requests.ConnectionError):
        buy(trading, "unheard")
    assert wait_for_status(trading, "unheard")["status"] == "filled"
    with pytest.raises(APIError) as refused:
        buy(trading, "unheard")
    assert refused.value.code == 40010001
    first, *_ = control.journal()
    assert (first["fault"], first["status"]) == ("drop_after", None)
    assert first["keys"]["client_order_id"] == "unheard"


def test_custody_dropped_after_its_effect_is_found_by_its_key(
    vault: Fireblocks, control: SandboxControl
) -> None:
    from urllib3.exceptions import ProtocolError

    control.fault(TRANSACTIONS, "drop_after")
    with pytest.raises(ProtocolError):
        transfer(vault, "unheard", idempotency_key="key-1")
    found = vault.transactions.get_transaction_by_external_id("unheard").result().data
    assert transfer(vault, "unheard", idempotency_key="key-1") == found.id
    assert len(control.transactions()) == 1


def test_a_lost_get_is_repeated_by_the_sdk_and_heard(
    vault: Fireblocks, control: SandboxControl
) -> None:
    control.fault("GET /fireblocks/v1/vault/accounts/1", "drop_before", count=2)
    assert vault.vaults.get_vault_account("1").result().data.name == "Custody"
    assert [entry["status"] for entry in control.journal()] == [None, None, 200]


def test_a_status_can_come_instead_of_the_effect_or_after_it(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.fault(ORDERS, "status", status=503, body="<html>down</html>", match="first")
    control.fault(ORDERS, "status", status=500, after=True, match="second")
    for client_id, status in (("first", 503), ("second", 500)):
        with pytest.raises(APIError) as refused:
            buy(trading, client_id)
        assert refused.value.status_code == status
    assert [order["client_order_id"] for order in control.orders()] == ["second"]


def test_too_many_requests_says_when_to_come_back(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.fault(ORDERS, "rate_limit", retry_after=7)
    with pytest.raises(APIError) as refused:
        buy(trading, "busy")
    assert refused.value.status_code == 429
    assert refused.value.response.headers["Retry-After"] == "7"
    assert control.orders() == []


def test_the_fireblocks_sdk_obeys_retry_after_on_get(
    vault: Fireblocks, control: SandboxControl
) -> None:
    control.fault("GET /fireblocks/*", "rate_limit", retry_after=1)
    started = time.monotonic()
    assert vault.vaults.get_vault_account("1").result().data.id == "1"
    assert time.monotonic() - started >= 1


def test_a_body_can_be_cut_off_with_the_connection_or_well_framed(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.fault(ORDERS, "truncate", match="cut")
    with pytest.raises(requests.RequestException):
        buy(trading, "cut")
    control.fault(ORDERS, "truncate", framed=True, match="framed")
    with pytest.raises(ValueError, match=r"Unterminated string|Expecting"):
        buy(trading, "framed")
    assert [order["client_order_id"] for order in control.orders()] == ["cut", "framed"]


def test_a_delay_outlasts_the_client_and_the_effect_still_comes(
    box: Sandbox, control: SandboxControl
) -> None:
    control.fault("DELETE /alpaca/*", "delay", delay=0.6)
    control.market(fill={"outcome": "never"})
    order = buy(box.trading, "slow")
    keys = {"APCA-API-KEY-ID": "sandbox-key", "APCA-API-SECRET-KEY": "sandbox-secret"}
    url = f"{control.alpaca_url}/v2/orders/{order['id']}"
    with pytest.raises(requests.ReadTimeout):
        requests.delete(url, headers=keys, timeout=0.2)
    assert wait_for_status(box.trading, "slow", "canceled")


def test_a_duplicate_delivery_has_one_effect(
    trading: TradingClient, vault: Fireblocks, control: SandboxControl
) -> None:
    from fireblocks.exceptions import BadRequestException

    control.fault("POST *", "duplicate", count=3)
    with pytest.raises(APIError) as refused:
        buy(trading, "twice")
    assert refused.value.code == 40010001
    with pytest.raises(BadRequestException):
        transfer(vault, "twice")
    assert transfer(vault, "keyed", idempotency_key="key-1")
    assert len(control.orders()) == 1
    assert len(control.transactions()) == 2


def test_orders_and_transactions_can_get_stuck_and_be_released(
    trading: TradingClient, vault: Fireblocks, control: SandboxControl
) -> None:
    control.fault("POST *", "stuck", count=2)
    order, tx_id = buy(trading, "stuck"), raw_sign(vault, "stuck")
    wait_for_tx(vault, tx_id, "PENDING_SIGNATURE")
    other = raw_sign(vault, "free")
    assert wait_for_tx(vault, other).status == "COMPLETED"
    assert trading.get_order_by_id(order["id"])["status"] == "accepted"
    assert vault.transactions.get_transaction(tx_id).result().data.status == "PENDING_SIGNATURE"
    assert set(control.release()) == {order["id"], tx_id}
    assert wait_for_status(trading, "stuck")["status"] == "filled"
    assert wait_for_tx(vault, tx_id).status == "COMPLETED"


def test_a_fault_fires_where_how_often_and_after_what_it_is_told(
    trading: TradingClient, control: SandboxControl
) -> None:
    control.fault("GET /alpaca/v2/clock", "status", status=502, skip=1, count=2)
    seen = []
    for _ in range(4):
        try:
            trading.get_clock()
            seen.append(200)
        except APIError as error:
            seen.append(error.status_code)
    assert seen == [200, 502, 502, 200]
    assert trading.get_account()["status"] == "ACTIVE"
    (rule,) = control.faults()
    assert rule["fired"] == 2
    control.clear_faults()
    assert control.faults() == []


def test_probability_is_seeded() -> None:
    def pattern(seed: int) -> list[bool]:
        rule = Rule(route="*", kind="delay", count=None, probability=0.3, seed=seed)
        return [rule.fires(route="GET /", text="") for _ in range(300)]

    assert pattern(7) == pattern(7)
    assert pattern(7) != pattern(8)
    assert 60 < sum(pattern(7)) < 120


def test_calm_takes_back_faults_and_market_and_keeps_the_books(
    trading: TradingClient, control: SandboxControl
) -> None:
    before = control.market()
    control.market(price="1.00", quote_age=9, fill={"outcome": "reject"})
    control.fault(ORDERS, "stuck")
    buy(trading, "kept")
    control.fault("*", "drop_before", count=None)
    control.calm()
    assert control.market() == before
    assert control.faults() == []
    # It was accepted under the script of then.
    assert wait_for_status(trading, "kept")["status"] == "rejected"


def test_faults_never_reach_the_control_endpoint(control: SandboxControl) -> None:
    control.fault("*", "drop_before", count=None)
    assert len(control.faults()) == 1
