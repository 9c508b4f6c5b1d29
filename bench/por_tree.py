"""The tree of liabilities over a million holders, and one holder's proof from the stored tree.

Floor: OpenSSL's own loop (`openssl speed -evp sha256`, wall time, one core) over messages of the same
widths and in the same numbers, each hashed on its own as a tree must. It lays nothing out, sums
nothing and keeps nothing.
"""

import random
import re
import resource
import subprocess
import time
import uuid

from django.utils import timezone

from bench import measure
from bench.measure import Line, tell
from bench.stand import Stand
from compliance.reserves import liabilities, merkle
from compliance.reserves.liabilities import Holder, Proof

GOAL = 0.3
HOLDERS = 1_000_000
PROOFS = 2000
ROUNDS = 5
MOST_PROOF_MS = 1.0


def run(stand: Stand) -> Line:
    """Digests per second of both; the stored tree and every proof read from it must hold."""
    holders = _holders()
    pair = measure.alternate(
        subject=lambda: _messages() / _seconds_to_build(holders), floor=_native, rounds=ROUNDS
    )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    started, snapshot = time.monotonic(), uuid.uuid4()
    root = liabilities.build(holders=holders, snapshot_id=snapshot, now=timezone.now())
    stored = time.monotonic() - started
    tell(f"  built and stored in {stored:.0f} s")
    times, proofs = _read_proofs(snapshot, holders)
    ms = sorted(1000 * seconds for seconds in times)
    sound = root.sum == sum(holder.units for holder in holders) and all(p.holds for p in proofs)
    return measure.paired(
        "por_tree",
        pair,
        goal=GOAL,
        sound=sound and ms[len(ms) // 2] < MOST_PROOF_MS,
        holders=len(holders),
        digests=_messages(),
        memory_mib=memory,
        build_and_store_s=round(stored, 1),
        proof_ms=round(ms[len(ms) // 2], 3),
        proof_ms_95=round(ms[len(ms) * 95 // 100], 3),
        proof_ms_goal=MOST_PROOF_MS,
        proofs_checked=len(proofs),
    )


def _holders() -> list[Holder]:
    some = random.Random(1)
    return [
        Holder(f"0x{some.randbytes(20).hex()}", uuid.UUID(int=number), some.randrange(10**21))
        for number in range(HOLDERS)
    ]


def _widths() -> dict[int, int]:
    """How many messages of which width: salts, leaves, nodes (padding and root are 20 more)."""
    inner, level = 0, HOLDERS
    while level > 1:
        level = -(-level // 2)
        inner += level
    return {68: HOLDERS, 77: HOLDERS, 97: inner}


def _messages() -> int:
    return sum(_widths().values())


def _seconds_to_build(holders: list[Holder]) -> float:
    """From holders to a tree in memory; their nonces are at hand."""
    nonces = [number.to_bytes(32, "big") for number in range(len(holders))]
    started = time.monotonic()
    tree = merkle.build(
        snapshot=uuid.uuid4(),
        accounts=[bytes.fromhex(holder.address[2:]) for holder in holders],
        units=[holder.units for holder in holders],
        nonces=nonces,
    )
    taken = time.monotonic() - started
    if tree.holders != HOLDERS:
        raise AssertionError("The tree lost holders.")
    return taken


def _native() -> float:
    seconds = sum(count / _native_rate(width) for width, count in _widths().items())
    return _messages() / seconds


def _native_rate(width: int) -> float:
    told = subprocess.run(
        ["openssl", "speed", "-elapsed", "-mr", "-seconds", "1", "-bytes", str(width), "-evp", "sha256"],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    found = re.search(r"^\+F:\d+:[\w-]+:([\d.]+)$", told.stdout, re.MULTILINE | re.IGNORECASE)
    if found is None:
        raise RuntimeError(f"openssl speed told no rate: {told.stdout[-200:]}")
    return float(found[1]) / width


def _read_proofs(snapshot: uuid.UUID, holders: list[Holder]) -> tuple[list[float], list[Proof]]:
    """Proofs of holders drawn at random; the first one warms the connection and is not counted."""
    liabilities.proof_of(snapshot_id=snapshot, address=holders[0].address)
    times, proofs = [], []
    for holder in random.Random(2).sample(holders, PROOFS):
        started = time.perf_counter()
        proofs.append(liabilities.proof_of(snapshot_id=snapshot, address=holder.address))
        times.append(time.perf_counter() - started)
    return times, proofs
