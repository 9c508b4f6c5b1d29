"""An address that somebody merely typed keeps nobody out who proves that it is theirs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from accounts.models import Notice, User, Wallet, WalletChange, WalletProof
from accounts.services import AddressTaken, set_wallet
from accounts.wallet_proofs import finish_proof, start_proof
from accounts.wallets import WalletRefused, apply_due, is_lost
from compliance.models import AuditRow
from tests.people import new_officer, new_user, onboarded
from tests.quoting import a_quote
from tests.signing import Signer, no_contract
from tokens.models import MintTx
from trading.models import Order
from trading.services import OrderRefused, place_order

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def prove(user: User, key: Signer, *, purpose: str = "verify", now: datetime = NOW) -> WalletProof:
    proof = start_proof(user=user, purpose=purpose, address=key.address, now=now)
    return finish_proof(
        user=user,
        proof_id=proof.pk,
        signature=key.sign(proof.message),
        contract=no_contract,
        now=now,
    )


def owner_of(address: str) -> User | None:
    wallet = Wallet.objects.filter(address=address).first()
    return wallet.user if wallet else None


@pytest.fixture
def key() -> Signer:
    """Of the address that somebody has typed whose it is not."""
    return Signer()


@pytest.fixture
def claimer(key: Signer) -> User:
    """Somebody approved who typed it."""
    person = onboarded(now=NOW)
    Wallet.objects.filter(user=person).update(address=key.address)
    return person


@pytest.fixture
def prover() -> User:
    return new_user()


def buy(user: User, *, now: datetime = NOW) -> Order:
    return place_order(
        user=User.objects.get(pk=user.pk),
        quantity=Decimal("0.1"),
        quote=a_quote(now=now),
        source="page",
        placement_key=None,
        now=now,
    )


def test_who_proves_it_gets_it_before_the_onboarding(
    key: Signer, claimer: User, prover: User
) -> None:
    with pytest.raises(AddressTaken):
        set_wallet(user=prover, address=key.address, now=NOW)

    prove(prover, key)

    assert owner_of(key.address) == prover
    assert set_wallet(user=prover, address=key.address, now=NOW).verified_at == NOW


def test_who_proves_it_gets_it_after_the_cool_down_of_a_change(
    key: Signer, claimer: User, prover: User
) -> None:
    set_wallet(user=prover, address=Signer().address, now=NOW)

    prove(prover, key, purpose="change")

    assert owner_of(key.address) is None
    assert apply_due(now=NOW + timedelta(days=2)) == 1
    assert owner_of(key.address) == prover


def test_who_had_typed_it_is_told_and_links_another_one(
    key: Signer, claimer: User, prover: User
) -> None:
    prove(prover, key)

    assert not Wallet.objects.filter(user=claimer).exists()
    (notice,) = Notice.objects.filter(user=claimer, kind="wallet-claim")
    assert "Link another wallet" in notice.body
    row = AuditRow.objects.get(action="wallet.unlinked")
    assert (row.object_id, row.evidence) == (str(claimer.pk), {"address": key.address})
    with pytest.raises(OrderRefused, match="no_wallet"):
        buy(claimer)

    other = Signer()
    prove(claimer, other)
    assert owner_of(other.address) == claimer
    buy(claimer)


def test_an_address_with_orders_is_a_case_for_people(
    key: Signer, claimer: User, prover: User
) -> None:
    order = buy(claimer)

    for _try in range(2):
        with pytest.raises(WalletRefused, match="wallet_disputed"):
            prove(prover, key)

    assert owner_of(key.address) == claimer
    assert not Wallet.objects.filter(user=prover).exists()
    assert Notice.objects.filter(user=claimer, kind="wallet-claim").count() == 1
    row = AuditRow.objects.get(action="wallet.disputed")
    assert (row.object_id, row.evidence) == (str(claimer.pk), {"address": key.address})
    with pytest.raises(OrderRefused, match="wallet_disputed"):
        buy(claimer)
    order.refresh_from_db()
    assert order.wallet_address == key.address


def test_officers_are_told_once_of_a_dispute_and_not_whose_it_is(
    client: Client, key: Signer, claimer: User, prover: User
) -> None:
    officer, bystander = new_officer("cancel_walletchange", "view_wallet"), new_officer()
    undisputed = onboarded(now=NOW)
    buy(claimer)

    for _try in range(2):
        with pytest.raises(WalletRefused, match="wallet_disputed"):
            prove(prover, key)

    notice = Notice.objects.get(kind="wallet-dispute")
    assert (notice.user, notice.next_attempt_at) == (officer, NOW)
    assert notice.user != bystander
    told = f"{notice.title} {notice.text}"
    assert not any(word in told for word in (key.address, claimer.email, prover.email))
    client.force_login(officer)
    page = client.get(notice.url).content.decode()
    assert key.address in page
    assert undisputed.wallet.address not in page


def test_an_officer_is_not_told_of_a_dispute_of_their_own(key: Signer, claimer: User) -> None:
    officer = new_officer("cancel_walletchange")
    buy(claimer)

    with pytest.raises(WalletRefused, match="wallet_disputed"):
        prove(officer, key)

    assert not Notice.objects.filter(kind="wallet-dispute").exists()


def test_a_cancelled_order_leaves_nothing_to_dispute(
    key: Signer, claimer: User, prover: User
) -> None:
    Order.objects.filter(pk=buy(claimer).pk).update(state="CANCELLED")

    prove(prover, key)

    assert owner_of(key.address) == prover


def test_an_order_that_failed_without_a_mint_leaves_nothing_to_dispute(
    key: Signer, claimer: User, prover: User
) -> None:
    order = buy(claimer)
    mint = MintTx.objects.create(
        reference=order.pk,
        broker_trade_id="b-1",
        to_address=key.address,
        units=10**17,
        chain_id=31337,
        contract="0x" + "1" * 40,
        state="FAILED",
        created_at=NOW,
    )
    Order.objects.filter(pk=order.pk).update(state="FAILED", mint=mint)

    prove(prover, key)

    assert owner_of(key.address) == prover


def test_a_dispute_ends_with_a_proof_of_the_one_who_typed(
    key: Signer, claimer: User, prover: User
) -> None:
    buy(claimer)
    with pytest.raises(WalletRefused):
        prove(prover, key)

    prove(claimer, key)

    buy(claimer)
    with pytest.raises(WalletRefused, match="wallet_taken"):
        prove(prover, key)


def test_a_dispute_ends_with_another_wallet(key: Signer, claimer: User, prover: User) -> None:
    buy(claimer)
    with pytest.raises(WalletRefused):
        prove(prover, key)

    prove(claimer, Signer(), purpose="change")
    later = NOW + timedelta(days=2)
    apply_due(now=later)

    buy(claimer, now=later)
    prove(prover, key, now=later)
    assert owner_of(key.address) == prover


def test_a_change_that_waits_needs_no_wallet_of_before(
    key: Signer, claimer: User, prover: User
) -> None:
    other = Signer()
    prove(claimer, other, purpose="change")
    prove(prover, key)
    with pytest.raises(WalletRefused, match="change_pending"):
        prove(claimer, Signer())

    apply_due(now=NOW + timedelta(days=2))

    assert owner_of(other.address) == claimer
    assert WalletChange.objects.get().state == "applied"


def test_a_proof_that_is_refused_for_something_else_takes_nothing(
    key: Signer, claimer: User, prover: User
) -> None:
    set_wallet(user=prover, address=Signer().address, now=NOW)
    other = Signer()
    early = [
        start_proof(user=prover, purpose="change", address=k.address, now=NOW) for k in (key, other)
    ]
    prove(prover, Signer(), purpose="change")

    for proof, signer in zip(early, (key, other), strict=True):
        with pytest.raises(WalletRefused, match="change_pending"):
            finish_proof(
                user=prover,
                proof_id=proof.pk,
                signature=signer.sign(proof.message),
                contract=no_contract,
                now=NOW,
            )

    assert owner_of(key.address) == claimer
    assert not Notice.objects.filter(kind="wallet-claim").exists()


def test_nothing_is_told_to_a_closed_account(key: Signer, claimer: User, prover: User) -> None:
    User.objects.filter(pk=claimer.pk).update(is_active=False)

    prove(prover, key)

    assert owner_of(key.address) == prover
    assert not Notice.objects.filter(user=claimer).exists()


def leave(user: User, *, now: datetime = NOW) -> datetime:
    """Use another wallet; the moment from which it is theirs."""
    prove(user, Signer(), purpose="change", now=now)
    later = now + timedelta(days=2)
    assert apply_due(now=later) == 1
    return later


def without_proofs() -> None:
    """As after the time for which proofs are kept, or an erasure."""
    WalletProof.objects.all().delete()


def test_an_address_is_lost_once_another_has_proved_it_after_its_owner_left(
    key: Signer, claimer: User, prover: User
) -> None:
    later = leave(claimer)
    assert not is_lost(user_id=claimer.pk, address=key.address)

    prove(prover, key, now=later)
    assert is_lost(user_id=claimer.pk, address=key.address)
    without_proofs()
    assert is_lost(user_id=claimer.pk, address=key.address)


def test_an_address_that_was_left_in_dispute_stays_lost(
    key: Signer, claimer: User, prover: User
) -> None:
    buy(claimer)
    with pytest.raises(WalletRefused, match="wallet_disputed"):
        prove(prover, key)
    leave(claimer)

    without_proofs()
    assert is_lost(user_id=claimer.pk, address=key.address)


def test_who_had_the_address_before_takes_nothing_from_who_has_it_since(
    key: Signer, prover: User
) -> None:
    prove(prover, key)
    later = leave(prover)
    owner = new_user()
    prove(owner, key, now=later)
    leave(owner, now=later)

    assert not is_lost(user_id=owner.pk, address=key.address)
    assert is_lost(user_id=prover.pk, address=key.address)
