"""Requests that several of these tests send."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from alpaca.trading.client import TradingClient

if TYPE_CHECKING:
    from fireblocks.client import Fireblocks
    from fireblocks.models.transaction_response import TransactionResponse

Json = dict[str, Any]
T = TypeVar("T")
TERMINAL = ("filled", "canceled", "expired", "rejected", "done_for_day")
FINAL = ("COMPLETED", "CANCELLED", "REJECTED", "BLOCKED", "FAILED")
HASH = "ab" * 32


def limit_order(client_order_id: str, **change: object) -> Json:
    """A fractional limit day order as Agora sends it: strings for quantity and price."""
    body: Json = {
        "symbol": "AAPL", "qty": "0.5", "side": "buy", "type": "limit", "limit_price": "260.00",
        "time_in_force": "day", "client_order_id": client_order_id,
    }  # fmt: skip
    return {name: value for name, value in (body | change).items() if value is not None}


def buy(trading: TradingClient, client_order_id: str, **change: object) -> Json:
    answer: Json = trading.post("/orders", limit_order(client_order_id, **change))
    return answer


def wait_for_status(trading: TradingClient, client_order_id: str, *wanted: str) -> Json:
    """The order once it is in one of the statuses (default: any terminal one)."""

    def read() -> Json:
        order: Json = trading.get_order_by_client_id(client_order_id)
        return order

    return _poll(read, lambda order: order["status"] in (wanted or TERMINAL))


def transfer(vault: Fireblocks, external_tx_id: str, amount: str = "0.5", **options: Any) -> str:
    """Move receipts from the source to custody; the transaction's id."""
    return _create(vault, options, {
        "operation": "TRANSFER", "externalTxId": external_tx_id, "assetId": "AAPL_RECEIPT",
        "source": {"type": "VAULT_ACCOUNT", "id": "0"},
        "destination": {"type": "VAULT_ACCOUNT", "id": "1"}, "amount": amount,
    })  # fmt: skip


def raw_sign(vault: Fireblocks, external_tx_id: str, content: str = HASH, **options: Any) -> str:
    """Sign a hash with the minter's key; the transaction's id."""
    return _create(vault, options, {
        "operation": "RAW", "externalTxId": external_tx_id, "assetId": "BASECHAIN_ETH_TEST5",
        "source": {"type": "VAULT_ACCOUNT", "id": "2"},
        "extraParameters": {"rawMessageData": {
            "messages": [{"content": content}], "algorithm": "MPC_ECDSA_SECP256K1",
        }},
    })  # fmt: skip


def _create(vault: Fireblocks, options: Json, body: Json) -> str:
    from fireblocks.models.transaction_request import TransactionRequest

    request = TransactionRequest.from_dict(body)
    made = vault.transactions.create_transaction(transaction_request=request, **options)
    return str(made.result().data.id)


def wait_for_tx(vault: Fireblocks, tx_id: str, *wanted: str) -> TransactionResponse:
    """The transaction once it is in one of the statuses (default: any final one)."""

    def read() -> TransactionResponse:
        return vault.transactions.get_transaction(tx_id).result().data

    return _poll(read, lambda tx: tx.status in (wanted or FINAL))


def balance(vault: Fireblocks, account: str, asset: str = "AAPL_RECEIPT") -> Json:
    """Total, available, pending and lockedAmount as on the wire."""
    found = vault.vaults.get_vault_account_asset(account, asset).result().data.to_dict()
    return {name: found[name] for name in ("total", "available", "pending", "lockedAmount")}


def _poll(read: Callable[[], T], done: Callable[[T], bool]) -> T:
    deadline = time.monotonic() + 10
    while True:
        found = read()
        if done(found):
            return found
        assert time.monotonic() < deadline, f"did not get there: {found}"
        time.sleep(0.01)
