"""The stand-alone verifier: run as people run it, and against every change of a proof."""

import copy
import importlib.util
import json
import random
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from compliance.reserves import merkle
from compliance.reserves.liabilities import Proof, Root

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "docs/verify/verify_reserve_proof.py"
SPECIFICATION = ROOT / "docs/liabilities-tree.md"
SNAPSHOT = uuid.UUID("6f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1")
JSON = dict[str, Any]


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_reserve_proof", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


VERIFIER = loaded()


def proofs(count: int) -> Iterator[JSON]:
    """The proofs of so many holders, as they are downloaded."""
    accounts = [bytes([number % 256, number // 256]) * 10 for number in range(count)]
    nonces = [bytes([number % 256, number // 256]) * 16 for number in range(count)]
    units = [number * 10**17 for number in range(1, count + 1)]
    tree = merkle.build(snapshot=SNAPSHOT, accounts=accounts, units=units, nonces=nonces)
    for index, given in enumerate(tree.order.tolist()):
        salt = merkle.salt_of(nonce=nonces[given], snapshot=SNAPSHOT, account=accounts[given])
        proof = Proof(
            snapshot_id=SNAPSHOT,
            root=Root(tree.root.hex(), tree.top.sum),
            holders=count,
            index=index,
            address=f"0x{accounts[given].hex()}",
            units=units[given],
            salt=salt,
            path=tree.path(index),
        )
        yield json.loads(json.dumps(proof.as_json()))


def verdict(proof: object, tmp_path: Path, *, root: str = "") -> int:
    file = tmp_path / "proof.json"
    file.write_text(proof if isinstance(proof, str) else json.dumps(proof))
    return int(VERIFIER.main([str(file), *(["--root", root] if root else [])]))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 9, 13, 64, 100])
def test_what_agora_builds_the_verifier_accepts(count: int, tmp_path: Path) -> None:
    for proof in proofs(count):
        assert verdict(proof, tmp_path, root=proof["root"]["hash"]) == 0


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a proof a text stands."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(part, (*path, key))


def with_change(proof: JSON, place: tuple[Any, ...], change: Any) -> JSON:
    changed = copy.deepcopy(proof)
    holder: Any = changed
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = change(holder[place[-1]])
    return changed


def one_character(text: str) -> str:
    """The text with one digit replaced by another one of its kind."""
    at = random.choice([i for i, c in enumerate(text) if c.isalnum()])
    digits = "0123456789abcdef" if re.fullmatch("[0-9a-fx-]+", text) else "qrs"
    return text[:at] + random.choice([d for d in digits if d != text[at]]) + text[at + 1 :]


def test_any_single_change_breaks_a_proof(tmp_path: Path) -> None:
    """Index, account, units, salt, every sibling's digest and sum, root, count, snapshot, format."""
    for proof in random.sample(list(proofs(45)), 12):
        root = proof["root"]["hash"]
        for place in places(proof):
            for _ in range(3):
                changed = with_change(proof, place, one_character)
                assert verdict(changed, tmp_path, root=root) in (1, 2), place


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path[:-1], id="cut at the top"),
        pytest.param(lambda path: path[1:], id="cut at the leaf"),
        pytest.param(lambda path: [*path, path[-1]], id="longer"),
        pytest.param(lambda path: path[::-1], id="turned round"),
        pytest.param(lambda path: [path[1], path[0], *path[2:]], id="two siblings swapped"),
    ],
)
def test_another_path_breaks_a_proof(change: Any, tmp_path: Path) -> None:
    for proof in proofs(20):
        changed = with_change(proof, ("path",), change)
        assert verdict(changed, tmp_path, root=proof["root"]["hash"]) in (1, 2)


def test_a_proof_of_another_snapshot_does_not_pass(tmp_path: Path) -> None:
    proof = next(proofs(5))
    other = {**proof, "snapshot": str(uuid.uuid4())}

    assert verdict(other, tmp_path, root=proof["root"]["hash"]) == 1


def test_a_forged_tree_does_not_lead_to_the_published_root(tmp_path: Path) -> None:
    """A proof that is whole in itself, of a tree that owes less."""
    honest, forged = next(proofs(8)), next(proofs(7))

    assert verdict(forged, tmp_path, root=forged["root"]["hash"]) == 0
    assert verdict(forged, tmp_path, root=honest["root"]["hash"]) == 1


def test_a_holder_cannot_be_put_where_padding_belongs(tmp_path: Path) -> None:
    """The last of three is beside padding; a proof that has it beside itself is refused."""
    last = list(proofs(3))[2]
    leaf = VERIFIER.read_leaf(last["leaf"])
    index, account, units, salt = leaf
    content = b"\0" + index.to_bytes(8, "big") + account + salt + units.to_bytes(16, "big")
    doubled = copy.deepcopy(last)
    doubled["path"][0] = {"hash": VERIFIER.sha256(content).hex(), "sum": str(units)}

    assert verdict(doubled, tmp_path, root=last["root"]["hash"]) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        '{"format": "agora-liabilities-proof/2"}',
        "[" * 20_001,
        '{"format": 1, "format": 2}',
    ],
)
def test_what_is_no_proof_is_unreadable(text: str, tmp_path: Path) -> None:
    assert verdict(text, tmp_path) == 2


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("leaf", "units"), "-1"),
        (("leaf", "units"), "01"),
        (("leaf", "units"), 5),
        (("leaf", "units"), "1e3"),
        (("leaf", "units"), "٣"),
        (("leaf", "index"), "+1"),
        (("leaf", "salt"), "00"),
        (("leaf", "account"), "a1" * 20),
        (("path",), "none"),
        (("path", 0), {"hash": "00" * 32, "sum": "1", "more": "1"}),
        (("root", "hash"), "G" * 64),
        (("snapshot",), "6F1E2D3C-4B5A-4978-8695-A4B3C2D1E0F1"),
    ],
)
def test_what_is_not_of_the_form_is_unreadable(
    place: tuple[Any, ...], value: Any, tmp_path: Path
) -> None:
    proof = next(proofs(5))

    assert verdict(with_change(proof, place, lambda _old: value), tmp_path) == 2


@pytest.mark.parametrize("units", [str(2**128), str(10**38 * 9)])
def test_sums_that_would_wrap_round_are_wrong(units: str, tmp_path: Path) -> None:
    proof = next(proofs(5))

    assert verdict(with_change(proof, ("leaf", "units"), lambda _old: units), tmp_path) == 1
    assert verdict(with_change(proof, ("path", 0, "sum"), lambda _old: units), tmp_path) == 1


def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """The script as a person runs it, with nothing but the standard library in reach."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_needs_the_standard_library_alone_and_tells_its_verdict() -> None:
    proof = next(proofs(5))
    text, root = json.dumps(proof), proof["root"]["hash"]

    right = run("-", "--root", root.upper(), text=text)
    uncompared = run("-", text=text)
    wrong = run("-", "--root", "0" * 64, text=text)
    missing = run("nowhere.json")
    deep = run("-", text="[" * 20_000)

    assert (right.returncode, uncompared.returncode) == (0, 3)
    assert (wrong.returncode, missing.returncode, deep.returncode) == (1, 2, 2)
    assert proof["leaf"]["units"] in right.stdout
    assert "published" in uncompared.stderr


def test_the_vector_of_the_specification_holds() -> None:
    text = SPECIFICATION.read_text()
    found = re.search(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found
    proof = json.loads(found[1])
    numbers = {number: bytes([number]) for number in (0xA1, 0xB2, 0xC3)}

    assert run("-", "--root", proof["root"]["hash"], text=found[1]).returncode == 0
    tree = merkle.build(
        snapshot=uuid.UUID(proof["snapshot"]),
        accounts=[number * 20 for number in numbers.values()],
        units=[15 * 10**17, 25 * 10**16, 0],
        nonces=[bytes([number]) * 32 for number in (1, 2, 3)],
    )
    assert tree.root.hex() == proof["root"]["hash"]
    for node in (tree.levels[0][2], tree.levels[1][1], tree.levels[2][0]):
        assert merkle.Node.of(node.tobytes()).hash.hex() in text
