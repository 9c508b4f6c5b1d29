"""The wallet over the API: its state, its proof by key or contract, its change (RAT-012)."""

from typing import Any
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.utils import timezone
from pytest_django import Settings

from accounts import siwe
from accounts.models import WalletChange
from accounts.second_factors import add_authenticator_app
from accounts.services import set_wallet
from accounts.wallets import apply_due, cool_down
from tests.api.conftest import ALL_SCOPES, Answer, Api, assert_problem, pointers
from tests.conftest import Chain
from tests.people import TOTP_SECRET, new_user, onboarded
from tests.signing import Signer
from tests.tokens.contract_wallets import deploy
from tokens import chain as evm

pytestmark = pytest.mark.django_db


class Owner(Api):
    """The API as somebody with a key and its wallet uses it."""

    def __init__(self, address: str | None = None) -> None:
        self.key = Signer()
        user = new_user()
        set_wallet(user=user, address=address or self.key.address, now=timezone.now())
        add_authenticator_app(user=user, secret=TOTP_SECRET)
        super().__init__(user, scopes=(*ALL_SCOPES, "security"))
        self.path = f"/api/v1/users/{user.pk}/wallet"

    def start(self, address: str = "", **changes: object) -> Answer:
        body = {"address": address or self.key.address, **changes}
        return self.post(f"{self.path}/proofs", body, key=None)

    def finish(self, proof: Answer, signature: str) -> Answer:
        body = {"signature": signature}
        return self.post(f"{self.path}/proofs/{proof.body['id']}", body, key=None)

    def wallet(self) -> Any:
        return self.get(self.path).body


@pytest.fixture
def owner(chain: Chain) -> Owner:
    return Owner()


def test_a_typed_wallet_is_unverified(owner: Owner) -> None:
    assert owner.wallet() == {
        "user_id": str(owner.user and owner.user.pk),
        "address": owner.key.address,
        "state": "unverified",
        "verified_at": None,
        "method": None,
        "change": None,
    }


def test_a_signature_verifies_it(owner: Owner) -> None:
    proof = owner.start(owner.key.address.lower())
    assert proof.status == 201
    assert (proof.body["purpose"], proof.body["address"]) == ("verify", owner.key.address)
    assert siwe.parse(proof.body["message"]).chain_id == proof.body["chain_id"] == 31337

    answer = owner.finish(proof, owner.key.sign(proof.body["message"]))

    assert (answer.status, answer.body["state"], answer.body["method"]) == (200, "verified", "key")
    assert answer.body == owner.wallet()


def test_a_message_is_answered_once(owner: Owner) -> None:
    proof = owner.start()
    signature = owner.key.sign(proof.body["message"])
    assert owner.finish(proof, signature).status == 200

    assert_problem(owner.finish(proof, signature), 409, "proof_used")


def test_a_wrong_signature_uses_the_message_up(owner: Owner) -> None:
    proof = owner.start()

    answer = owner.finish(proof, Signer().sign(proof.body["message"]))
    assert_problem(answer, 422, "signature_refused")
    again = owner.finish(proof, owner.key.sign(proof.body["message"]))
    assert_problem(again, 409, "proof_used")
    assert owner.wallet()["state"] == "unverified"


@pytest.mark.parametrize("signature", ["", "0x12", "sign me", "0x" + "0" * 8195])
def test_what_is_no_signature_leaves_the_message_open(owner: Owner, signature: str) -> None:
    proof = owner.start()

    answer = owner.finish(proof, signature)
    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == ["#/signature"]
    assert owner.finish(proof, owner.key.sign(proof.body["message"])).status == 200


@pytest.mark.parametrize("name", ["OwnedWallet", "SaysNo", "Reverts", "NeverEnds"])
def test_a_contract_wallet_is_asked_on_the_chain(chain: Chain, name: str) -> None:
    key = Signer()
    contract = deploy(name, owner=key.address if name == "OwnedWallet" else None)
    owner = Owner(contract)
    proof = owner.start(contract)

    answer = owner.finish(proof, key.sign(proof.body["message"]))

    if name == "OwnedWallet":
        assert (answer.status, answer.body["method"]) == (200, "contract")
    else:
        assert_problem(answer, 422, "signature_refused")


def test_a_change_waits_and_is_cancelled(owner: Owner) -> None:
    new = Signer()
    proof = owner.start(new.address, purpose="change")

    wallet = owner.finish(proof, new.sign(proof.body["message"])).body

    assert wallet["address"] == owner.key.address
    assert (wallet["change"]["address"], wallet["change"]["method"]) == (new.address, "key")
    path = f"{owner.path}/changes/{wallet['change']['id']}"
    cancelled = owner.call("DELETE", path)
    assert (cancelled.status, cancelled.body["change"]) == (200, None)
    assert_problem(owner.call("DELETE", path), 409, "change_ended")


def test_a_change_takes_effect(owner: Owner) -> None:
    new = Signer()
    proof = owner.start(new.address, purpose="change")
    owner.finish(proof, new.sign(proof.body["message"]))

    apply_due(now=timezone.now() + cool_down())

    wallet = owner.wallet()
    assert (wallet["address"], wallet["state"], wallet["change"]) == (new.address, "verified", None)


@pytest.mark.parametrize(
    ("code", "purpose", "own"), [("other_wallet", "verify", False), ("same_wallet", "change", True)]
)
def test_purpose_and_address_must_fit(owner: Owner, code: str, purpose: str, own: bool) -> None:
    address = owner.key.address if own else Signer().address

    assert_problem(owner.start(address, purpose=purpose), 409, code)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/address"),
        ({"address": "0x12"}, "#/address"),
        ({"address": "0x5AAEB6053f3e94c9b9a09f33669435e7ef1beaed"}, "#/address"),
        ({"address": 12}, "#/address"),
        ({"address": "0x" + "1" * 40, "purpose": "steal"}, "#/purpose"),
        ({"address": "0x" + "1" * 40, "message": "mine"}, "#/message"),
    ],
)
def test_bad_input_is_pointed_at(owner: Owner, body: dict[str, object], pointer: str) -> None:
    answer = owner.post(f"{owner.path}/proofs", body, key=None)

    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == [pointer]


def test_others_wallets_messages_and_changes_do_not_exist(owner: Owner) -> None:
    proof = owner.start()
    signature = owner.key.sign(proof.body["message"])
    other = Owner()
    mine, theirs = str(other.user and other.user.pk), str(owner.user and owner.user.pk)
    new = Signer()
    change = owner.start(new.address, purpose="change")
    pending = owner.finish(change, new.sign(change.body["message"])).body["change"]["id"]

    assert_problem(other.get(owner.path), 404, "not_found")
    assert_problem(
        other.post(f"{owner.path}/proofs", {"address": "0x"}, key=None), 404, "not_found"
    )
    for user_id in (mine, theirs):
        path = f"/api/v1/users/{user_id}/wallet"
        answer = other.post(f"{path}/proofs/{proof.body['id']}", {"signature": signature}, key=None)
        assert_problem(answer, 404, "not_found")
        assert_problem(other.call("DELETE", f"{path}/changes/{pending}"), 404, "not_found")
    assert WalletChange.objects.get().state == "pending"
    assert owner.finish(proof, signature).status == 200


def test_the_first_wallet_is_linked_by_its_proof(chain: Chain) -> None:
    key, user = Signer(), new_user()
    add_authenticator_app(user=user, secret=TOTP_SECRET)
    path = f"/api/v1/users/{user.pk}/wallet"
    body = {"address": key.address}
    weak, api = Api(user), Api(user, scopes=("read", "trade", "security"))
    assert_problem(api.get(path), 409, "no_wallet")
    assert_problem(weak.post(f"{path}/proofs", body, key=None), 403, "insufficient_scope")

    proof = api.post(f"{path}/proofs", body, key=None).body
    signature = {"signature": key.sign(proof["message"])}
    answer = weak.post(f"{path}/proofs/{proof['id']}", signature, key=None)
    assert_problem(answer, 403, "insufficient_scope")
    answer = api.post(f"{path}/proofs/{proof['id']}", signature, key=None)

    assert (answer.status, answer.body["state"]) == (200, "verified")


def test_a_change_takes_more_than_a_token_that_trades(owner: Owner) -> None:
    """Neither the message nor its answer; proving and cancelling take no more."""
    assert owner.user is not None
    new, weak = Signer(), Api(owner.user)
    body = {"purpose": "change", "address": new.address}

    answer = weak.post(f"{owner.path}/proofs", body, key=None)
    assert assert_problem(answer, 403, "insufficient_scope")["required_scope"] == "security"
    proof = owner.start(new.address, purpose="change")
    path = f"{owner.path}/proofs/{proof.body['id']}"
    signature = {"signature": new.sign(proof.body["message"])}
    assert_problem(weak.post(path, signature, key=None), 403, "insufficient_scope")
    assert not WalletChange.objects.exists()

    change = owner.post(path, signature, key=None).body["change"]["id"]
    assert weak.call("DELETE", f"{owner.path}/changes/{change}").status == 200
    body = {"purpose": "verify", "address": owner.key.address}
    assert weak.post(f"{owner.path}/proofs", body, key=None).status == 201


def test_a_change_takes_a_second_factor_still(owner: Owner) -> None:
    Authenticator.objects.all().delete()

    answer = owner.start(Signer().address, purpose="change")
    assert_problem(answer, 403, "second_factor_missing")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "", "read"),
        ("POST", "/proofs", "trade"),
        ("POST", f"/proofs/{uuid4()}", "trade"),
        ("DELETE", f"/changes/{uuid4()}", "trade"),
    ],
)
def test_scope_is_needed(method: str, path: str, scope: str) -> None:
    user = onboarded()
    others = tuple(name for name in ("read", "trade", "copy") if name != scope)
    answer = Api(user, scopes=others).call(method, f"/api/v1/users/{user.pk}/wallet{path}", {})

    assert assert_problem(answer, 403, "insufficient_scope")["required_scope"] == scope


def test_asking_is_limited(owner: Owner, settings: Settings) -> None:
    settings.API_RATES = {**settings.API_RATES, "key": 1}
    assert owner.start().status == 201

    assert_problem(owner.start(), 429, "rate_limited")


def test_while_the_node_is_away_the_message_waits(owner: Owner, settings: Settings) -> None:
    contract = deploy("TakesAll")
    other = Owner(contract)
    proof = other.start(contract)
    with pytest.MonkeyPatch.context() as patch:
        settings.CHAIN_RPC_URL = "http://127.0.0.1:1"
        patch.delattr(evm._local, "web3")
        assert_problem(other.finish(proof, "0x" + "00" * 65), 503, "unavailable")
    assert other.finish(proof, "0x" + "00" * 65).status == 200
