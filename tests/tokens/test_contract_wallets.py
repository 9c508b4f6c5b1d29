"""What a contract answers to EIP-1271's question, and all that must not pass for a yes."""

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from web3 import HTTPProvider, Web3

from accounts import siwe
from agora.lib.outcome import Temporary
from tests.conftest import Chain
from tests.tokens.contract_wallets import deploy
from tokens import chain as evm

TEXT = "I own this wallet."
OWNER = Account.create()


def signed(text: str = TEXT, *, key: bytes = bytes(OWNER.key)) -> bytes:
    return bytes(Account.sign_message(encode_defunct(text=text), key).signature)


def accepts(address: str, signature: bytes) -> bool:
    digest = siwe.digest(TEXT)
    return evm.accepts_signature(address=address, digest=digest, signature=signature)


def test_a_contract_takes_what_its_owners_key_signed(chain: Chain) -> None:
    wallet = deploy("OwnedWallet", owner=OWNER.address)

    assert accepts(wallet, signed())
    assert not accepts(wallet, signed("Another text."))
    assert not accepts(wallet, signed(key=bytes(Account.create().key)))
    assert not accepts(wallet, signed()[:-1])


@pytest.mark.parametrize("length", [65, 130, 4096])
def test_a_contract_may_want_signatures_of_any_length(chain: Chain, length: int) -> None:
    assert accepts(deploy("TakesAll"), bytes(length))


@pytest.mark.parametrize(
    "name",
    [
        "SaysNo", "SaysTrue", "SaysMoreThanYes", "SaysTooLittle", "SaysNothing", "Reverts",
        "RevertsWithYes", "NeverEnds", "AnswersMegabytes", "HitsInvalid", "Writes",
    ],
)  # fmt: skip
def test_every_other_answer_is_a_no(chain: Chain, name: str) -> None:
    assert not accepts(deploy(name), signed())


def test_an_address_without_a_contract_says_no(chain: Chain) -> None:
    assert not accepts(OWNER.address, signed())
    assert not accepts("0x0000000000000000000000000000000000000001", signed())


def test_asking_changes_nothing_on_the_chain(chain: Chain) -> None:
    wallet = deploy("Writes")

    accepts(wallet, signed())

    assert int.from_bytes(evm._web3().eth.get_storage_at(evm._address(wallet), 0)) == 0


def test_a_node_that_is_away_is_no_answer(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    away = Web3(HTTPProvider("http://127.0.0.1:1", exception_retry_configuration=None))
    monkeypatch.setattr(evm._local, "web3", away)

    with pytest.raises(Temporary):
        accepts(OWNER.address, signed())
