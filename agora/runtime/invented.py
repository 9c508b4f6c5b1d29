"""Invented facts about demo people."""

import random
import secrets

from stdnum.br import cpf


def any_cpf() -> str:
    """A CPF with a right checksum, of nobody in particular."""
    digits = f"{random.SystemRandom().randrange(10_000_000, 999_999_999):09d}"
    return next(number for check in range(100) if cpf.is_valid(number := f"{digits}{check:02d}"))


def any_address() -> str:
    """A wallet address whose key nobody has."""
    return "0x" + secrets.token_hex(20)
