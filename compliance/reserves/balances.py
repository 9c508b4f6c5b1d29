"""Balances that events add up to, compared with those that the contract itself tells.

A node that leaves out a transfer between two holders leaves the sum as it was, so that nothing else
would show whose tokens they are.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from compliance.models import ChainTransfer
from compliance.reserves.chain_index import Token
from compliance.reserves.liabilities import Holder
from tokens import events

MOST = 2_000  # holders asked about; with more of them, these are chosen
_NEWEST = 500  # transfers whose two addresses come first; the others are drawn at random


@dataclass(frozen=True)
class Compared:
    """How many balances the contract was asked for, and how many of them events tell otherwise."""

    asked: int
    wrong: int


def compare(*, token: Token, holders: Sequence[Holder], block: int) -> Compared:
    """Ask the contract for every holder's balance at a block, for 2,000 at most; raises Temporary."""
    chosen = holders if len(holders) <= MOST else _some(token, holders)
    told = events.balances([holder.address for holder in chosen], block=block)
    wrong = sum(each.units != units for each, units in zip(chosen, told, strict=True))
    return Compared(len(chosen), wrong)


def _some(token: Token, holders: Sequence[Holder]) -> list[Holder]:
    transfers = ChainTransfer.objects.filter(**token._asdict())
    newest = transfers.order_by("-block_number", "-log_index")[:_NEWEST]
    pairs = newest.values_list("from_address", "to_address")
    moved = {address for pair in pairs for address in pair}
    first = [holder for holder in holders if holder.address in moved]
    rest = [holder for holder in holders if holder.address not in moved]
    return first + random.SystemRandom().sample(rest, min(len(rest), MOST - len(first)))
