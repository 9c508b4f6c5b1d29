"""An order is led from the broker through custody to the mint (RAT-005 to RAT-008)."""

from decimal import Decimal

import pytest

from agora.sandbox.client import SandboxControl
from tests.conftest import Chain
from tests.people import onboarded
from tests.settling import place, settle
from tokens import chain as evm
from trading.states import State

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("chain")]


def test_a_filled_order_ends_with_its_tokens_minted(sandbox: SandboxControl, chain: Chain) -> None:
    order = settle(place(onboarded(), quantity="0.5"), chain=chain)

    assert order.state == State.MINT_CONFIRMED
    assert order.filled_quantity == Decimal("0.5")
    assert order.mint is not None
    assert evm.token_balance(order.wallet_address, block=evm.block_number()) == 5 * 10**17
