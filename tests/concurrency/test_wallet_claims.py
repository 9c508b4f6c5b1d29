"""An order and a proof of its wallet by somebody else at the same moment: one knows of the other."""

from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import User, Wallet
from accounts.wallet_proofs import finish_proof, start_proof
from accounts.wallets import WalletRefused
from kyc.models import DailyLimit
from tests.people import new_address, new_user, onboarded
from tests.quoting import a_quote
from tests.signing import Signer, no_contract
from tests.threads import after
from trading.models import Order
from trading.services import OrderRefused, place_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key() -> Signer:
    """Of the address that the buyer has typed whose it is not."""
    return Signer()


@pytest.fixture
def claimer(key: Signer) -> User:
    person = onboarded()
    Wallet.objects.filter(user=person).update(address=key.address)
    return as_read_before(person)


def as_read_before(person: User) -> User:
    """The person with the wallet that a request read before its transaction began."""
    return User.objects.select_related("wallet", "kyc_application").get(pk=person.pk)


def prove(key: Signer) -> User:
    user, now = new_user(), timezone.now()
    proof = start_proof(user=user, purpose="verify", address=key.address, now=now)
    finish_proof(
        user=user,
        proof_id=proof.pk,
        signature=key.sign(proof.message),
        contract=no_contract,
        now=now,
    )
    return user


def buy(user: User) -> Order:
    return place_order(
        user=user,
        quantity=Decimal("0.1"),
        quote=a_quote(),
        source="page",
        placement_key=None,
        now=timezone.now(),
    )


def test_who_proves_the_wallet_of_an_order_being_placed_finds_the_order(
    claimer: User, key: Signer
) -> None:
    order, refused = after(lambda: buy(claimer), lambda: prove(key))

    assert isinstance(order, Order)
    assert isinstance(refused, WalletRefused)
    assert refused.code == "wallet_disputed"
    assert Wallet.objects.get(address=key.address).user == claimer


def test_who_orders_while_the_wallet_is_being_proved_is_refused(claimer: User, key: Signer) -> None:
    prover, refused = after(lambda: prove(key), lambda: buy(claimer))

    assert Wallet.objects.get(address=key.address).user == prover
    assert isinstance(refused, OrderRefused)
    assert refused.code == "no_wallet"
    assert not Order.objects.exists()
    assert DailyLimit.objects.get().used_usd == 0


def test_who_orders_while_the_wallet_becomes_disputed_is_refused(
    claimer: User, key: Signer
) -> None:
    buy(claimer)
    before = as_read_before(claimer)
    with pytest.raises(WalletRefused, match="wallet_disputed"):
        prove(key)

    with pytest.raises(OrderRefused, match="wallet_disputed"):
        buy(before)

    assert Order.objects.count() == 1


def test_who_orders_while_the_wallet_changes_reviews_it_again(claimer: User) -> None:
    Wallet.objects.filter(user=claimer).update(address=new_address())

    with pytest.raises(OrderRefused, match="changed_meanwhile"):
        buy(claimer)

    assert not Order.objects.exists()
