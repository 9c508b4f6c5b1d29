"""Text forms of addresses, against the vectors of their specifications."""

import pytest

from accounts.codecs import (
    XRP_ALPHABET,
    NotDecoded,
    decode_base58,
    decode_base58check,
    decode_bech32,
    decode_segwit,
    encode_base58check,
)

# BIP-173 and BIP-350, "Test vectors".
VALID_BECH32 = [
    "A12UEL5L",
    "a12uel5l",
    "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
    "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
    "11qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqc8247j",
    "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
    "?1ezyfcl",
]
VALID_BECH32M = [
    "A1LQFN3A",
    "a1lqfn3a",
    "an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
    "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
    "11llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllludsr8",
    "split1checkupstagehandshakeupstreamerranterredcaperredlc445v",
    "?1v759aa",
]
INVALID = [
    (" 1nwldj5", "characters"),
    ("\x7f1axkwrx", "characters"),
    ("\x801eym55h", "characters"),
    (
        "an84characterslonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1569pvx",
        "length",
    ),
    ("pzry9x0s0muk", "form"),
    ("1pzry9x0s0muk", "form"),
    ("x1b4n0q5v", "characters"),
    ("li1dgmt3", "length"),
    ("de1lg7wt\xff", "characters"),
    ("A1G7SGD8", "checksum"),
    ("10a06t8", "form"),
    ("1qzzfhee", "form"),
    (" 1xj0phk", "characters"),
    ("\x7f1g6xzxy", "characters"),
    ("\x801vctc34", "characters"),
    (
        "an84characterslonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11d6pts4",
        "length",
    ),
    ("qyrz8wqd2c9m", "form"),
    ("1qyrz8wqd2c9m", "form"),
    ("y1b0jsk6g", "characters"),
    ("lt1igcx5c0", "characters"),
    ("in1muywd", "length"),
    ("mm1crxm3i", "characters"),
    ("au1s5cgom", "characters"),
    ("M1VUXWEZ", "checksum"),
    ("16plkw9", "form"),
    ("1p2gdwpf", "form"),
]
# BIP-350, "Test vectors for v0-v16 native segregated witness addresses": address, script.
VALID_SEGWIT = [
    ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "0014751e76e8199196d454941c45d1b3a323f1433bd6"),
    (
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
        "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
    ),
    (
        "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
        "5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6",
    ),
    ("BC1SW50QGDZ25J", "6002751e"),
    ("bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "5210751e76e8199196d454941c45d1b3a323"),
    (
        "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy",
        "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
    ),
    (
        "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c",
        "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
    ),
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    ),
]
INVALID_SEGWIT = [
    ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", "checksum"),
    ("tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf", "checksum"),
    ("BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL", "checksum"),
    ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", "checksum"),
    ("tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47", "checksum"),
    ("bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4", "characters"),
    ("BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R", "form"),
    ("bc1pw5dgrnzv", "length"),
    ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav", "length"),
    ("BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", "length"),
    ("tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq", "case"),
    ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf", "form"),
    ("tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j", "form"),
    ("bc1gmk9yu", "form"),
]


@pytest.mark.parametrize("text", VALID_BECH32)
def test_bech32_of_bip_173(text: str) -> None:
    assert decode_bech32(text).modified is False


@pytest.mark.parametrize("text", VALID_BECH32M)
def test_bech32m_of_bip_350(text: str) -> None:
    assert decode_bech32(text).modified is True


@pytest.mark.parametrize(("text", "reason"), INVALID)
def test_what_both_proposals_call_invalid(text: str, reason: str) -> None:
    with pytest.raises(NotDecoded) as refusal:
        decode_bech32(text)
    assert refusal.value.reason == reason


@pytest.mark.parametrize(("address", "script"), VALID_SEGWIT)
def test_witness_programs_of_bip_350(address: str, script: str) -> None:
    _prefix, version, program = decode_segwit(address)

    made = bytes([version + 0x50 if version else 0, len(program)]) + program
    assert made.hex() == script


@pytest.mark.parametrize(("address", "reason"), INVALID_SEGWIT)
def test_witness_addresses_that_bip_350_calls_invalid(address: str, reason: str) -> None:
    with pytest.raises(NotDecoded) as refusal:
        decode_segwit(address)
    assert refusal.value.reason == reason


# Bitcoin Core, src/test/data/base58_encode_decode.json.
@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("2g", "61"),
        ("a3gV", "626262"),
        ("aPEr", "636363"),
        ("2cFupjhnEsSn59qHXstmK2ffpLv2", "73696d706c792061206c6f6e6720737472696e67"),
        (
            "1NS17iag9jJgTHD1VXjvLCEnZuQ3rJDE9L",
            "00eb15231dfceb60925886b67d065299925915aeb172c06647",
        ),
        ("ABnLTmg", "516b6fcd0f"),
        ("3SEo3LWLoPntC", "bf4f89001e670274dd"),
        ("3EFU7m", "572e4794"),
        ("EJDM8drfXA6uyA", "ecac89cad93923c02321"),
        ("Rt5zm", "10c8511e"),
        ("1111111111", "00000000000000000000"),
    ],
)
def test_base58_of_bitcoins_reference_client(text: str, content: str) -> None:
    assert decode_base58(text).hex() == content


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "length"), ("2" * 129, "length"), ("0", "characters"), ("l", "characters")],
)
def test_what_is_not_base58(text: str, reason: str) -> None:
    with pytest.raises(NotDecoded) as refusal:
        decode_base58(text)
    assert refusal.value.reason == reason


def test_base58check_is_read_as_it_is_written() -> None:
    for alphabet in ({}, {"alphabet": XRP_ALPHABET}):
        for payload in (bytes(21), b"\0" + bytes(range(20)), b"\x41" + b"\xff" * 20):
            text = encode_base58check(payload, **alphabet)
            assert decode_base58check(text, **alphabet) == payload


def test_base58check_without_a_payload_is_refused() -> None:
    with pytest.raises(NotDecoded, match="length"):
        decode_base58check("3EFU7m")
