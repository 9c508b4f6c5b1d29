"""Another wallet needs proof, waits for its cool-down, is announced at once and can be cancelled."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import wallets
from accounts.models import Notice, User, Wallet, WalletChange
from accounts.services import set_wallet
from accounts.wallet_proofs import finish_proof, start_proof
from accounts.wallets import WalletRefused, apply_due, cancel_change, cancel_for_person
from compliance.models import AuditRow
from tests.people import new_user, onboarded
from tests.quoting import a_quote
from tests.signing import Signer, no_contract
from trading.models import Order
from trading.services import place_order

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
AFTER = NOW + timedelta(hours=24)


def change_to(key: Signer, user: User, *, now: datetime = NOW) -> WalletChange:
    proof = start_proof(user=user, purpose="change", address=key.address, now=now)
    finish_proof(
        user=user,
        proof_id=proof.pk,
        signature=key.sign(proof.message),
        contract=no_contract,
        now=now,
    )
    return WalletChange.objects.get(user=user, state="pending")


@pytest.fixture
def old() -> Signer:
    return Signer()


@pytest.fixture
def new() -> Signer:
    return Signer()


@pytest.fixture
def user(old: Signer) -> User:
    person = new_user()
    set_wallet(user=person, address=old.address, now=NOW)
    return person


def address_of(user: User) -> str:
    return Wallet.objects.get(user=user).address


def actions() -> list[str]:
    rows = AuditRow.objects.filter(object_type="user").order_by("id")
    return [row.action for row in rows]


def told(user: User) -> list[str]:
    return [n.kind for n in Notice.objects.filter(user=user).order_by("created_at", "id")]


def test_a_proved_address_waits_while_the_wallet_of_before_stays(
    user: User, old: Signer, new: Signer
) -> None:
    change = change_to(new, user)

    assert (change.old_address, change.address) == (old.address, new.address)
    assert (change.effective_at, change.method) == (AFTER, "key")
    assert address_of(user) == old.address
    assert actions() == ["wallet.linked", "wallet.change_requested"]


def test_the_owner_is_told_at_once_where_to_cancel(user: User, old: Signer, new: Signer) -> None:
    change_to(new, user)

    notice = Notice.objects.get(user=user)
    assert (notice.level, notice.url) == ("alert", "/account/wallet/")
    assert notice.next_attempt_at == NOW, "by e-mail too"
    for part in (old.address, new.address, "2026-11-23 08:00 UTC"):
        assert part in notice.text


def test_after_the_cool_down_it_is_the_wallet_and_verified(user: User, new: Signer) -> None:
    change = change_to(new, user)

    assert apply_due(now=AFTER - timedelta(microseconds=1)) == 0
    assert apply_due(now=AFTER) == 1
    assert apply_due(now=AFTER) == 0

    wallet = Wallet.objects.get(user=user)
    assert (wallet.address, wallet.verified_at, wallet.method) == (new.address, NOW, "key")
    change.refresh_from_db()
    assert (change.state, change.ended_at) == ("applied", AFTER)
    assert actions()[-1] == "wallet.changed"
    assert told(user) == ["wallet-change", "wallet-changed"]


def test_a_cancelled_change_never_takes_effect(user: User, old: Signer, new: Signer) -> None:
    change = change_to(new, user)

    cancel_change(user=user, change_id=change.pk, now=NOW + timedelta(hours=1))

    assert apply_due(now=AFTER) == 0
    assert address_of(user) == old.address
    change.refresh_from_db()
    assert (change.state, change.reason) == ("cancelled", "by_owner")
    assert actions()[-1] == "wallet.change_cancelled"
    assert told(user) == ["wallet-change", "wallet-kept"]


def test_what_has_ended_is_not_cancelled(user: User, new: Signer) -> None:
    change = change_to(new, user)
    apply_due(now=AFTER)

    with pytest.raises(WalletRefused, match="change_ended"):
        cancel_change(user=user, change_id=change.pk, now=AFTER)
    assert address_of(user) == new.address


def test_a_strangers_change_does_not_exist(user: User, new: Signer) -> None:
    change = change_to(new, user)

    with pytest.raises(WalletChange.DoesNotExist):
        cancel_change(user=new_user(), change_id=change.pk, now=NOW)


def test_an_officer_cancels_in_their_own_name(user: User, new: Signer) -> None:
    officer = new_user(is_staff=True)

    change = cancel_for_person(officer=officer, change_id=change_to(new, user).pk, now=NOW)

    row = AuditRow.objects.get(action="wallet.change_cancelled")
    assert (row.actor, row.object_id) == (f"user:{officer.pk}", str(user.pk))
    assert (change.state, change.reason) == ("cancelled", "by_officer")


def test_one_change_waits_at_a_time(user: User, new: Signer) -> None:
    change_to(new, user)

    with pytest.raises(WalletRefused, match="change_pending"):
        start_proof(user=user, purpose="change", address=Signer().address, now=NOW)


def test_a_wallet_that_another_has_proved_is_taken_which_only_its_owner_is_told(
    user: User, new: Signer
) -> None:
    set_wallet(user=new_user(), address=new.address, now=NOW)
    Wallet.objects.filter(address=new.address).update(verified_at=NOW, method="key")
    proof = start_proof(user=user, purpose="change", address=new.address, now=NOW)

    with pytest.raises(WalletRefused, match="wallet_taken"):
        finish_proof(
            user=user,
            proof_id=proof.pk,
            signature=new.sign(proof.message),
            contract=no_contract,
            now=NOW,
        )
    proof.refresh_from_db()
    assert (proof.outcome, proof.reason) == ("refused", "wallet_taken")
    assert not WalletChange.objects.exists()


def test_nobody_types_an_address_that_somebody_has_proved_and_waits_for(
    user: User, new: Signer
) -> None:
    change_to(new, user)

    with pytest.raises(ValidationError) as refusal:
        set_wallet(user=new_user(), address=new.address, now=NOW)
    assert refusal.value.code == "taken"


def test_two_people_do_not_wait_for_one_address(user: User, new: Signer) -> None:
    change_to(new, user)
    other = new_user()
    set_wallet(user=other, address=Signer().address, now=NOW)

    with pytest.raises(WalletRefused, match="wallet_taken"):
        change_to(new, other)


def test_nobody_gets_an_address_that_somebody_has_proved_and_waits_for(
    user: User, new: Signer
) -> None:
    change_to(new, user)
    newcomer = new_user()

    proof = start_proof(user=newcomer, purpose="verify", address=new.address, now=NOW)
    with pytest.raises(WalletRefused, match="wallet_taken"):
        finish_proof(
            user=newcomer,
            proof_id=proof.pk,
            signature=new.sign(proof.message),
            contract=no_contract,
            now=NOW,
        )

    assert not Wallet.objects.filter(user=newcomer).exists()
    assert apply_due(now=AFTER) == 1
    assert address_of(user) == new.address


def test_who_waits_for_a_wallet_does_not_type_another(user: User, new: Signer) -> None:
    change_to(new, user)
    Wallet.objects.filter(user=user).delete()  # somebody else has proved it

    with pytest.raises(ValidationError) as refusal:
        set_wallet(user=user, address=Signer().address, now=NOW)
    assert refusal.value.code == "change_pending"


def place(user: User) -> Order:
    return place_order(
        user=User.objects.get(pk=user.pk),
        quantity=Decimal("0.1"),
        quote=a_quote(),
        source="page",
        placement_key=None,
        now=timezone.now(),
    )


def test_orders_go_where_they_were_placed_to() -> None:
    user, new = onboarded(), Signer()
    old = address_of(user)
    now = timezone.now()
    during = place(user)
    change_to(new, user, now=now)
    waiting = place(user)
    apply_due(now=now + wallets.cool_down())
    after = place(user)

    for order in (during, waiting, after):
        order.refresh_from_db()
    assert [o.wallet_address for o in (during, waiting, after)] == [old, old, new.address]


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": ""},
        {"effective_at": NOW},
        {"address": "0x1"},
        {"state": "applied"},
        {"ended_at": NOW},
    ],
)
def test_the_database_keeps_changes_proved_and_cooled_down(
    user: User, new: Signer, wrong: dict[str, object]
) -> None:
    change = change_to(new, user)

    with pytest.raises(IntegrityError), transaction.atomic():
        WalletChange.objects.filter(pk=change.pk).update(**wrong)


def test_a_wallet_is_not_verified_by_nothing(user: User) -> None:
    for wrong in ({"verified_at": NOW}, {"method": "key"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Wallet.objects.filter(user=user).update(**wrong)
