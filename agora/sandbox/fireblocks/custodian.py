"""The custodian's books: transactions with their status walk, and the balances they move."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from agora.sandbox.fireblocks import errors
from agora.sandbox.fireblocks.keys import Signer
from agora.sandbox.fireblocks.transactions import (
    Transaction,
    deposit,
    ledger_hash,
    now_ms,
    read_request,
)
from agora.sandbox.fireblocks.vaults import ASSETS, Balance, Vaults
from agora.sandbox.store import Store
from agora.sandbox.wire import Json, Timers

CANCELLABLE = ("SUBMITTED", "PENDING_AUTHORIZATION", "QUEUED", "PENDING_SIGNATURE")
REFUSALS = ("FAILED", "REJECTED", "BLOCKED", "CANCELLED", "TIMEOUT")


@dataclass
class Custodian:
    """Transactions by id and external id. Every change is committed before it is answered."""

    store: Store
    vaults: Vaults
    signer: Signer
    status_delay: float
    transactions: dict[str, Transaction] = field(default_factory=dict)
    by_external_id: dict[str, str] = field(default_factory=dict)
    timers: Timers = field(default_factory=Timers)

    def load(self) -> None:
        """Read the books and let every open transaction walk on from its status."""
        self.vaults.load()
        self.transactions = {
            row["id"]: Transaction.from_row(row) for row in self.store.all("fireblocks.transaction")
        }
        self.by_external_id = {
            tx.external_tx_id: tx.id for tx in self.transactions.values() if tx.external_tx_id
        }
        for tx in self.transactions.values():
            self._schedule(tx)

    def create(self, *, body: Json, hold: str | None = None) -> Transaction:
        """Accept a transaction. Raises VendorError, also for an externalTxId used ever before."""
        tx = read_request(body=body, vaults=self.vaults)
        if tx.external_tx_id in self.by_external_id:
            raise errors.duplicate_external_tx_id()
        tx.hold = hold
        self._add(tx)
        return tx

    def record_deposit(self, *, vault_id: str, asset: str, amount: Decimal) -> Transaction:
        """An incoming transfer: pending until COMPLETED."""
        account = self.vaults.get(vault_id)
        if asset not in ASSETS:
            raise errors.asset_not_found(asset)
        tx = deposit(vault_id=vault_id, asset=asset, amount=amount)
        with self.store.transaction():
            account.assets.setdefault(asset, Balance()).pending += amount
            self.vaults.save(account)
            self._add(tx)
        return tx

    def get(self, tx_id: str) -> Transaction:
        found = self.transactions.get(tx_id)
        if found is None:
            raise errors.transaction_not_found()
        return found

    def get_by_external_id(self, external_tx_id: str) -> Transaction:
        return self.get(self.by_external_id.get(external_tx_id, ""))

    def cancel(self, tx_id: str) -> None:
        """Cancel what has not been broadcast. Raises VendorError 400 when it is too late."""
        tx = self.get(tx_id)
        if tx.status not in CANCELLABLE:
            raise errors.bad_request(f"Transaction in status {tx.status} can not be cancelled")
        tx.hold = None
        self._enter(tx=tx, status="CANCELLING")
        self._schedule(tx)

    def release(self, tx_id: str | None) -> list[str]:
        """Let held transactions walk on: one, or all. Answers their ids."""
        held = [
            tx for tx in self.transactions.values()
            if tx.hold is not None and not tx.is_final and tx_id in (None, tx.id)
        ]  # fmt: skip
        for tx in held:
            tx.hold = None
            self._save(tx)
            self._schedule(tx)
        return [tx.id for tx in held]

    def reset(self) -> None:
        """Forget all transactions and accounts; the caller clears the store first."""
        self.timers.stop_all()
        self.transactions.clear()
        self.by_external_id.clear()
        self.vaults.load()

    def _add(self, tx: Transaction) -> None:
        self._save(tx)
        self.transactions[tx.id] = tx
        if tx.external_tx_id:
            self.by_external_id[tx.external_tx_id] = tx.id
        self._schedule(tx)

    def _schedule(self, tx: Transaction) -> None:
        if tx.is_final or tx.hold == tx.status:
            self.timers.stop(tx.id)
            return
        self.timers.start(key=tx.id, delay=self.status_delay, callback=lambda: self._advance(tx))

    def _advance(self, tx: Transaction) -> None:
        if tx.status == "CANCELLING":
            self._enter(tx=tx, status="CANCELLED")
        elif tx.hold is not None and tx.hold not in tx.walk and tx.status == "QUEUED":
            # A fault asked for a status the usual walk does not have.
            self._enter(tx=tx, status=tx.hold)
        else:
            self._enter(tx=tx, status=tx.next_status())
        self._schedule(tx)

    def _enter(self, *, tx: Transaction, status: str) -> None:
        with self.store.transaction():
            if status == "QUEUED" and not self._lock(tx):
                status, tx.sub_status = "FAILED", "INSUFFICIENT_FUNDS"
            if status == "BROADCASTING":
                tx.tx_hash = ledger_hash(tx.id)
            if status == "COMPLETED":
                self._complete(tx)
            if status in REFUSALS:
                self._unlock(tx)
            tx.status = status
            tx.last_updated = now_ms()
            self._save(tx)

    def _lock(self, tx: Transaction) -> bool:
        """Set the amount aside at the source; False when there is not enough."""
        if tx.operation != "TRANSFER" or not tx.source_id:
            return True
        account = self.vaults.get(tx.source_id)
        held = self.vaults.balance(account=account, asset=tx.asset_id)
        if held.available < tx.value:
            return False
        held.locked += tx.value
        tx.locked = True
        self.vaults.save(account)
        return True

    def _unlock(self, tx: Transaction) -> None:
        if not tx.locked:
            return
        account = self.vaults.get(tx.source_id)
        self.vaults.balance(account=account, asset=tx.asset_id).locked -= tx.value
        tx.locked = False
        self.vaults.save(account)

    def _complete(self, tx: Transaction) -> None:
        if tx.operation == "RAW":
            tx.signed_messages = [
                self.signer.sign(vault_id=tx.source_id, content=content) for content in tx.messages
            ]
            tx.sub_status = "CONFIRMED"
            return
        if tx.source_id:
            self._unlock(tx)
            source = self.vaults.get(tx.source_id)
            self.vaults.balance(account=source, asset=tx.asset_id).total -= tx.value
            self.vaults.save(source)
        target = self.vaults.get(tx.destination_id)
        held = target.assets.setdefault(tx.asset_id, Balance())
        held.total += tx.value
        if not tx.source_id:
            held.pending -= tx.value
        self.vaults.save(target)
        self.vaults.next_block()
        tx.block = self.vaults.block()
        tx.sub_status = "CONFIRMED"

    def _save(self, tx: Transaction) -> None:
        self.store.put(kind="fireblocks.transaction", key=tx.id, body=tx.row())
