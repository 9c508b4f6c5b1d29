"""Sanctions and PEP screening (ID-2): docs/screening.md.

`lists` loads them, `matching` looks a person up and takes officers' decisions, `everybody` looks all
people up again.
"""

from kyc.screening.matching import (
    ScreeningError,
    confirm,
    dismiss,
    is_ready,
    propose_dismissal,
    propose_reopening,
    screen,
)
from kyc.selectors import open_matches

__all__ = [
    "ScreeningError",
    "confirm",
    "dismiss",
    "is_ready",
    "open_matches",
    "propose_dismissal",
    "propose_reopening",
    "screen",
]
