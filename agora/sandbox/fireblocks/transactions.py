"""A transaction: what a request may ask for, and how it looks on the wire and on disk."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation

from agora.sandbox.fireblocks import errors
from agora.sandbox.fireblocks.keys import ALGORITHM
from agora.sandbox.fireblocks.vaults import ASSETS, Vaults
from agora.sandbox.wire import Json, plain, text_or_none

# Documented order of the primary statuses; the sandbox's open policy needs no authorization step.
TRANSFER_WALK = (
    "SUBMITTED", "QUEUED", "PENDING_SIGNATURE", "BROADCASTING", "CONFIRMING", "COMPLETED",
)  # fmt: skip
RAW_WALK = ("SUBMITTED", "QUEUED", "PENDING_SIGNATURE", "COMPLETED")
DEPOSIT_WALK = ("CONFIRMING", "COMPLETED")
FINAL = ("COMPLETED", "CANCELLED", "REJECTED", "BLOCKED", "FAILED", "TIMEOUT")
OPERATIONS = ("TRANSFER", "RAW")
MAX_EXTERNAL_ID = 255
MAX_PLACES = 18
HASH = re.compile(r"(0x)?[0-9a-fA-F]{64}")


@dataclass(kw_only=True)
class Transaction:
    """One transaction. Times are Unix milliseconds as on the wire; amount is in units of the asset; an
    empty source or destination is outside the workspace.
    """

    id: str
    external_tx_id: str | None
    operation: str
    asset_id: str
    source_id: str
    destination_id: str
    amount: str
    note: str
    customer_ref_id: str | None
    created_at: int
    last_updated: int
    walk: list[str]
    messages: list[str] = field(default_factory=list)
    status: str = "SUBMITTED"
    sub_status: str = ""
    signed_messages: list[Json] = field(default_factory=list)
    tx_hash: str = ""
    block: Json = field(default_factory=dict)
    locked: bool = False
    hold: str | None = None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def value(self) -> Decimal:
        return Decimal(self.amount)

    def row(self) -> Json:
        return asdict(self)

    @classmethod
    def from_row(cls, row: Json) -> Transaction:
        return cls(**row)

    def next_status(self) -> str:
        """The status that follows; from one outside the walk it goes on with the signature."""
        if self.status not in self.walk:
            return "PENDING_SIGNATURE" if "PENDING_SIGNATURE" in self.walk else "COMPLETED"
        return self.walk[self.walk.index(self.status) + 1]

    def wire(self, vaults: Vaults) -> Json:
        """The transaction as GET answers it. `amount` is a number, `amountInfo` the exact strings."""
        number = float(self.amount)
        done = self.status == "COMPLETED"
        return {
            "id": self.id,
            "externalTxId": self.external_tx_id,
            "status": self.status,
            "subStatus": self.sub_status,
            "txHash": self.tx_hash,
            "operation": self.operation,
            "note": self.note,
            "assetId": self.asset_id,
            "assetType": "",
            "source": _peer(vaults=vaults, vault_id=self.source_id),
            "sourceAddress": vaults.address(self.source_id) if self.source_id else "",
            "destination": _peer(vaults=vaults, vault_id=self.destination_id),
            "destinations": [],
            "destinationAddress": (
                vaults.address(self.destination_id) if self.destination_id else ""
            ),
            "destinationTag": "",
            "amount": number,
            "requestedAmount": number,
            "netAmount": number,
            "amountUSD": None,
            "amountInfo": {
                "amount": self.amount, "requestedAmount": self.amount, "netAmount": self.amount,
            },
            "feeCurrency": self.asset_id,
            "networkFee": 0,
            "feeInfo": {"networkFee": "0"},
            "createdAt": self.created_at,
            "lastUpdated": self.last_updated,
            "createdBy": "sandbox",
            "signedBy": ["sandbox"] if self.signed_messages or self.tx_hash else [],
            "rejectedBy": "",
            "customerRefId": self.customer_ref_id,
            "numOfConfirmations": 1 if done and self.tx_hash else 0,
            "blockInfo": self.block,
            "signedMessages": self.signed_messages,
            "extraParameters": (
                {"rawMessageData": {
                    "messages": [{"content": content} for content in self.messages],
                    "algorithm": ALGORITHM,
                }} if self.operation == "RAW" else {}
            ),
        }  # fmt: skip


def read_request(*, body: Json, vaults: Vaults) -> Transaction:
    """The transaction a request asks for. Raises VendorError 400 when the vendor would refuse it."""
    operation = body.get("operation", "TRANSFER")
    if operation not in OPERATIONS:
        raise errors.bad_request(f"Operation {operation} is not supported by the sandbox")
    asset = body.get("assetId")
    if asset not in ASSETS:
        raise errors.bad_request(f"The asset '{asset}' is not supported")
    external = body.get("externalTxId")
    if external is not None and not (
        isinstance(external, str) and 0 < len(external) <= MAX_EXTERNAL_ID
    ):
        raise errors.bad_request("externalTxId must be a string of 1 to 255 characters")
    source = _vault_id(body=body, name="source", vaults=vaults)
    if asset not in vaults.accounts[source].assets:
        raise errors.bad_request(f"Source vault account {source} has no wallet for {asset}")
    moves = operation == "TRANSFER"
    now = now_ms()
    return Transaction(
        id=str(uuid.uuid4()),
        external_tx_id=external,
        operation=operation,
        asset_id=asset,
        source_id=source,
        destination_id=_vault_id(body=body, name="destination", vaults=vaults) if moves else "",
        amount=_amount(body) if moves else "0",
        messages=[] if moves else _messages(body),
        note=str(body.get("note") or ""),
        customer_ref_id=text_or_none(body.get("customerRefId")),
        created_at=now,
        last_updated=now,
        walk=list(TRANSFER_WALK if moves else RAW_WALK),
    )


def deposit(*, vault_id: str, asset: str, amount: Decimal) -> Transaction:
    """The record of an incoming transfer from outside the workspace."""
    now = now_ms()
    made = Transaction(
        id=str(uuid.uuid4()), external_tx_id=None, operation="TRANSFER", asset_id=asset,
        source_id="", destination_id=vault_id, amount=plain(amount), note="",
        customer_ref_id=None, created_at=now, last_updated=now, walk=list(DEPOSIT_WALK),
        status="CONFIRMING",
    )  # fmt: skip
    made.tx_hash = ledger_hash(made.id)
    return made


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def ledger_hash(tx_id: str) -> str:
    """A hash on the sandbox's own ledger; it names no transaction of a real chain."""
    return "0x" + hashlib.sha256(f"transaction {tx_id}".encode()).hexdigest()


def _vault_id(*, body: Json, name: str, vaults: Vaults) -> str:
    peer = body.get(name)
    if not isinstance(peer, dict) or peer.get("type") != "VAULT_ACCOUNT":
        raise errors.bad_request(f"{name} must be a VAULT_ACCOUNT")
    vault_id = str(peer.get("id", ""))
    if vault_id not in vaults.accounts:
        raise errors.bad_request(f"{name.capitalize()} vault account {vault_id} was not found")
    return vault_id


def _amount(body: Json) -> str:
    try:
        amount = Decimal(str(body.get("amount", "")))
    except InvalidOperation:
        raise errors.bad_request("amount must be a number") from None
    if not amount.is_finite() or amount <= 0:
        raise errors.bad_request("amount must be > 0")
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > MAX_PLACES:
        raise errors.bad_request("amount has more decimals than the asset")
    return plain(amount)


def _messages(body: Json) -> list[str]:
    data = _object(_object(body.get("extraParameters")).get("rawMessageData"))
    if data.get("algorithm", ALGORITHM) != ALGORITHM:
        raise errors.bad_request(f"algorithm must be {ALGORITHM}")
    messages = data.get("messages")
    if not isinstance(messages, list) or not messages:
        raise errors.bad_request("rawMessageData.messages is required")
    contents = [str(_object(message).get("content")) for message in messages]
    if not all(HASH.fullmatch(content) for content in contents):
        raise errors.bad_request("message content must be a 32-byte hash in hex")
    return contents


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _peer(*, vaults: Vaults, vault_id: str) -> Json:
    if not vault_id:
        return {"id": "", "type": "UNKNOWN", "name": "External", "subType": ""}
    return {
        "id": vault_id,
        "type": "VAULT_ACCOUNT",
        "name": vaults.accounts[vault_id].name,
        "subType": "",
    }
