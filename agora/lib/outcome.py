"""What became of an outside call: refused, certainly not done, or unknown (ARCHITECTURE 2).

Adapters translate every vendor failure into exactly one of these three; nothing else leaves them.
"""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST_WAIT = 24 * 60 * 60.0


class OutsideError(Exception):
    """Base of the three outcomes; `message` is safe to store: no secret, no personal data."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class Rejected(OutsideError):
    """The vendor refused for good; sending the same again would be refused again."""


class Temporary(OutsideError):
    """Certainly not done; may be sent again after `retry_after` seconds (None: usual back-off)."""

    def __init__(self, message: str, *, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class Unknown(OutsideError):
    """May have been done. Look it up by its key before anything is sent again."""


def retry_after_seconds(value: str | None) -> float | None:
    """Read a Retry-After header (seconds or HTTP date, RFC 9110 10.2.3), at most a day.

    None when it is unreadable.
    """
    if not value:
        return None
    try:
        wait = float(value)
    except ValueError:
        try:
            wait = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return min(max(0.0, wait), _LONGEST_WAIT) if math.isfinite(wait) else None
