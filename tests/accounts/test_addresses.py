"""An address is taken when its chain would take it, and a refusal says what is wrong with it."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.addresses import LARGEST_TAG, Chain, InvalidAddress, check
from accounts.codecs import BECH32_ALPHABET, BITCOIN_ALPHABET, XRP_ALPHABET, encode_base58check

FRONTEND = Path(__file__).resolve().parents[2] / "frontend"

P2PKH = "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"
P2SH = "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"
P2WPKH = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
P2WSH = "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3"
TAPROOT = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"
EIP_55 = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
LTC_L = "LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9"
LTC_M = "MGxNPPB7eBoWPUaprtX9v9CXJZoD2465zN"
LTC_SEGWIT = "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9"
SOL = "vines1vzrYbzLMRdu58ou5XTby4qAqVRLmqo36NKPTg"
SOL_OFF_CURVE = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"
TRON = "TNPeeaaFB7K9cmo4uQpcU32zGK8G1NYqeL"
XRP = "r9cZA1mLK5R5Am25ArfXFmqgNwjZgnfk59"

TAKEN = [
    (Chain.BTC, P2PKH),
    (Chain.BTC, P2SH),
    (Chain.BTC, P2WPKH),
    (Chain.BTC, P2WSH),
    (Chain.BTC, TAPROOT),
    (Chain.EVM, EIP_55),
    (Chain.LTC, LTC_L),
    (Chain.LTC, LTC_M),
    (Chain.LTC, LTC_SEGWIT),
    (Chain.LTC, P2SH),
    (Chain.SOL, SOL),
    (Chain.SOL, SOL_OFF_CURVE),
    (Chain.TRON, TRON),
    (Chain.XRP, XRP),
]


def code_of(chain: Chain, text: str) -> str:
    """The code with which the text is refused; "" when it is taken."""
    try:
        check(chain, text)
    except InvalidAddress as refusal:
        return str(refusal.code)
    return ""


def message_of(chain: Chain, text: str) -> str:
    with pytest.raises(InvalidAddress) as refusal:
        check(chain, text)
    return str(refusal.value.messages[0])


@pytest.mark.parametrize(("chain", "address"), TAKEN)
def test_every_form_of_every_chain_is_taken(chain: Chain, address: str) -> None:
    assert check(chain, address).address == address


@pytest.mark.parametrize(("chain", "address"), TAKEN)
def test_what_copying_adds_at_the_ends_is_dropped(chain: Chain, address: str) -> None:
    assert check(chain, f"\u200b {address}\u00a0\n").address == address


def test_one_address_has_one_form() -> None:
    assert check(Chain.BTC, P2WPKH.upper()).address == P2WPKH
    assert check(Chain.LTC, LTC_SEGWIT.upper()).address == LTC_SEGWIT
    assert check(Chain.EVM, EIP_55.lower()).address == EIP_55


# XLS-5, as in the reference implementation of the XRP Ledger Foundation.
@pytest.mark.parametrize(
    ("x_address", "classic", "tag"),
    [
        ("X7AcgcsBL6XDcUb289X4mJ8djcdyKaB5hJDWMArnXr61cqZ", XRP, None),
        ("X7AcgcsBL6XDcUb289X4mJ8djcdyKaGZMhc9YTE92ehJ2Fu", XRP, 1),
        (
            "X7d3eHCXzwBeWrZec1yT24iZerQjYL8m8zCJ16ACxu1BrBY",
            "rsA2LpzuawewSBQXkiju3YQTMzW13pAAdW",
            23480,
        ),
        (
            "XVLhHMPHU98es4dbozjVtdWzVrDjtV8AqEL4xcZj5whKbmc",
            "rGWrZyQqhTp9Xu7G5Pkayo7bXjH4k4QYpf",
            0,
        ),
        (
            "XVLhHMPHU98es4dbozjVtdWzVrDjtV18pX8yuPT7y4xaEHi",
            "rGWrZyQqhTp9Xu7G5Pkayo7bXjH4k4QYpf",
            LARGEST_TAG,
        ),
        (
            "XV5sbjUmgPpvXv4ixFWZ5ptAYZ6PD2qwGkhgc48zzcx6Gkr",
            "rPEPPER7kfTD9w2To4CQk6UCfuHM9c6GDY",
            13371337,
        ),
    ],
)
def test_an_x_address_is_the_classic_one_with_its_tag(
    x_address: str, classic: str, tag: int | None
) -> None:
    found = check(Chain.XRP, x_address)

    assert (found.address, found.tag) == (classic, tag)


@pytest.mark.parametrize(
    "wrong",
    [
        "dGzKGt8CVpWoa8aWL1k18tAdy9Won3PxynvbbpkAqp3V47g",  # another prefix
        "XVLhHMPHU98es4dbozjVtdWzVrDjtV18pX8zeUygYrCgrPh",  # a tag of 64 bits
    ],
)
def test_x_addresses_that_the_standard_refuses(wrong: str) -> None:
    assert code_of(Chain.XRP, wrong) == "form"


@pytest.mark.parametrize(("flag", "tag"), [(0, 1), (1, LARGEST_TAG + 1), (2, 0)])
def test_an_x_address_whose_tag_and_flag_do_not_fit_is_refused(flag: int, tag: int) -> None:
    content = b"\x05\x44" + b"\x07" * 20 + bytes([flag]) + tag.to_bytes(8, "little")

    assert code_of(Chain.XRP, encode_base58check(content, alphabet=XRP_ALPHABET)) == "form"


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        (Chain.BTC, "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"),
        (Chain.BTC, "2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc"),
        (Chain.BTC, "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"),
        (Chain.BTC, "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c"),
        (Chain.LTC, encode_base58check(b"\x3a" + b"\x07" * 20)),
        (Chain.XRP, "T719a5UwUCnEs54UsxG9CJYYDhwmFCqkr7wxCcNcfZ6p5GZ"),
    ],
)
def test_addresses_of_test_networks_are_refused_as_such(chain: Chain, address: str) -> None:
    assert code_of(chain, address) == "test_network"


@pytest.mark.parametrize(("chain", "address"), TAKEN)
@pytest.mark.parametrize("chosen", list(Chain))
def test_an_address_of_another_chain_is_told_by_name(
    chain: Chain, address: str, chosen: Chain
) -> None:
    if chosen == chain or (address == P2SH and chosen in {Chain.BTC, Chain.LTC}):
        return
    assert code_of(chosen, address) == "other_chain"
    expected = Chain.BTC if address == P2SH else chain
    assert f": {expected.label}." in message_of(chosen, address)


@pytest.mark.parametrize(
    ("chain", "wrong", "code"),
    [
        (Chain.BTC, "", "empty"),
        (Chain.BTC, " \u200b ", "empty"),
        (Chain.BTC, P2WPKH[:20] + P2WPKH[20:].upper(), "case"),
        (Chain.BTC, P2WPKH[:-1] + "5", "checksum"),
        (Chain.BTC, P2WPKH[:-1] + "b", "characters"),
        (Chain.BTC, P2PKH[:-1] + "U", "checksum"),
        (Chain.BTC, P2PKH[:-1] + "0", "characters"),
        (Chain.BTC, f"{P2PKH} {P2PKH}", "characters"),
        (Chain.BTC, f"bitcoin:{P2PKH}", "characters"),
        # A later witness version, and a taproot program of another length.
        (Chain.BTC, "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "form"),
        (
            Chain.BTC,
            "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
            "form",
        ),
        (Chain.BTC, encode_base58check(b"\0" + bytes(20)), "zero"),
        (Chain.EVM, EIP_55.replace("A", "a", 1), "checksum"),
        (Chain.EVM, EIP_55[2:], "invalid"),
        (Chain.EVM, "0x" + "0" * 40, "zero"),
        (Chain.SOL, SOL[:-2], "form"),
        (Chain.SOL, "1" * 32, "zero"),
        (Chain.TRON, "41" + "0a" * 20, "characters"),
        (Chain.TRON, encode_base58check(b"\x41" + bytes(20)), "zero"),
        (Chain.XRP, "rrrrrrrrrrrrrrrrrrrrrhoLvTp", "zero"),
        (Chain.XRP, XRP[:-1] + "8", "checksum"),
    ],
)
def test_a_refusal_says_what_is_wrong(chain: Chain, wrong: str, code: str) -> None:
    assert code_of(chain, wrong) == code


@pytest.mark.parametrize("chain", list(Chain))
@pytest.mark.parametrize(
    "hostile",
    [
        "\0",
        "x" * 100_000,
        "<script>",
        "'; DROP TABLE",
        "𝟎𝐱" * 20,
        "١٢٣",
        "\ud800",
        "%(a)s",
        "1" * 127,
    ],
)
def test_hostile_texts_are_refused_and_nothing_else_happens(chain: Chain, hostile: str) -> None:
    assert code_of(chain, hostile) in {"form", "invalid", "characters", "checksum"}
    assert message_of(chain, hostile)


ALPHABETS = {
    P2PKH: BITCOIN_ALPHABET,
    P2SH: BITCOIN_ALPHABET,
    P2WPKH: BECH32_ALPHABET,
    P2WSH: BECH32_ALPHABET,
    TAPROOT: BECH32_ALPHABET,
    LTC_L: BITCOIN_ALPHABET,
    LTC_M: BITCOIN_ALPHABET,
    LTC_SEGWIT: BECH32_ALPHABET,
    TRON: BITCOIN_ALPHABET,
    XRP: XRP_ALPHABET,
    "X7AcgcsBL6XDcUb289X4mJ8djcdyKaGZMhc9YTE92ehJ2Fu": XRP_ALPHABET,
}


@given(data=st.data(), address=st.sampled_from(sorted(ALPHABETS)))
def test_one_changed_character_makes_no_other_address(data: st.DataObject, address: str) -> None:
    place = data.draw(st.integers(0, len(address) - 1))
    character = data.draw(st.sampled_from(ALPHABETS[address]))
    changed = address[:place] + character + address[place + 1 :]

    if changed != address:
        assert all(code_of(chain, changed) for chain in Chain if chain != Chain.SOL)


@given(place=st.integers(2, 41))
def test_one_letter_in_the_wrong_case_fails_eip_55(place: int) -> None:
    changed = EIP_55[:place] + EIP_55[place].swapcase() + EIP_55[place + 1 :]

    assert code_of(Chain.EVM, changed) == ("" if EIP_55[place].isdigit() else "checksum")


@given(text=st.text(max_size=140), chain=st.sampled_from(list(Chain)))
def test_any_text_is_taken_or_refused(text: str, chain: Chain) -> None:
    assert code_of(chain, text) in {"", "empty", "form", "invalid", "characters", "case", "checksum",
                                    "zero", "other_chain", "test_network"}  # fmt: skip


@given(
    account=st.binary(min_size=20, max_size=20).filter(any),
    tag=st.none() | st.integers(0, LARGEST_TAG),
)
def test_any_account_and_tag_comes_back_from_its_x_address(account: bytes, tag: int | None) -> None:
    flagged = bytes([tag is not None]) + (tag or 0).to_bytes(8, "little")
    x_address = encode_base58check(b"\x05\x44" + account + flagged, alphabet=XRP_ALPHABET)

    found = check(Chain.XRP, x_address)
    assert found.tag == tag
    assert check(Chain.XRP, found.address).address == found.address


# --- A second opinion ----------------------------------------------------------------------------

ORACLE = """
const {validate} = require("multicoin-address-validator");
let input = "";
process.stdin.on("data", (part) => { input += part; });
process.stdin.on("end", () => {
  const asked = JSON.parse(input);
  console.log(JSON.stringify(asked.map(([chain, address]) => validate(address, chain, "prod"))));
});
"""
ITS_NAMES = {
    Chain.BTC: "btc",
    Chain.EVM: "eth",
    Chain.LTC: "ltc",
    Chain.SOL: "sol",
    Chain.TRON: "trx",
    Chain.XRP: "xrp",
}


def second_opinions(asked: list[tuple[Chain, str]]) -> list[bool]:
    """What the validator that exchanges use says of each address."""
    content = json.dumps([[ITS_NAMES[chain], address] for chain, address in asked])
    done = subprocess.run(
        ["node", "-e", ORACLE],
        input=content,
        cwd=FRONTEND,
        capture_output=True,
        text=True,
        check=True,
    )
    answers: list[bool] = json.loads(done.stdout)
    return answers


def samples() -> list[tuple[Chain, str]]:
    """Addresses of every form, right and with each character changed once."""
    found = []
    for chain, address in TAKEN:
        if (chain, address) == (Chain.LTC, P2SH):
            continue  # the old form, which it does not know
        found.append((chain, address))
        if chain == Chain.SOL:
            continue  # without a checksum every change is another address
        for place in range(len(address)):
            swap = "q" if address[place] != "q" else "p"
            found.append((chain, address[:place] + swap + address[place + 1 :]))
    return found


def test_a_second_validator_agrees() -> None:
    asked = samples()

    ours = [code_of(chain, address) == "" for chain, address in asked]
    differing = [
        pair
        for pair, mine, theirs in zip(asked, ours, second_opinions(asked), strict=True)
        if mine != theirs
    ]
    assert len(asked) > 400
    assert differing == []
