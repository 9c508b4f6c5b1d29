"""The wallet proved in a real browser by wallets that announce themselves (EIP-6963, EIP-1193)."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect
from pytest_django import Settings

from accounts.models import User, Wallet, WalletChange, WalletProof
from accounts.services import set_wallet
from tests.browser.conftest import PHONE, Visitor, Visitors
from tests.people import new_user
from tests.signing import Signer

# Announces each wallet whenever asked; their requests are answered by Python.
_PROVIDERS = """
(() => {
  const wallets = %s;
  for (const { name, uuid } of wallets) {
    const request = async ({ method, params }) => {
      const answer = JSON.parse(await window.walletAnswers(name, method, JSON.stringify(params ?? [])));
      if (answer.error) throw Object.assign(new Error("wallet"), answer.error);
      return answer.result;
    };
    const detail = Object.freeze({
      info: { uuid, name, icon: "data:image/svg+xml,<svg/>", rdns: "example.wallet" },
      provider: { request },
    });
    const announce = () =>
      window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
    window.addEventListener("eip6963:requestProvider", announce);
    announce();
  }
})();
"""


class BrowserWallet:
    """A wallet in the browser whose key is here; `refuses` names methods it answers with an error."""

    def __init__(self, *, key: Signer | None = None, chain_id: str = "0x7a69") -> None:
        self.key = key or Signer()
        self.account = self.key.address.lower()
        self.chain_id = chain_id
        self.asked: list[str] = []
        self.signed: list[str] = []
        self.refuses: dict[str, int] = {}
        self.change: Callable[[str], str] = lambda text: text

    def answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        self.asked.append(method)
        if method in self.refuses:
            return {"error": {"code": self.refuses[method], "message": "no"}}
        return {"result": self._result(method, params)}

    def _result(self, method: str, params: list[Any]) -> object:
        if method == "eth_requestAccounts":
            return [self.account]
        if method == "eth_chainId":
            return self.chain_id
        if method == "wallet_switchEthereumChain":
            self.chain_id = params[0]["chainId"]
            return None
        assert method == "personal_sign"
        text = bytes.fromhex(params[0][2:]).decode()
        self.signed.append(text)
        return self.key.sign(self.change(text))


def with_wallets(visitor: Visitor, wallets: dict[str, BrowserWallet]) -> None:
    """Give the visitor's browser these wallets."""

    def answers(name: str, method: str, params: str) -> str:
        return json.dumps(wallets[name].answer(method, json.loads(params)))

    visitor.context.expose_function("walletAnswers", answers)
    listed = [{"name": name, "uuid": f"uuid of {name}"} for name in wallets]
    visitor.context.add_init_script(_PROVIDERS % json.dumps(listed))


@pytest.fixture
def wallet() -> BrowserWallet:
    return BrowserWallet()


@pytest.fixture
def user(wallet: BrowserWallet, site: str, settings: Settings) -> User:
    """Somebody who typed the address of the wallet; the site knows its own address."""
    settings.SITE_URL = site
    person = new_user()
    set_wallet(user=person, address=wallet.key.address, now=timezone.now())
    return person


@pytest.fixture
def visitor(visitors: Visitors, wallet: BrowserWallet, user: User) -> Visitor:
    made = visitors(viewport=PHONE)
    with_wallets(made, {"Fox": wallet})
    made.sign_in(user)
    return made


def at_the_message(visitor: Visitor) -> None:
    visitor.open("/account/wallet/").get_by_role("button", name="Prove that it is yours").click()
    visitor.sees("Sign to prove the wallet")


def is_verified(user: User) -> bool:
    return Wallet.objects.get(user=user).verified_at is not None


def test_one_click_signs_the_message_of_the_page(
    visitor: Visitor, wallet: BrowserWallet, user: User
) -> None:
    at_the_message(visitor)
    shown = visitor.page.locator("#wallet-message").text_content()
    visitor.page.get_by_role("button", name="Sign with Fox").click()
    visitor.page.get_by_text("Proved by signature").wait_for()

    assert wallet.signed == [shown] == [WalletProof.objects.get().message]
    assert str(shown).startswith(visitor.site.removeprefix("http://") + " wants you to sign in")
    assert Wallet.objects.get(user=user).method == "key"


def test_somebody_who_declines_is_told_and_may_try_again(
    visitor: Visitor, wallet: BrowserWallet, user: User
) -> None:
    at_the_message(visitor)
    sign = visitor.page.get_by_role("button", name="Sign with Fox")
    wallet.refuses = {"personal_sign": 4001}
    sign.click()
    visitor.page.get_by_text("You declined in your wallet").wait_for()
    wallet.refuses = {"eth_requestAccounts": -32002}
    sign.click()
    visitor.page.get_by_text("Your wallet is waiting for you").wait_for()
    wallet.refuses = {"personal_sign": -32603}
    sign.click()
    visitor.page.get_by_text("did not answer as expected").wait_for()
    assert not is_verified(user)

    wallet.refuses = {}
    sign.click()
    visitor.page.get_by_text("Proved by signature").wait_for()


def test_another_account_of_the_wallet_signs_nothing(
    visitor: Visitor, wallet: BrowserWallet, user: User
) -> None:
    at_the_message(visitor)
    wallet.account = Signer().address
    visitor.page.get_by_role("button", name="Sign with Fox").click()
    visitor.page.get_by_text("Your wallet uses another account").wait_for()

    assert wallet.signed == []
    assert wallet.key.address in str(visitor.page.locator("[data-problem]").text_content())


@pytest.mark.parametrize("knows_the_chain", [True, False])
def test_a_wallet_on_another_chain_is_asked_to_switch(
    visitor: Visitor, wallet: BrowserWallet, user: User, knows_the_chain: bool
) -> None:
    wallet.chain_id = "0x1"
    if not knows_the_chain:
        wallet.refuses = {"wallet_switchEthereumChain": 4902}
    at_the_message(visitor)
    visitor.page.get_by_role("button", name="Sign with Fox").click()
    visitor.page.get_by_text("Proved by signature").wait_for()

    assert "wallet_switchEthereumChain" in wallet.asked
    assert wallet.chain_id == ("0x7a69" if knows_the_chain else "0x1")


def test_who_refuses_to_switch_signs_nothing(visitor: Visitor, wallet: BrowserWallet) -> None:
    wallet.chain_id, wallet.refuses = "0x1", {"wallet_switchEthereumChain": 4001}
    at_the_message(visitor)
    visitor.page.get_by_role("button", name="Sign with Fox").click()
    visitor.page.get_by_text("You declined in your wallet").wait_for()

    assert wallet.signed == []


def test_a_wallet_that_signs_another_text_proves_nothing(
    visitor: Visitor, wallet: BrowserWallet, user: User
) -> None:
    wallet.change = lambda text: text.replace("Chain ID: 31337", "Chain ID: 1")
    at_the_message(visitor)
    visitor.page.get_by_role("button", name="Sign with Fox").click()
    visitor.page.get_by_text("The signature is not this wallet").wait_for()
    assert not is_verified(user)

    wallet.change = lambda text: text
    visitor.page.get_by_role("button", name="Ask for a new message").click()
    visitor.page.get_by_role("button", name="Sign with Fox").click()
    visitor.page.get_by_text("Proved by signature").wait_for()


def test_each_wallet_is_a_button_with_its_name_as_plain_text(
    visitors: Visitors, wallet: BrowserWallet, user: User
) -> None:
    visitor = visitors()
    other = BrowserWallet()
    with_wallets(visitor, {"Fox": wallet, "<b>Bear</b>": other})
    visitor.sign_in(user)
    at_the_message(visitor)

    expect(visitor.page.get_by_role("button", name="Sign with")).to_have_text(
        ["Sign with Fox", "Sign with <b>Bear</b>"]
    )
    visitor.page.get_by_role("button", name="Sign with <b>Bear</b>").click()
    visitor.page.get_by_text("Your wallet uses another account").wait_for()


def test_another_wallet_is_taken_from_the_browser_and_waits(
    visitors: Visitors, user: User, wallet: BrowserWallet
) -> None:
    visitor, new = visitors(), BrowserWallet()
    with_wallets(visitor, {"Bear": new})
    visitor.sign_in(user)
    visitor.open("/account/wallet/").get_by_role("link", name="Use another wallet").click()
    visitor.page.get_by_role("button", name="Take it from Bear").click()
    expect(visitor.page.get_by_label("New wallet address")).to_have_value(new.account)
    visitor.page.get_by_role("button", name="Go on to sign").click()
    visitor.page.get_by_role("button", name="Sign with Bear").click()
    visitor.page.get_by_text("The change waits for its time").wait_for()

    assert WalletChange.objects.get().address == new.key.address
    assert Wallet.objects.get(user=user).address == wallet.key.address
    visitor.page.get_by_role("link", name="Cancel the change").click()
    visitor.page.get_by_role("button", name="Cancel the change").click()
    visitor.page.get_by_text("Your wallet stays as it is").wait_for()
    assert WalletChange.objects.get().state == "cancelled"


@pytest.mark.parametrize("script", [True, False])
def test_without_a_wallet_in_the_browser_any_tool_signs(
    visitors: Visitors, user: User, wallet: BrowserWallet, script: bool
) -> None:
    visitor = visitors(script=script)
    visitor.sign_in(user)
    at_the_message(visitor)
    assert visitor.page.get_by_text("No wallet was found").is_visible() == script
    message = str(visitor.page.locator("#wallet-message").text_content())
    visitor.page.get_by_label("Signature").fill(wallet.key.sign(message))
    visitor.page.get_by_role("button", name="Send the signature").click()
    visitor.page.get_by_text("Proved by signature").wait_for()

    assert is_verified(user)


def test_the_onboarding_takes_the_address_from_a_wallet(
    visitors: Visitors, wallet: BrowserWallet
) -> None:
    visitor = visitors(viewport=PHONE)
    with_wallets(visitor, {"Fox": wallet})
    visitor.sign_in(new_user())
    visitor.open("/onboarding/").get_by_role("button", name="Take it from Fox").click()

    expect(visitor.page.get_by_label("Wallet address")).to_have_value(wallet.account)
    assert wallet.asked == ["eth_requestAccounts"]
