"""Binance's refusals: HTTP status, code and text as in errors.md of binance-spot-api-docs."""

from __future__ import annotations

from agora.sandbox.wire import Json, VendorError


def refuse(
    *, code: int, message: str, status: int = 400, headers: dict[str, str] | None = None
) -> VendorError:
    return VendorError(status=status, body={"code": code, "msg": message}, headers=headers)


def missing(name: str) -> VendorError:
    return refuse(
        code=-1102,
        message=f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
    )


def both_missing(first: str, second: str) -> VendorError:
    return refuse(
        code=-1102,
        message=f"Param '{first}' or '{second}' must be sent, but both were empty/null!",
    )


def illegal(name: str, pattern: str) -> VendorError:
    return refuse(
        code=-1100,
        message=f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'.",
    )


def not_required(name: str) -> VendorError:
    return refuse(code=-1106, message=f"Parameter '{name}' sent when not required.")


def bad_symbol() -> VendorError:
    return refuse(code=-1121, message="Invalid symbol.")


def bad_key_format() -> VendorError:
    return refuse(status=401, code=-2014, message="API-key format invalid.")


def rejected_key() -> VendorError:
    return refuse(status=401, code=-2015, message="Invalid API-key, IP, or permissions for action.")


def bad_signature() -> VendorError:
    return refuse(code=-1022, message="Signature for this request is not valid.")


def late() -> VendorError:
    return refuse(code=-1021, message="Timestamp for this request is outside of the recvWindow.")


def early() -> VendorError:
    return refuse(
        code=-1021,
        message="Timestamp for this request was 1000ms ahead of the server's time.",
    )


def filter_failure(name: str) -> VendorError:
    return refuse(code=-1013, message=f"Filter failure: {name}")


def rejected(message: str) -> VendorError:
    """The matching engine refuses a new order."""
    return refuse(code=-2010, message=message)


def insufficient_balance() -> VendorError:
    return rejected("Account has insufficient balance for requested action.")


def unknown_order() -> VendorError:
    """The matching engine has no such open order to cancel."""
    return refuse(code=-2011, message="Unknown order sent.")


def no_such_order() -> VendorError:
    return refuse(code=-2013, message="Order does not exist.")


def wrong_client_id() -> VendorError:
    return refuse(code=-2039, message="Client order ID is not correct for this order ID.")


def cancel_replace(*, status: int, data: Json) -> VendorError:
    """The two-part failure of order/cancelReplace; 409 when one half of it happened."""
    code, text = (-2021, "partially failed") if _happened(data) else (-2022, "failed")
    body = {"code": code, "msg": f"Order cancel-replace {text}.", "data": data}
    return VendorError(status=status, body=body)


def _happened(data: Json) -> bool:
    return "SUCCESS" in (data["cancelResult"], data["newOrderResult"])
