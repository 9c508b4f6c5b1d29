"""The wallet pages without a script: message and signature in plain forms."""

from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User, Wallet, WalletChange, WalletProof
from accounts.services import set_wallet
from agora.lib import throttle
from agora.lib.outcome import Temporary
from tests.conftest import Chain
from tests.people import new_cpf, new_user, note_sign_in, signed_in_recently
from tests.signing import Signer
from tests.tokens.contract_wallets import deploy
from tokens import chain as evm

pytestmark = pytest.mark.django_db
PAGE = "/account/wallet/"


class Person:
    """Somebody signed in, with a key whose address they have typed."""

    def __init__(self, address: str = "", *, password: str | None = None) -> None:
        self.key = Signer()
        self.user = new_user(password=password)
        set_wallet(user=self.user, address=address or self.key.address, now=timezone.now())
        self.client = signed_in_recently(Client(), self.user)

    def prove(self) -> str:
        """The address of the page with the message."""
        return str(self.client.post(f"{PAGE}prove/")["Location"])

    def change(self, address: str) -> Any:
        return self.client.post(f"{PAGE}change/", {"address": address})

    def sign(self, path: str, *, key: Signer | None = None) -> Any:
        page = self.client.get(path).content.decode()
        message = unescape(
            page.partition('id="wallet-message"')[2].split(">", 1)[1].split("</pre>")[0]
        )
        return self.client.post(path, {"signature": (key or self.key).sign(message)})

    @property
    def wallet(self) -> Wallet:
        return Wallet.objects.get(user=self.user)


@pytest.fixture
def person(chain: Chain) -> Person:
    return Person()


def test_what_the_page_shows_is_what_is_signed(person: Person) -> None:
    answer = person.sign(person.prove())

    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    assert person.wallet.method == "key"
    assert "Proved by signature" in person.client.get(PAGE).content.decode()


def test_a_wrong_signature_says_so_and_offers_a_new_message(person: Person) -> None:
    answer = person.sign(person.prove(), key=Signer())

    assert answer.status_code == 422
    page = answer.content.decode()
    assert "The signature is not this wallet" in unescape(page)
    assert "Ask for a new message" in page
    assert person.wallet.verified_at is None


def test_a_malformed_signature_leaves_the_message_open(person: Person) -> None:
    path = person.prove()
    for text in ("", "sign me"):
        answer = person.client.post(path, {"signature": text})
        assert answer.status_code == 422
        assert "id_signature_error" in answer.content.decode()

    assert person.sign(path).status_code == 302


def test_an_answered_message_is_not_answered_again(person: Person) -> None:
    path = person.prove()
    signature = person.key.sign(WalletProof.objects.get().message)
    person.client.post(path, {"signature": signature})

    assert person.client.post(path, {"signature": signature}).status_code == 422
    assert "Nothing is left to do" in person.client.get(path).content.decode()


def test_another_wallet_is_proved_waits_and_is_cancelled(person: Person) -> None:
    new = Signer()
    person.sign(person.change(new.address)["Location"], key=new)
    change = WalletChange.objects.get()
    page = person.client.get(PAGE).content.decode()
    assert new.address in page
    cancel = f"{PAGE}changes/{change.pk}/cancel/"
    assert cancel in page
    assert "Cancel the change?" in person.client.get(cancel).content.decode()

    assert person.client.post(cancel)["Location"] == PAGE

    change.refresh_from_db()
    assert (change.state, person.wallet.address) == ("cancelled", person.key.address)
    assert (
        "is in effect or was cancelled" in person.client.post(cancel, follow=True).content.decode()
    )


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("0x12", "40 hexadecimal digits"),
        ("0x5AAEB6053f3e94c9b9a09f33669435e7ef1beaed", "typing error"),
        ("", "required"),
    ],
)
def test_a_wrong_address_is_told_at_its_field(person: Person, address: str, words: str) -> None:
    answer = person.change(address)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not WalletProof.objects.exists()


def test_a_second_change_is_refused_while_one_waits(person: Person) -> None:
    new = Signer()
    person.sign(person.change(new.address)["Location"], key=new)

    answer = person.change(Signer().address)
    assert answer.status_code == 422
    assert "Cancel that change first" in answer.content.decode()


def test_a_contract_wallet_is_asked(chain: Chain) -> None:
    key = Signer()
    person = Person(deploy("OwnedWallet", owner=key.address))

    assert person.sign(person.prove(), key=key).status_code == 302
    assert person.wallet.method == "contract"


def test_while_the_node_is_away_the_message_waits(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = person.prove()

    def away(**_asked: object) -> bool:
        raise Temporary("The chain did not answer.")

    monkeypatch.setattr(evm, "accepts_signature", away)
    answer = person.sign(path, key=Signer())
    assert answer.status_code == 422
    assert "The chain does not answer" in answer.content.decode()
    assert person.sign(path).status_code == 302


def test_messages_and_changes_of_others_do_not_exist(person: Person) -> None:
    path, new = person.prove(), Signer()
    person.sign(person.change(new.address)["Location"], key=new)
    other = Person()

    assert other.client.get(path).status_code == 404
    signature = person.key.sign(WalletProof.objects.get(purpose="verify").message)
    assert other.client.post(path, {"signature": signature}).status_code == 404
    for change_id in (WalletChange.objects.get().pk, uuid4()):
        cancel = f"{PAGE}changes/{change_id}/cancel/"
        assert other.client.get(cancel).status_code == 404
        assert other.client.post(cancel).status_code == 404
    assert WalletChange.objects.get().state == "pending"


def test_an_expired_message_is_shown_as_such(person: Person) -> None:
    path = person.prove()
    past = timezone.now() - timedelta(hours=1)
    WalletProof.objects.update(created_at=past, expires_at=past + timedelta(minutes=10))

    assert "cannot be signed any more" in person.client.get(path).content.decode()


def test_posting_is_limited(person: Person, settings: Settings) -> None:
    settings.API_RATES = {**settings.API_RATES, "key": 2}
    person.prove()
    person.prove()

    assert person.client.post(f"{PAGE}prove/").status_code == 429
    assert person.client.get(PAGE).status_code == 200


def test_proving_a_wallet_leaves_the_checks_of_exchange_keys_alone(
    person: Person, settings: Settings
) -> None:
    settings.API_RATES = {**settings.API_RATES, "key": 2}
    person.prove()
    person.prove()

    assert throttle.allowed(rate="key", who=str(person.user.pk))


def test_wallet_apps_are_led_to_this_site(person: Person, settings: Settings) -> None:
    settings.SITE_URL = "https://agora.example"
    page = unescape(person.client.get(PAGE).content.decode())

    assert "https://link.metamask.io/dapp/agora.example/account/wallet/" in page
    quoted = "https%3A%2F%2Fagora.example%2Faccount%2Fwallet%2F"
    assert f"https://link.trustwallet.com/open_url?coin_id=60&url={quoted}" in page
    assert f"https://go.cb-w.com/dapp?cb_url={quoted}" in page


def test_another_wallet_asks_who_it_is_once_more() -> None:
    person = Person(password="correct horse battery staple")
    note_sign_in(person.client, person.user, "password", ago=86_400)

    for answer in (person.client.get(f"{PAGE}change/"), person.change(Signer().address)):
        assert "/reauthenticate/" in answer["Location"]
    assert not WalletProof.objects.exists()


def test_without_a_wallet_the_page_leads_to_the_onboarding() -> None:
    client = signed_in_recently(Client(), new_user())

    assert "Go to the onboarding" in client.get(PAGE).content.decode()
    assert client.post(f"{PAGE}prove/")["Location"] == "/account/wallet/change/"


def test_a_first_wallet_is_linked_by_signing() -> None:
    key, user = Signer(), new_user()
    client = signed_in_recently(Client(), user)
    assert "Link a wallet" in client.get(f"{PAGE}change/").content.decode()

    answer = client.post(f"{PAGE}change/", {"address": key.address})
    client.post(answer["Location"], {"signature": key.sign(WalletProof.objects.get().message)})

    assert Wallet.objects.get(user=user, address=key.address).method == "key"
    onboarding = client.get("/onboarding/").content.decode()
    assert f'value="{key.address}"' in onboarding


def test_the_onboarding_leads_who_owns_a_typed_address_to_its_proof() -> None:
    set_wallet(user=new_user(), address=(key := Signer()).address, now=timezone.now())
    client = signed_in_recently(Client(), new_user())
    form = {
        "full_name": "Ana Souza",
        "country": "BR",
        "tax_id": new_cpf(),
        "wallet_address": key.address,
        "consent": "on",
    }

    answer = client.post("/onboarding/", form)

    assert answer.status_code == 422
    assert 'href="/account/wallet/change/"' in answer.content.decode()


@pytest.mark.parametrize(
    "path", ["", "prove/", "change/", f"proofs/{uuid4()}/", f"changes/{uuid4()}/cancel/"]
)
def test_nobody_in_particular_has_a_wallet(client: Client, path: str) -> None:
    for answer in (client.get(PAGE + path), client.post(PAGE + path)):
        assert answer.status_code in (302, 405)
        assert answer.status_code == 405 or "/account/login/" in answer["Location"]
    assert not User.objects.exists()
