"""Many mints at once: every nonce is used once and none is left out (RAT-008)."""

from typing import Any

import pytest
from django.conf import settings
from django.db import transaction

from agora.sandbox.client import SandboxControl
from tests.conftest import Chain
from tests.faults.evidence import Books
from tests.people import onboarded
from tests.settling import place, settle
from tests.threads import at_once
from tokens import chain as evm
from tokens.models import MintTx, NonceCounter
from tokens.services import take_nonce
from trading.models import Order
from trading.states import State

pytestmark = pytest.mark.django_db(transaction=True)
SENDER = "0x8617E340B3D01FA5F11F306F4090FD50E238070D"


class Undone(Exception):
    """Ends a transaction without its effect."""


def test_nonces_are_taken_without_gap_or_repeat_even_when_some_takers_fail() -> None:
    def take(number: int) -> int:
        with transaction.atomic():
            nonce = take_nonce(sender=SENDER, chain_nonce=5)
            if number % 3 == 0:
                raise Undone
        return nonce

    answers: list[Any] = at_once(24, take)

    taken = sorted(answer for answer in answers if isinstance(answer, int))
    assert sum(isinstance(answer, Undone) for answer in answers) == 8
    assert taken == list(range(5, 21))


def test_a_counter_that_lags_behind_the_chain_is_lifted_to_it() -> None:
    with transaction.atomic():
        first = take_nonce(sender=SENDER, chain_nonce=0)
        second = take_nonce(sender=SENDER, chain_nonce=40)
        third = take_nonce(sender=SENDER, chain_nonce=7)

    assert (first, second, third) == (0, 40, 41)


def test_orders_that_settle_together_mint_once_each_at_consecutive_nonces(
    sandbox: SandboxControl, chain: Chain
) -> None:
    orders = [
        settle(place(onboarded(), quantity="0.02"), chain=chain, until={State.CUSTODY_CONFIRMED})
        for _ in range(6)
    ]

    settled = at_once(6, lambda number: settle(orders[number], chain=chain))

    assert [getattr(o, "state", o) for o in settled] == [State.MINT_CONFIRMED] * 6
    mints = MintTx.objects.filter(reference__in=[order.pk for order in orders])
    nonces = sorted(mint.nonce or 0 for mint in mints)
    assert nonces == list(range(nonces[0], nonces[0] + 6))
    counter = NonceCounter.objects.get(chain_id=settings.CHAIN_ID)
    assert counter.next_nonce == nonces[-1] + 1 == evm.mined_nonce(counter.sender)
    books = Books(sandbox)
    assert [books.of(order).mints for order in Order.objects.all()] == [1] * 6
