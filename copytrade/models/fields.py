"""Column types that every table of copy trading shares."""

from typing import Any

from django.db import models


def amount(label: Any = None, **options: Any) -> "models.DecimalField[Any, Any]":
    """An exact amount, quantity or price of any asset: up to 18 digits either side of the point."""
    return models.DecimalField(label, max_digits=36, decimal_places=18, **options)
