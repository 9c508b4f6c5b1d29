"""Fireblocks' documented refusals (developers.fireblocks.com/reference/api-responses).

Codes are given where the vendor documents one; otherwise the body has a message only.
"""

from __future__ import annotations

from agora.sandbox.wire import Json, VendorError


def refuse(*, status: int, message: str, code: int | None = None) -> VendorError:
    body: Json = {"message": message}
    if code is not None:
        body["code"] = code
    return VendorError(status=status, body=body)


def unauthorized(*, message: str, code: int) -> VendorError:
    return refuse(status=401, message=message, code=code)


def bad_request(message: str, *, code: int | None = None) -> VendorError:
    return refuse(status=400, message=message, code=code)


def duplicate_external_tx_id() -> VendorError:
    return bad_request(
        "The external tx id that was provided in the request, already exists", code=1438
    )


def key_after_internal_error() -> VendorError:
    return bad_request(
        "This operation doesn't support the usage of the same idempotency key"
        " after an internal error"
    )


def vault_not_found(vault_id: str) -> VendorError:
    return refuse(status=404, message=f"Vault account {vault_id} was not found", code=1004)


def asset_not_found(asset_id: str) -> VendorError:
    return refuse(status=404, message=f"Asset {asset_id} doesn't exist", code=1006)


def transaction_not_found() -> VendorError:
    return refuse(status=404, message="Transaction not found")
