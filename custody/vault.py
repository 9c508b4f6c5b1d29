"""The custodian, Fireblocks, through its official SDK (RAT-007). The only place that imports it.

The SDK costs seconds to import, so it is loaded on first use, in workers. It parses the RSA key on
every call (up to 0.4 s of CPU); handing its token provider a parsed key avoids that. It has no
default timeout; every call gets one. Its own retries are off. Verified against fireblocks 35.1.0.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import urllib3.exceptions
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings

from agora.lib.money import decimal_of, plain
from agora.lib.outcome import Rejected, Temporary, Unknown, retry_after_seconds

if TYPE_CHECKING:
    from fireblocks.client import Fireblocks

COMPLETED = "COMPLETED"
_LONGEST_PAGE = 500  # of transactions, by the vendor
FAILED = frozenset({"CANCELLED", "REJECTED", "BLOCKED", "FAILED", "TIMEOUT"})


@dataclass(frozen=True)
class VaultTransaction:
    """A transaction as the custodian tells it. `signature` is set on a completed RAW one."""

    id: str
    external_tx_id: str
    status: str
    sub_status: str
    signature: "RawSignature | None"

    @property
    def is_completed(self) -> bool:
        return self.status == COMPLETED

    @property
    def is_failed(self) -> bool:
        """Over for good without effect."""
        return self.status in FAILED


@dataclass(frozen=True)
class RawSignature:
    """A secp256k1 signature over a 32-byte hash; `v` is the recovery id, 0 or 1."""

    content: str
    r: int
    s: int
    v: int


@dataclass(frozen=True)
class VaultBalance:
    """Balance of one asset in one vault account, and the custodian's answer (None: no such asset).

    The answer names the block that the balance was read at where the asset is on a chain.
    """

    total: Decimal
    available: Decimal
    raw: dict[str, Any] | None


@dataclass(frozen=True)
class VaultTransfer:
    """A transfer as the custodian lists it; `created_at` in milliseconds since 1970, UTC."""

    id: str
    external_tx_id: str
    status: str
    quantity: Decimal
    source: str
    destination: str
    created_at: int


def preload() -> None:
    """Import the SDK now, in the parent of worker processes, instead of on the first order."""
    import fireblocks.client  # noqa: F401  # costs seconds


@lru_cache(maxsize=2)
def _client_of(pid: int) -> "Fireblocks":
    """One client a process: its thread pool does not survive a fork."""
    from fireblocks.client import Fireblocks
    from fireblocks.client_configuration import ClientConfiguration

    client = Fireblocks(
        ClientConfiguration(
            api_key=settings.FIREBLOCKS_API_KEY,
            secret_key=settings.FIREBLOCKS_PRIVATE_KEY,
            base_path=settings.FIREBLOCKS_BASE_URL,
        )
    )
    key = load_pem_private_key(settings.FIREBLOCKS_PRIVATE_KEY.encode(), password=None)
    client._api_client.token_provider._secret_key = key
    # Else a GET is tried four times and sleeps through a Retry-After, until the lease is lost.
    client._api_client.rest_client.pool_manager.connection_pool_kw["retries"] = False
    return client


def _client() -> "Fireblocks":
    return _client_of(os.getpid())


def _answer(call: Callable[..., "Future[Any]"], *, effect: bool, **arguments: Any) -> Any:
    """Run a call with timeouts; its data, or one of the three outcomes."""
    from fireblocks.exceptions import ApiException, OpenApiException

    timeout = (float(settings.VENDOR_CONNECT_TIMEOUT), float(settings.VENDOR_READ_TIMEOUT))
    try:
        return call(_request_timeout=timeout, **arguments).result().data
    except ApiException as error:
        raise _of_status(error, effect=effect) from error
    except (
        urllib3.exceptions.ConnectTimeoutError,
        urllib3.exceptions.NewConnectionError,
    ) as error:
        raise Temporary("Fireblocks could not be reached.") from error
    except (urllib3.exceptions.HTTPError, OSError, ValueError, OpenApiException) as error:
        # ValueError: a cut-off or malformed body (JSON, pydantic).
        raise _lost(effect, error) from error


def _lost(effect: bool, error: Exception) -> Temporary | Unknown:
    message = f"Fireblocks' answer was lost: {type(error).__name__}"
    return Unknown(message) if effect else Temporary(message)


def _of_status(error: Any, *, effect: bool) -> Rejected | Temporary | Unknown:
    status = int(error.status or 0)
    if status == 429:
        headers = error.headers or {}
        wait = retry_after_seconds(headers.get("Retry-After"))
        return Temporary("Fireblocks' rate limit is reached.", code="429", retry_after=wait)
    if status >= 500 or status == 0:
        message = f"Fireblocks answered {status}."
        return (
            Unknown(message, code=str(status)) if effect else Temporary(message, code=str(status))
        )
    if status in (401, 403, 408):
        # A wrong key or clock is ours to mend; nothing was done.
        return Temporary(f"Fireblocks answered {status}.", code=str(status))
    if effect and status in (400, 409, 422):
        # May be the refusal of an external id that was used before: decided by look-up.
        return Unknown(f"Fireblocks refused with {status}.", code="refused")
    return Rejected(f"Fireblocks answered {status}.", code=str(status))


def _transaction_of(data: Any) -> VaultTransaction:
    if not data or not data.id or not data.status:
        raise Temporary("Fireblocks' answer holds no transaction.")
    signature = None
    signed = data.signed_messages or []
    if signed and signed[0].signature is not None:
        raw = signed[0].signature
        signature = RawSignature(
            content=str(signed[0].content),
            r=int(raw.r, 16),
            s=int(raw.s, 16),
            v=int(raw.v),
        )
    return VaultTransaction(
        id=str(data.id),
        external_tx_id=str(data.external_tx_id or ""),
        status=str(data.status),
        sub_status=str(data.sub_status or ""),
        signature=signature,
    )


def _create(request: dict[str, Any], *, number: int) -> str:
    """Send a transaction request; the custodian's id. Raises Rejected, Temporary or Unknown.

    `externalTxId` is refused for ever once it was used: that is what makes a transaction unique.
    The Idempotency-Key only replays an answer; after an internal error the custodian refuses the
    same one, so it carries the number of the sending (at most 40 characters).
    """
    from fireblocks.models.transaction_request import TransactionRequest

    data = _answer(
        _client().transactions.create_transaction,
        effect=True,
        idempotency_key=f"{request['externalTxId']}-{number}",
        transaction_request=TransactionRequest.from_dict(request),
    )
    if not data or not data.id:
        raise Unknown("Fireblocks' answer holds no transaction id.")
    return str(data.id)


def send_receipt(*, external_tx_id: str, number: int, asset: str, quantity: Decimal) -> str:
    """Move `quantity` receipts from the source vault into custody; the custodian's id.

    Raises Rejected, Temporary, or Unknown (also for a refusal that may mean "id used before").
    """
    return _create(
        {
            "operation": "TRANSFER",
            "externalTxId": external_tx_id,
            "assetId": asset,
            "source": {"type": "VAULT_ACCOUNT", "id": settings.FIREBLOCKS_RECEIPT_SOURCE_VAULT},
            "destination": {"type": "VAULT_ACCOUNT", "id": settings.FIREBLOCKS_CUSTODY_VAULT},
            "amount": plain(quantity),
            "note": "Custody receipt",
        },
        number=number,
    )


def ask_signature(*, external_tx_id: str, number: int, digest: bytes) -> str:
    """Ask for a RAW signature of a transaction hash by the minter vault; the custodian's id.

    Raises Rejected, Temporary or Unknown.
    """
    return _create(
        {
            "operation": "RAW",
            "externalTxId": external_tx_id,
            "assetId": settings.FIREBLOCKS_GAS_ASSET,
            "source": {"type": "VAULT_ACCOUNT", "id": settings.FIREBLOCKS_MINTER_VAULT},
            "note": "Mint",
            "extraParameters": {
                "rawMessageData": {
                    "messages": [{"content": digest.hex()}],
                    "algorithm": "MPC_ECDSA_SECP256K1",
                }
            },
        },
        number=number,
    )


def find_transaction(*, external_tx_id: str) -> VaultTransaction | None:
    """Look a transaction up by our own id; None when the custodian has none. Raises Temporary."""
    try:
        data = _answer(
            _client().transactions.get_transaction_by_external_id,
            effect=False,
            external_tx_id=external_tx_id,
        )
    except Rejected as error:
        if error.code == "404":
            return None
        raise
    return _transaction_of(data)


def get_transaction(*, tx_id: str) -> VaultTransaction:
    """Read a transaction by the custodian's id; raises Temporary or Rejected.

    The custodian gave us the id, so "not found" is Temporary: it is not found yet.
    """
    try:
        data = _answer(_client().transactions.get_transaction, effect=False, tx_id=tx_id)
    except Rejected as error:
        if error.code == "404":
            raise Temporary("Fireblocks does not find the transaction.", code="404") from error
        raise
    return _transaction_of(data)


def balance(*, vault: str, asset: str) -> VaultBalance:
    """Balance of an asset in a vault account; 0 where it holds none. Raises Temporary."""
    try:
        data = _answer(
            _client().vaults.get_vault_account_asset,
            effect=False,
            vault_account_id=vault,
            asset_id=asset,
        )
    except Rejected as error:
        if error.code == "404":
            return VaultBalance(total=Decimal(0), available=Decimal(0), raw=None)
        raise
    return VaultBalance(
        total=decimal_of(data.total or "0"),
        available=decimal_of(data.available or "0"),
        raw=data.to_dict(),
    )


def newest_transfers(
    *, asset: str, source: str = "", destination: str = "", before: int | None = None
) -> list[VaultTransfer]:
    """A page of an asset's transactions out of or into a vault account, newest first.

    `before` is `created_at` of the last one of the page before. Raises Temporary or Rejected.
    """
    found = _answer(
        _client().transactions.get_transactions,
        effect=False,
        assets=asset,
        source_id=source or None,
        dest_id=destination or None,
        before=None if before is None else str(before),
        after="1",  # else the vendor leaves out what is older than 90 days
        order_by="createdAt",
        sort="DESC",
        limit=_LONGEST_PAGE,
    )
    return [_transfer_of(data) for data in found or []]


def _transfer_of(data: Any) -> VaultTransfer:
    return VaultTransfer(
        id=str(data.id),
        external_tx_id=str(data.external_tx_id or ""),
        status=str(data.status),
        quantity=decimal_of((data.amount_info and data.amount_info.amount) or "0"),
        source=str((data.source and data.source.id) or ""),
        destination=str((data.destination and data.destination.id) or ""),
        created_at=int(data.created_at or 0),
    )


def minter_address() -> str:
    """The EVM address whose key the minter vault holds; raises Temporary or Rejected."""
    data = _answer(
        _client().vaults.get_vault_account_asset_addresses_paginated,
        effect=False,
        vault_account_id=settings.FIREBLOCKS_MINTER_VAULT,
        asset_id=settings.FIREBLOCKS_GAS_ASSET,
    )
    addresses = data.addresses or []
    if not addresses or not addresses[0].address:
        raise Rejected("The minter vault has no address for the chain's gas asset.", code="vault")
    return str(addresses[0].address)
