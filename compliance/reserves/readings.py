"""Asking broker, custodian and chain, so that what happens meanwhile does not look like a break.

Broker and custodian tell a total of the moment, our records lag behind them, and fills go on. So
what is open is asked for one by one before and after the totals; if nothing moved between, totals
and records are of one moment. If something always moves, the bounds of the two looks explain it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.utils import timezone

from agora.lib.outcome import Temporary
from compliance.reserves import books
from compliance.reserves.books import ZERO, Books, Item
from compliance.reserves.chain_index import Token
from custody import vault
from trading import broker
from trading.states import NOT_BOUGHT

_LOOKS = 4
Pulse = Callable[[], None]


@dataclass(frozen=True)
class Source:
    """One source's answer: when it was asked, when it had answered (UTC), its own words."""

    name: str
    asked_at: datetime
    answered_at: datetime
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class Look:
    """Our records, and what broker and custodian say of each open item (by its place)."""

    books: Books
    at_broker: Mapping[Item, Decimal]
    in_custody: Mapping[Item, Decimal]

    @property
    def broker_total(self) -> Decimal:
        return self.books.matched + sum(self.at_broker.values(), ZERO)

    @property
    def custody_total(self) -> Decimal:
        return self.books.matched + sum(self.in_custody.values(), ZERO)


class Bounds(NamedTuple):
    """A quantity that is known from two sides only, both included."""

    least: Decimal
    most: Decimal

    def hold(self, quantity: Decimal) -> bool:
        """Whether the quantity may be it."""
        return self.least <= quantity <= self.most


@dataclass(frozen=True)
class Readings:
    """Totals between two looks; `steady` when nothing moved from the first to the second."""

    position: Decimal
    vault_balance: Decimal
    before: Look
    after: Look
    sources: list[Source] = field(default_factory=list)

    @property
    def steady(self) -> bool:
        return _totals(self.before) == _totals(self.after)

    @property
    def broker_rest(self) -> "Bounds":
        """Shares at the broker beyond those of known orders: at least and at most."""
        return Bounds(
            self.position - self.after.broker_total, self.position - self.before.broker_total
        )

    @property
    def custody_rest(self) -> "Bounds":
        """Receipts at the custodian beyond those of known records: at least and at most."""
        return Bounds(
            self.vault_balance - self.after.custody_total,
            self.vault_balance - self.before.custody_total,
        )


def gather(*, symbol: str, token: Token, block: int, pulse: Pulse) -> Readings:
    """Ask until nothing moves between two looks, four times at most; raises OutsideError."""
    before = _look(symbol=symbol, token=token, block=block, pulse=pulse)
    for _number in range(_LOOKS):
        readings = _between(before, symbol=symbol, token=token, block=block, pulse=pulse)
        if readings.steady:
            break
        before = readings.after
    return readings


def _totals(look: Look) -> tuple[Decimal, Decimal]:
    # Fills and completed transfers only ever add up, so equal totals mean that nothing moved.
    return look.broker_total, look.custody_total


def _between(before: Look, *, symbol: str, token: Token, block: int, pulse: Pulse) -> Readings:
    asked = timezone.now()
    position = broker.position(symbol=symbol)
    told = timezone.now()
    held = vault.balance(
        vault=settings.FIREBLOCKS_CUSTODY_VAULT, asset=settings.FIREBLOCKS_RECEIPT_ASSET
    )
    answered = timezone.now()
    after = _look(symbol=symbol, token=token, block=block, pulse=pulse)
    return Readings(
        position=position.quantity,
        vault_balance=held.total,
        before=before,
        after=after,
        sources=[
            Source("broker", asked, told, {"symbol": symbol, "answer": position.raw}),
            Source("custodian", told, answered, _vault_evidence(held)),
            Source("our records", answered, timezone.now(), _books_evidence(after)),
        ],
    )


def _vault_evidence(held: vault.VaultBalance) -> dict[str, Any]:
    return {
        "vault": settings.FIREBLOCKS_CUSTODY_VAULT,
        "asset": settings.FIREBLOCKS_RECEIPT_ASSET,
        "answer": held.raw,
    }


def _books_evidence(look: Look) -> dict[str, Any]:
    return {
        "orders_alike_on_every_leg": look.books.matched_orders,
        "their_quantity": str(look.books.matched),
        "other_rows": len(look.books.items),
    }


def _look(*, symbol: str, token: Token, block: int, pulse: Pulse) -> Look:
    pulse()
    found = books.read(symbol=symbol, token=token, block=block)
    at_broker: dict[Item, Decimal] = {}
    in_custody: dict[Item, Decimal] = {}
    for item in found.items:
        at_broker[item] = _filled(item) if item.leg in NOT_BOUGHT else item.ordered
        in_custody[item] = _arrived(item) if item.wanted > item.recorded else item.recorded
        pulse()
    return Look(found, at_broker, in_custody)


def _filled(item: Item) -> Decimal:
    """What the broker has filled of an order that may still be open there; 0 of one unknown there."""
    try:
        found = (
            broker.get_order(broker_order_id=item.broker_order_id)
            if item.broker_order_id
            else broker.find_order(client_order_id=item.client_order_id)
        )
    except Temporary as error:
        if error.code != broker.NOT_FOUND:
            raise
        return ZERO
    return found.filled_quantity if found else ZERO


def _arrived(item: Item) -> Decimal:
    """What the custodian has booked of a transfer that is not completed in our records."""
    found = vault.find_transaction(external_tx_id=item.transfer_id)
    return item.wanted if found and found.is_completed else ZERO
