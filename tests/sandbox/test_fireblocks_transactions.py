"""Vault accounts, transfers, signatures and their idempotency over the vendor's own SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from eth_keys.datatypes import PublicKey, Signature

from agora.sandbox.client import SandboxControl
from tests.sandbox.helpers import HASH, balance, raw_sign, transfer, wait_for_tx

if TYPE_CHECKING:
    from fireblocks.client import Fireblocks


def test_the_three_accounts_exist_and_more_can_be_made(vault: Fireblocks) -> None:
    from fireblocks.models.create_vault_account_request import CreateVaultAccountRequest

    request = CreateVaultAccountRequest(name="Cold", customerRefId="ref-1")
    made = vault.vaults.create_vault_account(create_vault_account_request=request).result().data
    assert made.id == "3"
    assert vault.vaults.get_vault_account("3").result().data.customer_ref_id == "ref-1"
    first = vault.vaults.get_paged_vault_accounts(limit=2).result().data
    assert [account.name for account in first.accounts] == ["Receipt source", "Custody"]
    rest = vault.vaults.get_paged_vault_accounts(limit=2, after=first.paging.after).result().data
    assert [account.name for account in rest.accounts] == ["Minter", "Cold"]
    assert rest.paging.after is None
    named = vault.vaults.get_paged_vault_accounts(name_prefix="Min").result().data
    assert [account.id for account in named.accounts] == ["2"]


def test_an_asset_wallet_is_opened_once_and_has_an_address(vault: Fireblocks) -> None:
    from fireblocks.exceptions import BadRequestException, NotFoundException

    made = vault.vaults.create_vault_account_asset("1", "ETH_TEST5").result().data
    (address,) = (
        vault.vaults.get_vault_account_asset_addresses_paginated("1", "ETH_TEST5")
        .result()
        .data.addresses
    )
    assert made.address == address.address
    assert balance(vault, "1", "ETH_TEST5")["total"] == "0"
    with pytest.raises(BadRequestException):
        vault.vaults.create_vault_account_asset("1", "ETH_TEST5").result()
    with pytest.raises(NotFoundException):
        vault.vaults.get_vault_account_asset("1", "AMOY_POLYGON_TEST").result()
    with pytest.raises(NotFoundException):
        vault.vaults.get_vault_account("77").result()


def test_a_transfer_walks_the_statuses_and_moves_the_balance_at_the_end(
    vault: Fireblocks, control: SandboxControl
) -> None:
    control.fault("POST /fireblocks/v1/transactions", "stuck", stuck_status="BROADCASTING")
    tx_id = transfer(vault, "move-1", "0.010000001")
    assert wait_for_tx(vault, tx_id, "BROADCASTING").tx_hash.startswith("0x")
    assert balance(vault, "0") == {
        "total": "1000000", "available": "999999.989999999", "pending": "0",
        "lockedAmount": "0.010000001",
    }  # fmt: skip
    assert balance(vault, "1")["total"] == "0"
    assert control.release(tx_id) == [tx_id]
    done = wait_for_tx(vault, tx_id)
    assert done.status == "COMPLETED"
    assert done.amount_info.amount == "0.010000001"
    assert (done.source.id, done.destination.id, done.asset_id) == ("0", "1", "AAPL_RECEIPT")
    assert balance(vault, "0")["total"] == "999999.989999999"
    assert balance(vault, "1")["available"] == "0.010000001"
    held = vault.vaults.get_vault_account_asset("1", "AAPL_RECEIPT").result().data
    assert (held.block_height, held.block_hash) == (
        done.block_info.block_height,
        done.block_info.block_hash,
    )
    total = vault.vaults.get_vault_balance_by_asset("AAPL_RECEIPT").result().data
    assert total.total == "1000000"


def test_more_than_there_is_fails_and_moves_nothing(vault: Fireblocks) -> None:
    failed = wait_for_tx(vault, transfer(vault, "too-much", "1000000.5"))
    assert (failed.status, failed.sub_status) == ("FAILED", "INSUFFICIENT_FUNDS")
    assert balance(vault, "0") == {
        "total": "1000000", "available": "1000000", "pending": "0", "lockedAmount": "0",
    }  # fmt: skip


def test_two_transfers_can_not_spend_the_same(vault: Fireblocks, control: SandboxControl) -> None:
    ids = [transfer(vault, f"half-{n}", "600000") for n in range(2)]
    statuses = sorted(wait_for_tx(vault, tx_id).status for tx_id in ids)
    assert statuses == ["COMPLETED", "FAILED"]
    assert balance(vault, "1")["total"] == "600000"
    assert balance(vault, "0")["available"] == "400000"


def test_a_raw_signature_is_by_the_key_of_the_address(vault: Fireblocks) -> None:
    done = wait_for_tx(vault, raw_sign(vault, "mint-1"))
    assert done.status == "COMPLETED"
    (signed,) = done.signed_messages
    assert (signed.content, signed.algorithm) == (HASH, "MPC_ECDSA_SECP256K1")
    assert signed.derivation_path == [44, 1, 2, 0, 0]
    assert signed.signature.full_sig == signed.signature.r + signed.signature.s
    (address,) = (
        vault.vaults.get_vault_account_asset_addresses_paginated("2", "BASECHAIN_ETH_TEST5")
        .result()
        .data.addresses
    )
    signature = Signature(
        vrs=(
            int(signed.signature.v),
            int(signed.signature.r, 16),
            int(signed.signature.s, 16),
        )
    )
    key = signature.recover_public_key_from_msg_hash(bytes.fromhex(HASH))
    assert key.to_checksum_address() == address.address
    assert key == PublicKey.from_compressed_bytes(bytes.fromhex(signed.public_key))


def test_an_external_id_is_taken_for_ever(vault: Fireblocks, control: SandboxControl) -> None:
    from fireblocks.exceptions import BadRequestException

    first = transfer(vault, "order/1 ä")
    with pytest.raises(BadRequestException) as refused:
        transfer(vault, "order/1 ä", "9")
    assert '"code": 1438' in str(refused.value.body)
    found = vault.transactions.get_transaction_by_external_id("order/1 ä").result().data
    assert found.id == first
    assert len(control.transactions()) == 1


def test_an_idempotency_key_replays_its_answer(vault: Fireblocks, control: SandboxControl) -> None:
    first = transfer(vault, "key-1", idempotency_key="k" * 40)
    wait_for_tx(vault, first)
    # The vendor looks at the key alone, and answers what it answered then.
    assert transfer(vault, "key-2", idempotency_key="k" * 40) == first
    assert len(control.transactions()) == 1


def test_a_refused_call_is_replayed_too(vault: Fireblocks, control: SandboxControl) -> None:
    from fireblocks.exceptions import BadRequestException

    for amount in ("0", "1"):
        with pytest.raises(BadRequestException) as refused:
            transfer(vault, "again", amount, idempotency_key="same")
        assert "amount must be > 0" in str(refused.value.body)
    assert control.transactions() == []


def test_a_key_longer_than_40_characters_is_refused(
    vault: Fireblocks, control: SandboxControl
) -> None:
    from fireblocks.exceptions import BadRequestException

    with pytest.raises(BadRequestException):
        transfer(vault, "long", idempotency_key="k" * 41)
    assert control.transactions() == []


def test_a_key_that_met_an_internal_error_is_not_taken_again(
    vault: Fireblocks, control: SandboxControl
) -> None:
    from fireblocks.exceptions import BadRequestException, ServiceException

    control.fault("POST /fireblocks/v1/transactions", "status", status=500)
    with pytest.raises(ServiceException):
        transfer(vault, "broken", idempotency_key="once")
    with pytest.raises(BadRequestException) as refused:
        transfer(vault, "broken", idempotency_key="once")
    assert "same idempotency key after an internal error" in str(refused.value.body)
    assert control.transactions() == []
    transfer(vault, "broken", idempotency_key="twice")


def test_before_the_broadcast_a_transaction_can_be_cancelled(
    vault: Fireblocks, control: SandboxControl
) -> None:
    control.fault("POST /fireblocks/v1/transactions", "stuck")
    tx_id = transfer(vault, "stop")
    wait_for_tx(vault, tx_id, "PENDING_SIGNATURE")
    assert vault.transactions.cancel_transaction(tx_id).result().data.success
    assert wait_for_tx(vault, tx_id).status == "CANCELLED"
    assert balance(vault, "0")["available"] == "1000000"


def test_a_completed_transaction_can_not_be_cancelled(vault: Fireblocks) -> None:
    from fireblocks.exceptions import BadRequestException

    tx_id = transfer(vault, "done")
    wait_for_tx(vault, tx_id)
    with pytest.raises(BadRequestException):
        vault.transactions.cancel_transaction(tx_id).result()
    assert balance(vault, "1")["total"] == "0.5"


@pytest.mark.parametrize("status", ["FAILED", "REJECTED", "BLOCKED", "CANCELLED"])
def test_a_transaction_may_end_otherwise(
    vault: Fireblocks, control: SandboxControl, status: str
) -> None:
    control.fault("POST */transactions", "stuck", stuck_status=status, match="unlucky")
    lucky, unlucky = transfer(vault, "lucky"), transfer(vault, "unlucky")
    assert wait_for_tx(vault, unlucky).status == status
    assert wait_for_tx(vault, lucky).status == "COMPLETED"
    assert balance(vault, "0")["available"] == "999999.5"


def test_a_status_outside_the_walk_can_be_held_and_left(
    vault: Fireblocks, control: SandboxControl
) -> None:
    control.fault("POST */transactions", "stuck", stuck_status="PENDING_AUTHORIZATION")
    tx_id = raw_sign(vault, "approve-me")
    wait_for_tx(vault, tx_id, "PENDING_AUTHORIZATION")
    control.release()
    assert wait_for_tx(vault, tx_id).signed_messages


def test_a_deposit_is_pending_and_then_there(vault: Fireblocks, control: SandboxControl) -> None:
    made = control.deposit(vault="1", asset="AAPL_RECEIPT", amount="2.5")
    assert (made["status"], made["source"]["type"]) == ("CONFIRMING", "UNKNOWN")
    assert wait_for_tx(vault, made["id"]).status == "COMPLETED"
    assert balance(vault, "1") == {
        "total": "2.5", "available": "2.5", "pending": "0", "lockedAmount": "0",
    }  # fmt: skip


def test_transactions_are_listed_by_status_time_and_place(vault: Fireblocks) -> None:
    first = wait_for_tx(vault, transfer(vault, "list-1"))
    second = wait_for_tx(vault, raw_sign(vault, "list-2"))
    third = wait_for_tx(vault, transfer(vault, "list-3", "5000000"))

    def ids(**query: Any) -> list[str | None]:
        found = vault.transactions.get_transactions(**query).result().data
        return [tx.external_tx_id for tx in found]

    assert ids() == ["list-3", "list-2", "list-1"]
    assert ids(status="COMPLETED", sort="ASC") == ["list-1", "list-2"]
    assert ids(after=str(first.created_at), order_by="createdAt") == ["list-3", "list-2"]
    assert ids(before=str(second.last_updated), order_by="lastUpdated") == ["list-1"]
    assert ids(assets="BASECHAIN_ETH_TEST5") == ["list-2"]
    assert ids(tx_hash=first.tx_hash) == ["list-1"]
    assert ids(limit=1) == ["list-3"]
    assert third.status == "FAILED"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"operation": "BURN"}, "not supported"),
    ({"assetId": "GOLD"}, "not supported"),
    ({"source": {"type": "VAULT_ACCOUNT", "id": "9"}}, "was not found"),
    ({"destination": {"type": "EXTERNAL_WALLET", "id": "9"}}, "must be a VAULT_ACCOUNT"),
    ({"amount": "-1"}, "amount must be > 0"),
    ({"amount": "0.0000000000000000001"}, "more decimals"),
    ({"source": {"type": "VAULT_ACCOUNT", "id": "2"}}, "has no wallet"),
    ({"operation": "RAW"}, "messages is required"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_wrong_request_is_refused_and_leaves_no_trace(
    vault: Fireblocks, control: SandboxControl, change: dict[str, Any], message: str
) -> None:
    from fireblocks.exceptions import BadRequestException
    from fireblocks.models.transaction_request import TransactionRequest

    body = {
        "operation": "TRANSFER", "externalTxId": "wrong", "assetId": "AAPL_RECEIPT",
        "source": {"type": "VAULT_ACCOUNT", "id": "0"},
        "destination": {"type": "VAULT_ACCOUNT", "id": "1"}, "amount": "1",
    } | change  # fmt: skip
    request = TransactionRequest.from_dict(body)
    with pytest.raises(BadRequestException) as refused:
        vault.transactions.create_transaction(transaction_request=request).result()
    assert message in str(refused.value.body)
    assert control.transactions() == []
