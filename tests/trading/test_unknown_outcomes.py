"""Whatever befalls a call to a vendor: one broker order, one custody record, one mint.

Each call of the settlement meets each fault once. Correctness is read from the sandbox's books, from
its journal, and from the chain.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import User
from agora.lib.money import token_units
from agora.sandbox.client import SandboxControl
from compliance import audit
from tests.conftest import Chain
from tests.faults.evidence import Books
from tests.settling import place, settle
from trading import services
from trading.models import Order
from trading.states import State

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("chain")]


@dataclass(frozen=True)
class Call:
    """A call of the settlement: its route, the state before its leg, whether it has an effect."""

    name: str
    route: str
    state: State
    sends: bool = False
    match: str = ""


CALLS = [
    Call("submit", "POST /alpaca/v2/orders", State.PENDING, sends=True, match="buy-{}"),
    Call("poll", "GET /alpaca/v2/orders/*", State.SUBMITTED),
    Call("receipt", "POST /fireblocks/v1/transactions", State.FILLED, sends=True, match="cus-{}"),
    Call("receipt poll", "GET /fireblocks/v1/transactions/*", State.FILLED),
    Call("signature", "POST /fireblocks/v1/transactions", State.MINTING, sends=True, match="m1-{}"),
    Call("signature poll", "GET /fireblocks/v1/transactions/*", State.MINTING),
]
FAULTS: dict[str, dict[str, object]] = {
    "lost after the effect": {"kind": "drop_after"},
    "lost before the effect": {"kind": "drop_before"},
    "500": {"kind": "status", "status": 500},
    "502 in HTML after the effect": {
        "kind": "status",
        "status": 502,
        "body": "<html>Bad Gateway</html>",
        "after": True,
    },
    "cut-off body": {"kind": "truncate"},
    "half a JSON": {"kind": "truncate", "framed": True},
}
HAS_EFFECT = {
    "lost after the effect",
    "502 in HTML after the effect",
    "cut-off body",
    "half a JSON",
}


def heard(sandbox: SandboxControl, after: int, call: Call, order: Order) -> list[dict[str, Any]]:
    """The requests of one call about one order, in the order in which they arrived."""
    method, path = call.route.removesuffix("/*").split(" ")
    return [
        entry
        for entry in sandbox.journal(after=after)
        if entry["method"] == method
        and entry["path"].startswith(path)
        and (not call.match or call.match.format(order.pk.hex) in str(entry["keys"]))
    ]


def up_to(state: State, buyer: User, chain: Chain) -> Order:
    order = place(buyer, quantity="0.012345678")
    return order if state == State.PENDING else settle(order, chain=chain, until={state})


def newest(sandbox: SandboxControl) -> int:
    entries = sandbox.journal()
    return int(entries[-1]["n"]) if entries else 0


# A read without effect is the same lost before or after it.
CASES = [(call, fault) for call in CALLS for fault in FAULTS if call.sends or "after" not in fault]


@pytest.mark.parametrize(("call", "fault"), CASES, ids=lambda v: getattr(v, "name", v))
def test_a_call_that_meets_a_fault_is_done_exactly_once(
    sandbox: SandboxControl, chain: Chain, buyer: User, call: Call, fault: str
) -> None:
    order = up_to(call.state, buyer, chain)
    before = newest(sandbox)
    sandbox.fault(call.route, match=call.match.format(order.pk.hex), **FAULTS[fault])  # type: ignore[arg-type]

    order = settle(order, chain=chain)

    evidence = Books(sandbox).of(order)
    requests = heard(sandbox, before, call, order)
    assert order.state == State.MINT_CONFIRMED, order.last_error
    assert requests[0]["fault"] == FAULTS[fault]["kind"], "the fault struck"
    assert (evidence.broker_orders, evidence.custody_transfers, evidence.mints) == (1, 1, 1)
    assert evidence.filled == evidence.in_custody == order.quantity
    assert evidence.minted_units == token_units(order.quantity)
    if call.sends:
        assert len(requests) == (1 if fault in HAS_EFFECT else 2)
    assert trail_verifies()


def trail_verifies() -> bool:
    while audit.seal(now=timezone.now()):
        pass
    return audit.verify().faults == []


@pytest.mark.parametrize("call", [call for call in CALLS if call.sends], ids=lambda call: call.name)
def test_nothing_is_sent_again_before_it_was_looked_up_twice_a_grace_apart(
    sandbox: SandboxControl, chain: Chain, buyer: User, call: Call
) -> None:
    order = up_to(call.state, buyer, chain)
    before = newest(sandbox)
    sandbox.fault(call.route, "drop_before", match=call.match.format(order.pk.hex))

    settle(order, chain=chain)

    key = call.match.format(order.pk.hex)
    entries = sandbox.journal(after=before)
    sends = [e for e in entries if e["method"] == "POST" and key in str(e["keys"])]
    looks = [e for e in entries if e["method"] == "GET" and key in e["path"]]
    first, second = sends
    between = [look for look in looks if first["n"] < look["n"] < second["n"]]
    assert len(between) >= 2
    assert all(look["status"] == 404 for look in between)
    assert second["at"] - first["at"] >= settings.UNKNOWN_GRACE_SECONDS


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_after_a_rate_limit_not_one_call_comes_before_the_time_given(
    sandbox: SandboxControl, chain: Chain, buyer: User, call: Call
) -> None:
    order = up_to(call.state, buyer, chain)
    before = newest(sandbox)
    sandbox.fault(call.route, "rate_limit", match=call.match.format(order.pk.hex), retry_after=1)

    order = settle(order, chain=chain)

    refused, again = heard(sandbox, before, call, order)[:2]
    assert refused["status"] == 429
    later = [e for e in sandbox.journal(after=refused["n"]) if e["vendor"] == refused["vendor"]]
    assert min(entry["at"] for entry in later) - refused["at"] >= 1
    assert again in later
    evidence = Books(sandbox).of(order)
    assert (evidence.broker_orders, evidence.custody_transfers, evidence.mints) == (1, 1, 1)


LOOK_UPS: list[tuple[Call, str]] = [
    (CALLS[0], "GET /alpaca/v2/orders:by_client_order_id"),
    (CALLS[2], "GET /fireblocks/v1/transactions/external_tx_id/*"),
    (CALLS[4], "GET /fireblocks/v1/transactions/external_tx_id/*"),
]


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 422},
        {"kind": "drop_before"},
    ],
    ids=lambda trouble: " ".join(map(str, trouble.values())),
)
@pytest.mark.parametrize(("call", "look_up"), LOOK_UPS, ids=lambda v: getattr(v, "name", ""))
def test_while_the_look_up_fails_the_outcome_stays_unknown_and_nothing_is_sent_again(
    sandbox: SandboxControl,
    chain: Chain,
    buyer: User,
    call: Call,
    look_up: str,
    trouble: dict[str, Any],
) -> None:
    order = up_to(call.state, buyer, chain)
    key = call.match.format(order.pk.hex)
    before = newest(sandbox)
    sandbox.fault(call.route, "drop_after", match=key)
    sandbox.fault(look_up, match=key, count=2, **trouble)

    order = settle(order, chain=chain)

    evidence = Books(sandbox).of(order)
    assert order.state == State.MINT_CONFIRMED, order.last_error
    assert len(heard(sandbox, before, call, order)) == 1
    assert (evidence.broker_orders, evidence.custody_transfers, evidence.mints) == (1, 1, 1)


def test_a_vendor_that_stays_away_ends_in_attention_and_goes_on_when_a_person_says_so(
    sandbox: SandboxControl, chain: Chain, buyer: User, settings: Any
) -> None:
    from trading.services import try_again

    settings.WORK_MAX_ATTEMPTS = 3
    order = settle(place(buyer), chain=chain, until={State.FILLED})
    sandbox.fault("POST /fireblocks/v1/transactions", "drop_before", count=None)
    order = settle(order, chain=chain)
    assert (order.state, order.attention, order.next_attempt_at) == (State.FILLED, True, None)
    sandbox.clear_faults()

    count = try_again(order_ids=[order.pk], actor="user:operator", now=timezone.now())

    order = settle(order, chain=chain)
    evidence = Books(sandbox).of(order)
    assert count == 1
    assert (order.state, order.attention) == (State.MINT_CONFIRMED, False)
    assert (evidence.custody_transfers, evidence.mints) == (1, 1)


def failed(status: str, *, count: int = 1) -> Callable[[SandboxControl, str], None]:
    def strike(sandbox: SandboxControl, key: str) -> None:
        sandbox.fault(
            "POST /fireblocks/v1/transactions",
            "stuck",
            match=key,
            stuck_status=status,
            count=count,
        )

    return strike


@pytest.mark.parametrize("status", ["FAILED", "REJECTED", "BLOCKED", "CANCELLED"])
def test_a_custody_transfer_that_the_custodian_ended_is_asked_for_under_a_new_key(
    sandbox: SandboxControl, chain: Chain, buyer: User, status: str
) -> None:
    order = settle(place(buyer), chain=chain, until={State.FILLED})
    failed(status)(sandbox, f"cus-{order.pk.hex}")

    order = settle(order, chain=chain)

    assert order.state == State.MINT_CONFIRMED, order.last_error
    assert order.custody is not None
    assert order.custody.number == 2
    found = Books(sandbox).of(order)
    assert (found.custody_transfers, found.in_custody) == (1, order.filled_quantity)
    assert found.mints == 1


def test_a_custody_transfer_that_ends_again_and_again_is_left_to_a_person(
    sandbox: SandboxControl, chain: Chain, buyer: User
) -> None:
    order = settle(place(buyer), chain=chain, until={State.FILLED})
    failed("BLOCKED", count=3)(sandbox, order.pk.hex)

    order = settle(order, chain=chain)

    assert (order.state, order.attention) == (State.FILLED, True)
    assert "BLOCKED" in order.last_error
    assert Books(sandbox).of(order).custody_transfers == 0

    services.try_again(order_ids=[order.pk], actor="user:officer", now=timezone.now())
    order = settle(order, chain=chain)

    assert (order.state, order.attention) == (State.MINT_CONFIRMED, False)
    assert Books(sandbox).of(order).custody_transfers == 1


@pytest.mark.parametrize("status", ["FAILED", "REJECTED"])
def test_a_signature_that_the_custodian_refused_is_asked_for_under_a_new_key(
    sandbox: SandboxControl, chain: Chain, buyer: User, status: str
) -> None:
    order = settle(place(buyer), chain=chain, until={State.MINTING})
    failed(status)(sandbox, f"m1-{order.pk.hex}")

    order = settle(order, chain=chain)

    assert order.state == State.MINT_CONFIRMED, order.last_error
    assert order.mint is not None
    assert order.mint.attempts.count() == 2
    assert Books(sandbox).of(order).mints == 1
