"""Nothing is bought or minted for an address that somebody else has proved meanwhile (RAT-012)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import wallets
from accounts.models import User, Wallet
from accounts.wallet_proofs import finish_proof, start_proof
from accounts.wallets import WalletRefused
from agora.sandbox.client import SandboxControl
from tests.conftest import Chain
from tests.people import new_user
from tests.settling import place, settle
from tests.signing import Signer, no_contract
from tokens.models import MintAttempt
from trading.models import Order
from trading.services import try_again
from trading.states import State
from trading.tasks import sweep_orders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("chain", "sandbox")]


def prove(user: User, key: Signer, *, purpose: str = "verify") -> None:
    now = timezone.now()
    proof = start_proof(user=user, purpose=purpose, address=key.address, now=now)
    signature = key.sign(proof.message)
    finish_proof(user=user, proof_id=proof.pk, signature=signature, contract=no_contract, now=now)


def move(user: User) -> None:
    """Use another wallet from now on."""
    prove(user, Signer(), purpose="change")
    wallets.apply_due(now=timezone.now() + timedelta(days=2))


def contest(key: Signer) -> None:
    """Somebody else proves the address while an order to it is under way."""
    with pytest.raises(WalletRefused, match="wallet_disputed"):
        prove(new_user(), key)


def assert_not_bought(order: Order, sandbox: SandboxControl) -> None:
    assert (order.state, order.reason) == (State.REJECTED, "wallet_disputed")
    assert order.reserved_usd == 0
    assert [o for o in sandbox.orders() if o["client_order_id"] == order.client_order_id] == []


@pytest.fixture
def key(buyer: User) -> Signer:
    """Of the address that the buyer has typed."""
    key = Signer()
    Wallet.objects.filter(user=buyer).update(address=key.address)
    buyer.refresh_from_db()
    return key


def test_an_order_that_was_not_sent_yet_is_not_sent(
    buyer: User, key: Signer, chain: Chain, sandbox: SandboxControl
) -> None:
    order = place(buyer)
    contest(key)

    assert_not_bought(settle(order, chain=chain), sandbox)


def test_nor_is_it_once_its_owner_uses_another_wallet(
    buyer: User, key: Signer, chain: Chain, sandbox: SandboxControl
) -> None:
    order = place(buyer)
    contest(key)
    move(buyer)

    assert_not_bought(settle(order, chain=chain), sandbox)


def test_nor_is_it_when_the_address_is_proved_after_its_owner_left_it(
    buyer: User, key: Signer, chain: Chain, sandbox: SandboxControl
) -> None:
    order = place(buyer)
    move(buyer)
    prove(new_user(), key)

    assert_not_bought(settle(order, chain=chain), sandbox)


def test_nor_is_it_when_its_owner_has_no_wallet_any_more(
    buyer: User, key: Signer, chain: Chain, sandbox: SandboxControl
) -> None:
    order = place(buyer)
    Wallet.objects.filter(user=buyer).delete()

    assert_not_bought(settle(order, chain=chain), sandbox)


def test_an_order_to_a_wallet_that_its_owner_left_goes_on(
    buyer: User, key: Signer, chain: Chain
) -> None:
    order = place(buyer)
    move(buyer)

    order = settle(order, chain=chain, until={State.MINTING})
    assert order.mint is not None
    assert (order.state, order.mint.to_address) == (State.MINTING, key.address)


def test_what_was_bought_is_minted_once_its_owner_has_proved_the_wallet(
    buyer: User, key: Signer, chain: Chain
) -> None:
    order = settle(place(buyer), chain=chain, until={State.CUSTODY_CONFIRMED})
    contest(key)

    order = settle(order, chain=chain)
    assert (order.state, order.attention, order.mint) == (State.CUSTODY_CONFIRMED, True, None)

    prove(buyer, key)
    sweep_orders()
    assert settle(order, chain=chain).state == State.MINT_CONFIRMED


def test_a_mint_that_was_not_sent_is_kept_back_and_goes_on_once_its_owner_has_proved_the_wallet(
    buyer: User, key: Signer, chain: Chain
) -> None:
    order = settle(place(buyer), chain=chain, until={State.MINTING})
    contest(key)

    for _try in range(2):
        order = settle(order, chain=chain)
        assert (order.state, order.attention) == (State.MINTING, True)
        assert "proved the wallet" in order.last_error
        assert not MintAttempt.objects.filter(mint=order.mint, asked_at__isnull=False).exists()
        try_again(order_ids=[order.pk], actor="system:test", now=timezone.now())

    prove(buyer, key)
    assert settle(order, chain=chain).state == State.MINT_CONFIRMED
