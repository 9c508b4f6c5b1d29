"""Alpaca's documented refusals: status, numeric code and message."""

from __future__ import annotations

from decimal import Decimal

from agora.sandbox.wire import Json, VendorError, plain


def refuse(*, status: int, code: int, message: str, **extra: str) -> VendorError:
    body: Json = {**extra, "code": code, "message": message}
    return VendorError(status=status, body=body)


def unauthorized() -> VendorError:
    return refuse(status=401, code=40110000, message="request is not authorized")


def forbidden_keys() -> VendorError:
    # Wrong keys get a bare message without a code from the vendor.
    return VendorError(status=403, body={"message": "forbidden."})


def malformed(message: str) -> VendorError:
    return refuse(status=400, code=40010000, message=message)


def invalid(message: str) -> VendorError:
    return refuse(status=422, code=40010001, message=message)


def unprocessable(message: str) -> VendorError:
    return refuse(status=422, code=42210000, message=message)


def forbidden(message: str) -> VendorError:
    return refuse(status=403, code=40310000, message=message)


def no_buying_power(*, buying_power: Decimal, cost: Decimal) -> VendorError:
    return refuse(
        status=403,
        code=40310000,
        message="insufficient buying power",
        buying_power=plain(buying_power),
        cost_basis=plain(cost),
    )


def order_not_found(key: str) -> VendorError:
    return refuse(status=404, code=40410000, message=f"order not found for {key}")


def position_not_found() -> VendorError:
    return refuse(status=404, code=40410000, message="position does not exist")


def too_many_requests(headers: dict[str, str]) -> VendorError:
    body: Json = {"code": 42910000, "message": "too many requests."}
    return VendorError(status=429, body=body, headers=headers)
