"""The tree itself, without a database: docs/liabilities-tree.md as a test."""

import hashlib
import os
import random
import signal
import uuid
from itertools import pairwise
from pathlib import Path

import pytest

from compliance.reserves import merkle
from compliance.reserves.digests import Hasher
from compliance.reserves.merkle import Node, Tree, TreeError

SNAPSHOT = uuid.UUID("6f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1")
SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 100, 257]


def account(number: int) -> bytes:
    return number.to_bytes(20, "big")


def nonce(number: int) -> bytes:
    return hashlib.sha256(b"nonce %d" % number).digest()


def children() -> set[int]:
    """Processes that this one started and that still run."""
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return {int(pid) for pid in listed.split()}


def grown(units: list[int], *, snapshot: uuid.UUID = SNAPSHOT, helpers: int = 0) -> Tree:
    """A tree over accounts 1, 2, … that are owed these units."""
    numbers = range(1, len(units) + 1)
    return merkle.build(
        snapshot=snapshot,
        accounts=[account(number) for number in numbers],
        units=units,
        nonces=[nonce(number) for number in numbers],
        hasher=Hasher(helpers=helpers),
    )


def leaf_of(tree: Tree, index: int, units: list[int]) -> Node:
    number = int(tree.order[index]) + 1
    owed = units[number - 1]
    salt = merkle.salt_of(nonce=nonce(number), snapshot=SNAPSHOT, account=account(number))
    digest = merkle.leaf_hash(index=index, account=account(number), salt=salt, units=owed)
    return Node(digest, owed)


@pytest.mark.parametrize("size", SIZES)
def test_every_holder_climbs_to_the_one_root(size: int) -> None:
    units = [random.randrange(10**30) for _ in range(size)]
    tree = grown(units)

    for index in range(size):
        leaf = leaf_of(tree, index, units)
        climbed = [leaf, *merkle.climb(index=index, leaf=leaf, path=tree.path(index))]
        assert climbed[-1] == tree.top
    assert tree.top.sum == sum(units)
    assert tree.root == merkle.root_hash(snapshot=SNAPSHOT, holders=size, top=tree.top)


@pytest.mark.parametrize("size", SIZES)
def test_each_level_sums_up_to_the_same(size: int) -> None:
    units = [random.randrange(2**100) for _ in range(size)]

    sums = {sum(Node.of(node.tobytes()).sum for node in level) for level in grown(units).levels}

    assert sums == {sum(units)}


@pytest.mark.parametrize(
    "units",
    [
        pytest.param([2**64 - 1, 1, 2**64 - 1, 2**64 - 1], id="carries into the upper half"),
        pytest.param([2**128 - 1, 0], id="the largest sum"),
        pytest.param([2**127, 2**127 - 1], id="both upper halves"),
        pytest.param([0, 0, 0], id="nothing"),
    ],
)
def test_sums_of_128_bits_are_exact(units: list[int]) -> None:
    assert grown(units).top.sum == sum(units)


@pytest.mark.parametrize(
    ("units", "code"),
    [
        pytest.param([5, -1], "units_out_of_range", id="negative"),
        pytest.param([2**128], "units_out_of_range", id="more than 128 bits"),
        pytest.param([2**127, 2**127], "sum_overflow", id="a sum of more than 128 bits"),
    ],
)
def test_units_that_would_wrap_round_are_refused(units: list[int], code: str) -> None:
    with pytest.raises(TreeError) as refused:
        grown(units)

    assert refused.value.code == code


def test_an_account_that_comes_twice_is_refused() -> None:
    with pytest.raises(TreeError) as refused:
        merkle.build(
            snapshot=SNAPSHOT,
            accounts=[account(1), account(2), account(1)],
            units=[1, 2, 3],
            nonces=[nonce(1), nonce(2), nonce(3)],
        )

    assert refused.value.code == "account_twice"


def test_accounts_that_only_end_alike_are_different_accounts() -> None:
    ends_alike = [bytes([first]) + bytes(11) + b"the same" for first in (1, 2)]

    tree = merkle.build(
        snapshot=SNAPSHOT, accounts=ends_alike, units=[1, 2], nonces=[nonce(1), nonce(2)]
    )

    assert tree.top.sum == 3


def test_no_holders_have_a_root_too() -> None:
    tree = grown([])

    assert tree.top == merkle.padding(level=0, index=0)
    assert tree.root == merkle.root_hash(snapshot=SNAPSHOT, holders=0, top=tree.top)


def test_the_order_of_leaves_tells_nothing() -> None:
    """Not the order given, and another one in each snapshot."""
    units = list(range(1000))

    first = grown(units).order.tolist()
    second = grown(units, snapshot=uuid.UUID(int=7)).order.tolist()

    assert sorted(first) == sorted(second) == list(range(1000))
    assert first != second
    rising = sum(a < b for a, b in pairwise(first))
    assert 400 < rising < 600


def test_the_same_holders_give_the_same_root() -> None:
    assert grown([1, 2, 3]).root == grown([1, 2, 3]).root


def test_helpers_hash_to_the_same_tree() -> None:
    units = list(range(45_000))

    alone, together = grown(units), grown(units, helpers=2)

    assert together.root == alone.root


@pytest.mark.parametrize("parts_handed_over", [0, 1, 4])
def test_a_helper_that_dies_is_told_and_leaves_no_process(parts_handed_over: int) -> None:
    before, message = children(), bytes(77)
    handed_over: list[int] = []

    def lay_out(start: int, stop: int) -> memoryview:
        if len(handed_over) == parts_handed_over:
            for pid in children() - before:
                os.kill(pid, signal.SIGKILL)
        handed_over.append(start)
        return memoryview(message * (stop - start))

    with pytest.raises(OSError, match="Build it again"), Hasher(helpers=1) as hasher:
        hasher.digests(lay_out, count=80_000, width=len(message))

    assert children() == before


def test_a_machine_of_many_cores_gets_a_few_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    before, message = children(), bytes(77)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)))

    with Hasher() as hasher:
        hasher.digests(
            lambda start, stop: memoryview(message * (stop - start)), count=20_000, width=77
        )
        assert len(children() - before) == 16


def test_equal_balances_do_not_look_equal() -> None:
    tree = grown([5] * 8)

    assert len({node.tobytes() for node in tree.levels[0]}) == 8


# What a dishonest builder would try


def test_less_than_owed_cannot_be_declared_to_two_neighbours() -> None:
    """Maxwell's tree hashes the two digests and only the sum of both, so that each of two people can
    be shown a neighbour who holds little (eprint 2018/1139). Here the top would have to be the
    digest of two different contents."""
    rich, poor = (
        Node(hashlib.sha256(b"rich").digest(), 100),
        Node(hashlib.sha256(b"poor").digest(), 60),
    )
    declared = 100

    shown_to_rich = merkle.parent_of(rich, Node(poor.hash, declared - rich.sum))
    shown_to_poor = merkle.parent_of(Node(rich.hash, declared - poor.sum), poor)

    assert shown_to_rich.sum == shown_to_poor.sum == declared
    assert shown_to_rich.hash != shown_to_poor.hash


def test_sums_cannot_be_moved_between_neighbours() -> None:
    left, right = Node(bytes(32), 10), Node(b"\1" * 32, 20)

    moved = merkle.parent_of(Node(left.hash, 11), Node(right.hash, 19))

    assert moved.sum == merkle.parent_of(left, right).sum
    assert moved.hash != merkle.parent_of(left, right).hash


def test_a_lonely_node_is_not_its_own_neighbour() -> None:
    """Bitcoin's doubling of the last node gives [a, b, c] and [a, b, c, c] one root; padding does not."""
    three = grown([1, 2, 3])
    lonely = Node.of(three.levels[0][2].tobytes())
    beside = Node.of(three.levels[0][3].tobytes())

    assert beside == merkle.padding(level=0, index=3)
    assert beside.sum == 0
    assert beside != lonely
    assert merkle.parent_of(lonely, lonely).hash != merkle.parent_of(lonely, beside).hash


def test_no_message_of_one_kind_can_be_one_of_another() -> None:
    """Each kind begins with a byte of its own, so a node cannot be passed off as a leaf."""
    assert len({merkle.LEAF, merkle.NODE, merkle.PADDING, merkle.ROOT}) == 4


def test_one_leaf_cannot_serve_two_holders() -> None:
    salt = nonce(1)
    digests = {
        merkle.leaf_hash(index=index, account=account(1), salt=salt, units=5) for index in (0, 1)
    }

    assert len(digests) == 2
