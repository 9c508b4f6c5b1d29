"""Whose an address is: also after its person has gone on to another wallet."""

from datetime import timedelta
from uuid import uuid4

import pytest
from celery import Task
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User, Wallet, WalletChange
from accounts.wallet_proofs import finish_proof, start_proof
from accounts.wallets import apply_due, cool_down
from agora.sandbox.client import SandboxControl
from compliance import ownership, tasks
from compliance.models import AuditRow, ChainTransfer, ErasureRequest, LiabilityNonce
from compliance.personal_data import erasure, obstacles
from compliance.personal_data.topics import TOPICS
from compliance.reserves import chain_index, holdings, liabilities
from compliance.reserves.chain_index import Token
from compliance.reserves.liabilities import Holder
from tests.conftest import Chain
from tests.people import new_address, onboarded
from tests.reserving import a_snapshot, send, signed
from tests.settling import place, settle
from tests.signing import Signer, no_contract

pytestmark = pytest.mark.django_db


def prove(user: User, key: Signer, *, purpose: str) -> None:
    """Let the user sign for an address."""
    now = timezone.now()
    proof = start_proof(user=user, purpose=purpose, address=key.address, now=now)
    finish_proof(
        user=user,
        proof_id=proof.pk,
        signature=key.sign(proof.message),
        contract=no_contract,
        now=now,
    )


def change_wallet(user: User, *, to: Signer | None = None) -> None:
    """Let the user go on to another wallet, its cool-down over."""
    prove(user, to or Signer(), purpose="change")
    assert apply_due(now=timezone.now() + cool_down()) == 1
    user.refresh_from_db()


def with_wallet(address: str) -> User:
    """Somebody who typed this address."""
    user = onboarded()
    Wallet.objects.filter(user=user).update(address=address)
    return User.objects.get(pk=user.pk)


def owner_of(address: str) -> object:
    """Whose the only holder of a token on no chain is."""
    token = Token(chain_id=424_243, contract=new_address())
    ChainTransfer.objects.create(
        **token._asdict(), block_number=1, log_index=0, tx_hash="0x0",
        from_address=chain_index._NOBODY, to_address=address, units=10**18,
    )  # fmt: skip
    (holder,) = chain_index.holders(token=token, block=1)
    return holder.user_id


def send_all_away(chain: Chain, address: str) -> None:
    """Move every token of an address elsewhere, as its owner would."""
    units = chain.rpc(
        "eth_call",
        {"to": chain.contract, "data": "0x70a08231" + address[2:].zfill(64)},  # balanceOf
        "latest",
    )
    send(chain, address, to=new_address(), units=int(str(units), 16))
    chain.mine(3)


def test_who_gives_up_tokens_out_of_reach_can_be_erased(
    sandbox: SandboxControl, chain: Chain, client: Client
) -> None:
    person = onboarded()
    settle(place(person), chain=chain)
    change_wallet(person)
    client.force_login(person)
    page = reverse("erasure")
    assert "give up the tokens" in client.get(page).text
    assert client.post(page, {"understood": "on"}).status_code == 422

    client.post(page, {"understood": "on", "gives_up_tokens": "on"})

    request = ErasureRequest.objects.get()
    assert AuditRow.objects.get(action="erasure.requested").evidence["gives_up_tokens"] is True
    ErasureRequest.objects.update(next_attempt_at=timezone.now())
    erasure.step(request_id=request.pk, now=request.execute_after)
    request.refresh_from_db()
    assert request.state == ErasureRequest.State.CLOSED


def test_after_a_change_of_wallet_proofs_stay_and_erasure_finds_them(
    sandbox: SandboxControl, chain: Chain
) -> None:
    person = onboarded()
    old = person.wallet.address
    settle(place(person), chain=chain)
    chain.mine(3)
    before = a_snapshot()
    signed(before)

    change_wallet(person)
    after = a_snapshot()
    signed(after)

    found = holdings.holdings_of(person)
    assert [each.signature.snapshot_id for each in found] == [after.pk, before.pk]
    for holding in found:
        (proof,) = holdings.proofs_of(holding)
        assert (proof.address, proof.units, proof.holds) == (old.lower(), 5 * 10**17, True)
    assert [each.code for each in obstacles.on_chain(person)] == ["tokens_held"]

    send_all_away(chain, old)
    request = erasure.request(user=person, actor=f"user:{person.pk}", now=timezone.now())
    ErasureRequest.objects.filter(pk=request.pk).update(next_attempt_at=timezone.now())
    erasure.step(request_id=request.pk, now=request.execute_after)
    request.refresh_from_db()
    assert request.keep_until is not None
    ErasureRequest.objects.filter(pk=request.pk).update(next_attempt_at=timezone.now())
    erasure.step(request_id=request.pk, now=request.keep_until + timedelta(seconds=1))

    assert not LiabilityNonce.objects.filter(account=bytes.fromhex(old[2:])).exists()
    assert liabilities.verify(snapshot_id=before.pk) == []
    assert owner_of(old) is None, "who is erased is not found by an address any more"


def test_an_address_that_was_proved_stays_its_persons_after_a_change() -> None:
    key = Signer()
    person = with_wallet(key.address)
    prove(person, key, purpose="verify")

    change_wallet(person)
    change_wallet(person)  # the second one was proved, too

    (second,) = WalletChange.objects.filter(user=person, address=person.wallet.address)
    for address in (key.address, second.old_address, person.wallet.address):
        assert owner_of(address) == person.pk
        assert address in ownership.addresses_of(person.pk)


def test_an_address_that_was_merely_typed_before_a_change_is_nobodys() -> None:
    person = onboarded()
    typed = person.wallet.address

    change_wallet(person)

    assert owner_of(typed) is None
    assert typed not in ownership.addresses_of(person.pk)


def test_a_former_address_that_somebody_else_proved_since_is_theirs() -> None:
    key = Signer()
    person = with_wallet(key.address)
    prove(person, key, purpose="verify")
    change_wallet(person)

    other = with_wallet(key.address)
    assert owner_of(key.address) == person.pk, "typing it is no claim"
    prove(other, key, purpose="verify")

    assert owner_of(key.address) == other.pk
    assert ownership.addresses_of(person.pk) == [person.wallet.address]


def test_a_mint_to_the_former_address_of_another_does_not_take_it(
    sandbox: SandboxControl, chain: Chain
) -> None:
    person = onboarded()
    address = person.wallet.address
    settle(place(person), chain=chain)
    change_wallet(person)

    settle(place(with_wallet(address)), chain=chain)

    assert owner_of(address) == person.pk


def test_tokens_at_an_address_that_another_has_proved_keep_nobody_from_being_erased(
    sandbox: SandboxControl, chain: Chain
) -> None:
    key = Signer()
    person = with_wallet(key.address)
    settle(place(person), chain=chain)
    change_wallet(person)
    prove(with_wallet(key.address), key, purpose="verify")

    assert obstacles.on_chain(person) == []


def test_whom_a_tree_named_as_owner_stays_it_when_the_proof_is_gone() -> None:
    person, address = onboarded(), Signer().address
    LiabilityNonce.objects.create(
        account=bytes.fromhex(address[2:]), user_id=person.pk, nonce=b"n" * 32
    )

    assert owner_of(address) == person.pk
    assert ownership.addresses_of(person.pk) == [address]


def test_a_copy_of_ones_data_has_the_numbers_that_no_tree_gave_to_one_yet() -> None:
    key = Signer()
    person = with_wallet(key.address)
    nonce = LiabilityNonce.objects.create(account=bytes.fromhex(key.address[2:]), nonce=b"n" * 32)
    (topic,) = [each for each in TOPICS if each.name == "reserve_proofs"]

    assert not LiabilityNonce.objects.filter(topic.rows(person.pk)).exists()
    prove(person, key, purpose="verify")

    assert LiabilityNonce.objects.get(topic.rows(person.pk)) == nonce


def test_a_tree_takes_no_address_from_its_owner_to_give_it_to_nobody() -> None:
    person, address = onboarded(), Signer().address
    now = timezone.now()

    for snapshot, owner in ((first := uuid4(), person.pk), (second := uuid4(), None)):
        liabilities.build(holders=[Holder(address, owner, 1)], snapshot_id=snapshot, now=now)

    held = liabilities.held_by(user_id=person.pk, snapshots=[first, second])
    assert set(held) == {first, second}


@pytest.mark.parametrize("task", [tasks.carry_out_erasure, tasks.build_reserve_snapshot])
def test_nonces_are_waited_for_for_less_long_than_a_task_lives(task: "Task[..., None]") -> None:
    lives = task.time_limit or settings.CELERY_TASK_TIME_LIMIT

    assert timedelta(seconds=lives) > ownership.LONGEST_WAIT
