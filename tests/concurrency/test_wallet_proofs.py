"""One message is answered once and one change made, however many answer at the same moment."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User, Wallet, WalletChange, WalletProof
from accounts.services import AddressTaken, set_wallet
from accounts.wallet_proofs import finish_proof, start_proof
from accounts.wallets import WalletRefused, apply_due, cancel_change
from compliance.models import AuditRow
from tests.people import new_user
from tests.signing import Signer, no_contract
from tests.threads import after, at_once

pytestmark = pytest.mark.django_db(transaction=True)
TRIES = 8


def person(key: Signer) -> User:
    user = new_user()
    set_wallet(user=user, address=key.address, now=timezone.now())
    return user


def finish(proof: WalletProof, key: Signer) -> WalletProof:
    return finish_proof(
        user=proof.user,
        proof_id=proof.pk,
        signature=key.sign(proof.message),
        contract=no_contract,
        now=timezone.now(),
    )


def refusals(answers: list[object]) -> list[str]:
    return [answer.code for answer in answers if isinstance(answer, WalletRefused)]


def test_one_of_many_answers_counts() -> None:
    key = Signer()
    user = person(key)
    proof = start_proof(user=user, purpose="verify", address=key.address, now=timezone.now())

    answers = at_once(TRIES, lambda _: finish(proof, key))

    assert refusals(list(answers)) == ["proof_used"] * (TRIES - 1)
    assert AuditRow.objects.filter(action="wallet.verified").count() == 1
    assert AuditRow.objects.filter(action="wallet.nonce_used").count() == 1


def test_right_and_wrong_answers_at_once_give_one_outcome() -> None:
    key, other = Signer(), Signer()
    proof = start_proof(user=person(key), purpose="verify", address=key.address, now=timezone.now())

    at_once(TRIES, lambda number: finish(proof, key if number % 2 else other))

    proof.refresh_from_db()
    verified = Wallet.objects.get(user=proof.user).verified_at is not None
    assert verified == (proof.outcome == "proved")


def test_one_of_many_changes_begins() -> None:
    user, keys = person(Signer()), [Signer() for _each in range(TRIES)]
    now = timezone.now()
    proofs = [
        start_proof(user=user, purpose="change", address=key.address, now=now) for key in keys
    ]

    answers = at_once(TRIES, lambda number: finish(proofs[number], keys[number]))

    assert refusals(list(answers)) == ["change_pending"] * (TRIES - 1)
    assert WalletChange.objects.count() == 1


def test_one_of_many_people_gets_an_address() -> None:
    key, now = Signer(), timezone.now()
    proofs = [
        start_proof(user=person(Signer()), purpose="change", address=key.address, now=now)
        for _each in range(TRIES)
    ]

    answers = at_once(TRIES, lambda number: finish(proofs[number], key))

    assert refusals(list(answers)) == ["wallet_taken"] * (TRIES - 1)
    assert WalletChange.objects.count() == 1


def test_a_change_is_cancelled_or_takes_effect_never_both() -> None:
    old, new = Signer(), Signer()
    user = person(old)
    proof = start_proof(user=user, purpose="change", address=new.address, now=timezone.now())
    finish(proof, new)
    change = WalletChange.objects.get()
    later = timezone.now() + timedelta(days=2)

    def act(number: int) -> object:
        if number % 2:
            return apply_due(now=later)
        return cancel_change(user=user, change_id=change.pk, now=later)

    answers = at_once(TRIES, act)

    change.refresh_from_db()
    applied = sum(answer for answer in answers if isinstance(answer, int))
    cancelled = sum(isinstance(answer, WalletChange) for answer in answers)
    assert (applied, cancelled) == ((1, 0) if change.state == "applied" else (0, 1))
    assert len(answers) - applied - cancelled == sum(
        answer == 0 or isinstance(answer, WalletRefused) for answer in answers
    )
    right = new.address if change.state == "applied" else old.address
    assert Wallet.objects.get(user=user).address == right


def test_one_of_many_who_prove_a_typed_address_gets_it() -> None:
    key, now = Signer(), timezone.now()
    claimer = person(key)
    proofs = [
        start_proof(user=new_user(), purpose="verify", address=key.address, now=now)
        for _each in range(TRIES)
    ]

    answers = at_once(TRIES, lambda number: finish(proofs[number], key))

    assert refusals(list(answers)) == ["wallet_taken"] * (TRIES - 1)
    wallet = Wallet.objects.get()
    assert (wallet.address, wallet.method) == (key.address, "key")
    assert wallet.user != claimer


def test_who_proves_an_address_keeps_it_from_many_who_type_it() -> None:
    key, now = Signer(), timezone.now()
    prover = person(Signer())
    proof = start_proof(user=prover, purpose="change", address=key.address, now=now)
    typists = [new_user() for _each in range(TRIES)]

    def act(number: int) -> object:
        if number:
            return set_wallet(user=typists[number], address=key.address, now=now)
        return finish(proof, key)

    answers = at_once(TRIES, act)

    assert all(isinstance(answer, WalletProof | Wallet | AddressTaken) for answer in answers)
    assert not Wallet.objects.filter(address=key.address).exists()
    assert apply_due(now=now + timedelta(days=2)) == 1
    assert Wallet.objects.get(address=key.address).user == prover


def test_a_first_wallet_is_typed_or_proved_never_both() -> None:
    user, typed, proved = new_user(), Signer(), Signer()
    now = timezone.now()
    proof = start_proof(user=user, purpose="verify", address=proved.address, now=now)

    wallet, refusal = after(
        lambda: set_wallet(user=user, address=typed.address, now=now),
        lambda: finish(proof, proved),
    )

    assert Wallet.objects.get(user=user) == wallet
    assert refusals([refusal]) == ["other_wallet"]
