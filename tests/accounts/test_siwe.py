"""EIP-4361: the message's grammar, exactly; and whose key signed it."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from eth_account.messages import _hash_eip191_message, encode_defunct
from hypothesis import given
from hypothesis import strategies as st

from accounts import siwe
from accounts.siwe import MalformedSignature, Message, MessageRefused, parse
from tests.signing import Signer, other_form

ISSUED = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
ADDRESS = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
MESSAGE = Message(
    domain="agora.example:8443",
    address=ADDRESS,
    statement="I own this wallet.",
    uri="https://agora.example:8443/account/wallet/",
    chain_id=84532,
    nonce="32891756abcdEFGH",
    issued_at=ISSUED,
    expiration_time=ISSUED + timedelta(minutes=10),
)
# The three examples of EIP-4361 itself.
MINIMAL = f"""example.com wants you to sign in with your Ethereum account:
{ADDRESS}

I accept the ExampleOrg Terms of Service: https://example.com/tos

URI: https://example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- https://example.com/my-web2-claim.json"""
EXAMPLES = [
    MINIMAL,
    MINIMAL.replace("example.com wants", "example.com:3388 wants"),
    "https://" + MINIMAL,
    MINIMAL.replace("\nI accept the ExampleOrg Terms of Service: https://example.com/tos", ""),
    MINIMAL.replace("Z\nRes", "Z\nNot Before: 2021-09-30T16:25:24.5+02:00\nRequest ID: a%20b\nRes"),
    MINIMAL[: MINIMAL.index("\nResources:")],
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_standards_own_forms_are_read(text: str) -> None:
    message = parse(text)

    assert message.address == ADDRESS
    assert (message.chain_id, message.nonce) == (1, "32891756")
    assert message.issued_at == datetime(2021, 9, 30, 16, 25, 24, tzinfo=UTC)


def test_what_is_written_reads_back_the_same() -> None:
    full = replace(
        MESSAGE, scheme="https", not_before=ISSUED, request_id="", resources=("ipfs://a", "b:c")
    )
    for message in (MESSAGE, replace(MESSAGE, statement=""), full):
        assert parse(message.text()) == message


TEXT = MESSAGE.text()
WRONG = [
    "",
    TEXT + "\n",
    " " + TEXT,
    TEXT.replace("\n", "\r\n"),
    TEXT.replace("your Ethereum account", "Your Ethereum account"),
    TEXT.replace(ADDRESS, ADDRESS.lower()),
    TEXT.replace(ADDRESS, "0x" + ADDRESS[2:].swapcase()),
    TEXT.replace(ADDRESS, ADDRESS[:-1]),
    TEXT.replace("Version: 1", "Version: 2"),
    TEXT.replace("Chain ID: 84532", "Chain ID: 0x14a34"),
    TEXT.replace("Chain ID: 84532", "Chain ID: ٨"),
    TEXT.replace(MESSAGE.nonce, "short"),
    TEXT.replace(MESSAGE.nonce, "with-a-hyphen"),
    TEXT.replace("Issued At: 2026-11-22T08:00:00Z", "Issued At: 2026-11-22 08:00:00"),
    TEXT.replace("Issued At: 2026-11-22T", "Issued At: 2026-02-30T"),
    TEXT.replace("Issued At: 2026-11-22T08", "Issued At: 2026-11-22T25"),
    TEXT.replace("\n\nI own", "\nI own"),
    TEXT.replace("this wallet.", "this wallet.\nAnd that one."),
    TEXT.replace("this wallet.", "this wallet\u202e."),
    TEXT.replace("this wallet.", "ésta."),
    TEXT.replace("agora.example:8443 wants", "agora.example:8443/path wants"),
    TEXT.replace("agora.example:8443 wants", "user@agora.example wants"),
    TEXT.replace("agora.example:8443 wants", " wants"),
    TEXT.replace("URI: https", "URI: "),
    TEXT.replace("URI: https", "URI: https://a b\nURI: https"),
    TEXT.replace("Version: 1\nChain ID: 84532", "Chain ID: 84532\nVersion: 1"),
    TEXT + "\nExpiration Time: 2027-11-22T08:00:00Z",
    TEXT + "\nSomething: else",
    TEXT + "\nResources:\nhttps://example.com",
]


@pytest.mark.parametrize("text", WRONG)
def test_anything_else_is_no_message(text: str) -> None:
    with pytest.raises(MessageRefused, match="grammar"):
        parse(text)


@given(st.integers(0, len(TEXT) - 1), st.characters(codec="utf-8"))
def test_a_text_that_differs_in_one_character_never_reads_as_the_same(at: int, letter: str) -> None:
    changed = TEXT[:at] + letter + TEXT[at + 1 :]
    if changed == TEXT:
        return
    with contextlib.suppress(MessageRefused):
        assert parse(changed) != MESSAGE


def checked(message: Message = MESSAGE, *, after: int = 1) -> None:
    siwe.check(
        message,
        domain="agora.example:8443",
        uri="https://agora.example:8443/account/wallet/",
        chain_id=84532,
        address=ADDRESS,
        nonce="32891756abcdEFGH",
        now=ISSUED + timedelta(seconds=after),
    )


def test_the_message_that_was_asked_for_passes_until_it_expires() -> None:
    checked()
    checked(after=599)
    for seconds, code in ((600, "expired"), (-1, "not_yet")):
        with pytest.raises(MessageRefused, match=code):
            checked(after=seconds)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("domain", replace(MESSAGE, domain="agora.example")),
        ("domain", replace(MESSAGE, scheme="https")),
        ("uri", replace(MESSAGE, uri="https://agora.example:8443/account/wallet")),
        ("chain_id", replace(MESSAGE, chain_id=1)),
        ("address", replace(MESSAGE, address=Signer().address)),
        ("nonce", replace(MESSAGE, nonce="32891756abcdEFGh")),
        ("not_yet", replace(MESSAGE, not_before=ISSUED + timedelta(seconds=2))),
        ("expired", replace(MESSAGE, expiration_time=None)),
    ],
)
def test_every_field_is_compared(code: str, message: Message) -> None:
    with pytest.raises(MessageRefused, match=code):
        checked(message)


def test_nonces_are_long_and_never_twice_the_same() -> None:
    nonces = {siwe.new_nonce() for _each in range(1000)}

    assert len(nonces) == 1000
    assert all(len(nonce) == 22 and nonce.isalnum() and nonce.isascii() for nonce in nonces)


def test_the_signer_is_recovered() -> None:
    key = Signer()
    signature = siwe.signature_bytes(key.sign(TEXT))

    assert siwe.signer(TEXT, signature) == key.address
    assert siwe.signer(TEXT, signature[:64] + bytes([signature[64] - 27])) == key.address
    assert siwe.signer(TEXT + " ", signature) != key.address


def test_the_hash_is_that_of_eip_191() -> None:
    for text in (TEXT, "", "ação"):
        assert siwe.digest(text) == _hash_eip191_message(encode_defunct(text=text))


def test_the_other_form_of_a_signature_is_refused() -> None:
    key = Signer()
    twin = siwe.signature_bytes(other_form(key.sign(TEXT)))

    assert siwe.signer(TEXT, twin) is None


@pytest.mark.parametrize(
    "raw",
    [
        bytes(65),
        bytes(64) + b"\x1b",
        b"\xff" * 64 + b"\x1b",
        bytes(31) + b"\x01" + bytes(32) + b"\x1b",  # s is zero
        bytes(31) + b"\x05" + bytes(31) + b"\x01" + b"\x1b",  # no point has this r
    ],
)
def test_numbers_that_are_no_signature_are_nobodys(raw: bytes) -> None:
    assert siwe.signer(TEXT, raw) is None


@pytest.mark.parametrize("length", [0, 64, 66, 130])
def test_a_key_signs_with_65_bytes(length: int) -> None:
    assert siwe.signer(TEXT, bytes(length)) is None


@pytest.mark.parametrize("recovery", [2, 26, 29, 255])
def test_other_recovery_ids_are_nobodys(recovery: int) -> None:
    raw = siwe.signature_bytes(Signer().sign(TEXT))

    assert siwe.signer(TEXT, raw[:64] + bytes([recovery])) is None


@pytest.mark.parametrize(
    "text", ["", "0x", "0x12", "0x" + "1" * 129, "0x" + "g" * 130, "ab" * 64, "0x" + "00" * 4097]
)
def test_what_has_not_the_form_of_a_signature_is_told_apart(text: str) -> None:
    with pytest.raises(MalformedSignature):
        siwe.signature_bytes(text)


def test_spaces_and_a_missing_0x_do_not_matter() -> None:
    assert siwe.signature_bytes("  " + "AB" * 65 + "\n") == b"\xab" * 65
