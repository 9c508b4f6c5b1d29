"""Proof of reserve: what is minted, held and on its way adds up, and what does not is shown (RAT-003).

Broker, custodian and chain outlive a single test, so each test compares with the figures it started
from: what others left there shows as unknown to us.
"""

import json
import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import requests
from django.conf import settings
from django.utils import timezone

from accounts.models import Notice, Wallet
from agora.reserve_metrics import ReservesCollector
from agora.sandbox.client import SandboxControl
from compliance import tasks
from compliance.models import AuditRow, ChainMint, ChainTransfer, ReserveRow, ReserveSnapshot
from compliance.reserves import balances, chain_index, liabilities, snapshots
from compliance.reserves.chain_index import Token
from compliance.reserves.verification import verify
from tests.conftest import Chain
from tests.people import new_address, new_officer, onboarded
from tests.reserving import (
    SUMS,
    a_signer,
    a_snapshot,
    change,
    quantities,
    reorganise,
    row_of,
    send,
)
from tests.settling import place, settle
from tests.tokens.nodes import Twist, twisted_node
from tokens import chain as evm
from tokens import events
from trading.models import Order
from trading.states import State

pytestmark = pytest.mark.django_db
Kind = ReserveRow.Kind


@pytest.fixture
def before(sandbox: SandboxControl, chain: Chain) -> ReserveSnapshot:
    """The figures before the test does anything."""
    chain.mine(3)
    snapshot = a_snapshot()
    assert snapshot.state == "READY", snapshot.last_error
    return snapshot


def test_a_snapshot_is_of_one_final_block_and_audited(before: ReserveSnapshot) -> None:
    assert before.finality == "finalized"
    assert before.block_number is not None
    assert before.block_hash == evm.block_hash(before.block_number)
    assert before.block_number < evm.block_number()
    assert before.built_at is not None
    rows = AuditRow.objects.filter(object_id=str(before.pk)).order_by("id")
    told = {row.action: row for row in rows}
    assert told["reserve.requested"].actor == "user:officer"
    assert told["reserve.built"].actor == "system:reserves"
    assert told["reserve.built"].evidence["content_hash"] == before.content_hash


def test_a_minted_order_moves_every_source_by_the_same(
    before: ReserveSnapshot, chain: Chain
) -> None:
    order = settle(place(onboarded(), quantity="0.25"), chain=chain)
    chain.mine(3)

    after = a_snapshot()

    each = Decimal("0.25")
    without_token = ("in_flight", "not_minted", "kept")
    minted = {name: each for name in SUMS if not name.startswith(without_token)}
    assert change(before, after) == minted
    assert not after.rows.filter(order_id=order.pk).exists()
    assert (after.difference, after.breaks) == (before.difference, before.breaks)


@pytest.mark.parametrize(
    ("state", "kind", "figures"),
    [
        (State.FILLED, Kind.TO_CUSTODY, "0.25 0.25 0 0 0 0"),
        (State.CUSTODY_CONFIRMED, Kind.TO_MINT, "0.25 0.25 0.25 0.25 0 0"),
        (State.MINTING, Kind.TO_MINT, "0.25 0.25 0.25 0.25 0 0"),
    ],
)
def test_an_order_on_its_way_is_listed_with_the_leg_it_stands_at(
    before: ReserveSnapshot, chain: Chain, state: State, kind: Kind, figures: str
) -> None:
    order = settle(place(onboarded(), quantity="0.25"), chain=chain, until={state})

    after = a_snapshot()

    row = row_of(after, order)
    assert (row.kind, row.leg, row.is_break) == (kind, state, False)
    assert quantities(row) == figures.split()
    assert Decimal(after.figures["in_flight"]) == Decimal("0.25")
    assert (after.difference, after.breaks) == (before.difference, before.breaks)


def test_an_order_minted_after_the_block_of_the_snapshot_is_in_flight_there(
    before: ReserveSnapshot, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert before.block_number is not None
    block = events.block_at(before.block_number)
    order = settle(place(onboarded(), quantity="0.25"), chain=chain)
    monkeypatch.setattr(events, "final_block", lambda **_: (block, "finalized"))

    after = a_snapshot()

    assert row_of(after, order).kind == Kind.AFTER_BLOCK
    assert quantities(row_of(after, order)) == ["0.25"] * 5 + ["0"]
    assert after.figures["total_supply"] == before.figures["total_supply"]
    assert (after.difference, after.breaks) == (before.difference, before.breaks)


def test_a_fill_that_we_have_not_read_yet_is_no_difference(
    before: ReserveSnapshot, sandbox: SandboxControl, chain: Chain
) -> None:
    sandbox.market(fill={"partial": ["0.1"], "outcome": "never", "delay": 0.01})
    order = settle(place(onboarded(), quantity="0.25"), chain=chain, until={State.SUBMITTED})
    sandbox.wait_for(lambda books: str(order.broker_order_id) in filled_in_part(books))

    after = a_snapshot()

    assert order.filled_quantity == 0
    assert row_of(after, order).kind == Kind.FILL_NOT_READ
    assert quantities(row_of(after, order)) == ["0", "0.1", "0", "0", "0", "0"]
    assert (after.difference, after.breaks) == (before.difference, before.breaks)


def test_an_order_that_the_broker_does_not_know_is_a_difference_once_it_was_filled(
    before: ReserveSnapshot, sandbox: SandboxControl, chain: Chain
) -> None:
    sandbox.market(fill={"outcome": "never"})
    order = settle(place(onboarded(), quantity="0.25"), chain=chain, until={State.SUBMITTED})
    Order.objects.filter(pk=order.pk).update(broker_order_id=str(uuid4()))
    assert (a_snapshot().state, a_snapshot().breaks) == ("READY", before.breaks)

    Order.objects.filter(pk=order.pk).update(filled_quantity=Decimal("0.1"))
    after = a_snapshot()

    row = row_of(after, order)
    assert (row.kind, row.is_break) == (Kind.MISSING_AT_BROKER, True)
    assert quantities(row) == ["0.1", "0", "0", "0", "0", "0"]
    assert change(before, after) == {"orders_filled": Decimal("0.1")}
    assert (after.difference, after.breaks) == (before.difference, before.breaks + 1)


def filled_in_part(books: dict[str, Any]) -> set[str]:
    return {o["id"] for o in books["alpaca"]["orders"] if o["status"] == "partially_filled"}


def bought_elsewhere(sandbox: SandboxControl, quantity: str) -> str:
    """Shares that somebody bought at our broker without us; the broker's order id."""
    made = requests.post(
        f"{settings.ALPACA_BASE_URL}/v2/orders",
        json={
            "symbol": "AAPL",
            "qty": quantity,
            "side": "buy",
            "type": "market",
            "time_in_force": "day",
        },
        headers={
            "APCA-API-KEY-ID": settings.ALPACA_API_KEY,
            "APCA-API-SECRET-KEY": settings.ALPACA_API_SECRET,
        },
        timeout=5,
    )
    order = str(made.json()["id"])
    sandbox.wait_for(
        lambda books: any(
            o["id"] == order and o["status"] == "filled" for o in books["alpaca"]["orders"]
        )
    )
    return order


def test_shares_at_the_broker_that_nobody_ordered_here_are_named(
    before: ReserveSnapshot, sandbox: SandboxControl
) -> None:
    stray = bought_elsewhere(sandbox, "1.5")

    after = a_snapshot()

    row = after.rows.get(reference=stray)
    assert (row.kind, row.is_break, row.broker) == (Kind.UNKNOWN_AT_BROKER, True, Decimal("1.5"))
    assert after.difference is not None
    assert before.difference is not None
    assert after.difference - before.difference == Decimal("1.5")
    assert after.breaks == before.breaks + 1


def test_a_receipt_at_the_custodian_that_we_do_not_know_is_named(
    before: ReserveSnapshot, sandbox: SandboxControl
) -> None:
    stray = sandbox.deposit(
        vault=settings.FIREBLOCKS_CUSTODY_VAULT,
        asset=settings.FIREBLOCKS_RECEIPT_ASSET,
        amount="2.5",
    )

    after = a_snapshot()

    row = after.rows.get(reference=stray["id"])
    assert (row.kind, row.custody) == (Kind.UNKNOWN_IN_CUSTODY, Decimal("2.5"))
    assert change(before, after)["custody_difference"] == Decimal("2.5")


def test_a_mint_that_we_have_no_record_of_is_named(before: ReserveSnapshot, chain: Chain) -> None:
    order = settle(place(onboarded(), quantity="0.25"), chain=chain)
    chain.mine(3)
    Order.objects.filter(pk=order.pk).update(state=State.CUSTODY_CONFIRMED, mint=None)
    assert order.mint is not None
    order.mint.attempts.all().delete()
    order.mint.delete()

    after = a_snapshot()

    assert (row_of(after, order).kind, row_of(after, order).is_break) == ("unknown_chain", True)


def test_a_mint_that_the_chain_does_not_have_is_named(
    before: ReserveSnapshot, chain: Chain
) -> None:
    order = settle(place(onboarded(), quantity="0.25"), chain=chain)
    chain.mine(3)
    assert order.mint is not None
    order.mint.broker_trade_id = "never-minted"
    order.mint.save(update_fields=["broker_trade_id"])

    after = a_snapshot()

    assert row_of(after, order).kind == Kind.MISSING_ON_CHAIN
    assert after.breaks == before.breaks + 2  # and the mint that now belongs to nobody


def without_transfers_to(address: str) -> Twist:
    """A node whose lists of events lack one transfer between two holders."""

    def twist(asked: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
        if asked["method"] == "eth_getLogs":
            whole = told["result"]
            told["result"] = [log for log in whole if address[2:].lower() not in str(log["topics"])]
        return told

    return twist


def test_a_transfer_between_holders_that_the_node_left_out_is_a_difference_and_read_anew(
    before: ReserveSnapshot, chain: Chain
) -> None:
    person, receiver = onboarded(), new_address()
    settle(place(person, quantity="0.25"), chain=chain)
    send(chain, person.wallet.address, to=receiver, units=10**17)
    chain.mine(3)

    with twisted_node(without_transfers_to(receiver)):
        wrong = a_snapshot()
    right = a_snapshot()

    row = wrong.rows.get(kind=Kind.HOLDERS)
    assert (row.is_break, wrong.tree_root) == (True, "")
    assert row.reference == f"1 of {wrong.figures['balances_asked']} balances"
    assert wrong.figures["holders_sum"] == wrong.figures["total_supply"]
    assert not right.rows.filter(kind=Kind.HOLDERS).exists()
    assert int(right.figures["balances_asked"]) == int(right.figures["holders"])
    assert liabilities.proof_of(snapshot_id=right.pk, address=receiver).units == 10**17


def test_of_many_holders_some_are_asked_for_and_first_who_moved(
    before: ReserveSnapshot, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(balances, "MOST", 2)
    monkeypatch.setattr(balances, "_NEWEST", 1)
    person = onboarded()
    settle(place(person, quantity="0.25"), chain=chain)
    for _number in range(3):
        settle(place(onboarded(), quantity="0.25"), chain=chain)
    send(chain, person.wallet.address, to=new_address(), units=10**17)
    chain.mine(3)

    after = a_snapshot()

    assert after.figures["balances_asked"] == "2"
    assert not after.rows.filter(kind=Kind.HOLDERS).exists()


def test_an_order_on_its_way_for_a_week_is_a_difference(
    before: ReserveSnapshot, chain: Chain
) -> None:
    order = settle(
        place(onboarded(), quantity="0.25"), chain=chain, until={State.CUSTODY_CONFIRMED}
    )
    week = timedelta(days=7)
    Order.objects.filter(pk=order.pk).update(sent_at=timezone.now() - week + timedelta(minutes=5))
    assert row_of(a_snapshot(), order).kind == Kind.TO_MINT

    Order.objects.filter(pk=order.pk).update(sent_at=timezone.now() - week)
    after = a_snapshot()

    assert (row_of(after, order).kind, row_of(after, order).is_break) == ("overdue", True)
    assert change(before, after)["custody_difference"] == Decimal("0.25")
    assert "in_flight" not in change(before, after)


def test_what_people_decided_not_to_mint_is_owed_in_money_and_not_on_its_way(
    before: ReserveSnapshot, chain: Chain
) -> None:
    order = settle(
        place(onboarded(), quantity="0.25"), chain=chain, until={State.CUSTODY_CONFIRMED}
    )
    Order.objects.filter(pk=order.pk).update(
        state=State.FAILED, sent_at=timezone.now() - timedelta(days=400)
    )

    after = a_snapshot()

    moved = change(before, after)
    assert (moved["not_minted"], moved["not_minted_in_custody"]) == (Decimal("0.25"),) * 2
    assert "in_flight" not in moved
    assert after.figures["in_flight_orders"] == before.figures["in_flight_orders"]
    assert (after.difference, after.breaks) == (before.difference, before.breaks)
    assert verify(snapshot=after, offline=True).faults == []


def test_the_days_snapshot_is_asked_for_once(before: ReserveSnapshot) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    due = tomorrow.replace(hour=6, minute=30, second=0, microsecond=0)

    assert snapshots.request_daily(now=due - timedelta(seconds=1)) is None
    first = snapshots.request_daily(now=due)

    assert first is not None
    assert first.day == due.date()
    assert snapshots.request_daily(now=due + timedelta(minutes=10)) is None


def test_the_days_snapshot_is_made_up_for_after_an_outage() -> None:
    late = (timezone.now() + timedelta(days=1)).replace(hour=17)

    made_up = snapshots.request_daily(now=late)

    assert made_up is not None
    assert made_up.day == late.date()


def owner_told(address: str) -> object:
    """Whose the only holder of a token on no chain is."""
    token = Token(chain_id=424_242, contract=new_address())
    ChainTransfer.objects.create(
        **token._asdict(), block_number=1, log_index=0, tx_hash="0x0",
        from_address=chain_index._NOBODY, to_address=address, units=10**18,
    )  # fmt: skip
    (holder,) = chain_index.holders(token=token, block=1)
    return holder.user_id


def test_an_address_that_was_merely_typed_is_nobodys(sandbox: SandboxControl) -> None:
    person = onboarded()
    place(person)  # an order that nothing was minted for yet

    assert owner_told(person.wallet.address) is None


def test_an_address_that_was_proved_is_its_persons() -> None:
    person = onboarded()
    Wallet.objects.filter(user=person).update(verified_at=timezone.now(), method="key")

    assert owner_told(person.wallet.address) == person.pk


def test_an_address_that_their_own_order_was_minted_to_is_its_persons(
    sandbox: SandboxControl, chain: Chain
) -> None:
    person = onboarded()
    settle(place(person), chain=chain)

    assert owner_told(person.wallet.address) == person.pk


def test_a_build_may_take_as_long_as_its_statements() -> None:
    limit = tasks.build_reserve_snapshot.time_limit

    assert limit is not None
    assert limit >= 3 * snapshots._LONGEST_STATEMENT.total_seconds()


def test_a_snapshot_whose_workers_died_too_often_waits_for_a_person() -> None:
    asked = snapshots.request(actor="user:officer", now=timezone.now())
    ReserveSnapshot.objects.filter(pk=asked.pk).update(attempts=settings.WORK_MAX_ATTEMPTS)

    snapshots.build(snapshot_id=asked.pk, now=timezone.now())

    asked.refresh_from_db()
    assert (asked.state, asked.attention, asked.next_attempt_at) == ("REQUESTED", True, None)
    assert asked.last_error == "Its worker died too often."


@pytest.mark.fault
@pytest.mark.parametrize(
    "route",
    ["GET /alpaca/v2/positions/AAPL", "GET /fireblocks/v1/vault/accounts/*"],
    ids=["broker", "custodian"],
)
def test_while_a_source_is_away_nothing_is_told_and_it_is_tried_again(
    before: ReserveSnapshot, sandbox: SandboxControl, route: str
) -> None:
    sandbox.fault(route, "status", status=503)

    snapshot = a_snapshot()

    assert (snapshot.state, snapshot.figures, snapshot.difference) == ("REQUESTED", {}, None)
    assert snapshot.next_attempt_at is not None
    assert not snapshot.sources.exists()
    assert not AuditRow.objects.filter(object_id=str(snapshot.pk), action="reserve.built").exists()

    ReserveSnapshot.objects.filter(pk=snapshot.pk).update(next_attempt_at=timezone.now())
    snapshots.build(snapshot_id=snapshot.pk, now=timezone.now())
    snapshot.refresh_from_db()
    assert (snapshot.state, change(before, snapshot)) == ("READY", {})


def test_a_404_of_a_wrong_address_says_nothing_of_an_order(
    before: ReserveSnapshot, sandbox: SandboxControl, chain: Chain
) -> None:
    sandbox.market(fill={"outcome": "never"})
    settle(place(onboarded(), quantity="0.25"), chain=chain, until={State.SUBMITTED})
    sandbox.fault("GET /alpaca/v2/orders/*", "status", status=404, body="no such page")

    assert a_snapshot().state == "REQUESTED"


def test_a_snapshot_is_built_once(before: ReserveSnapshot) -> None:
    assert snapshots.build(snapshot_id=before.pk, now=timezone.now()) is None


def seconds_for_positions(sandbox: SandboxControl, delay: float, **options: object) -> None:
    sandbox.fault("GET /alpaca/v2/positions/AAPL", "delay", delay=delay, **options)


@pytest.mark.fault
def test_a_fill_between_two_reads_is_read_again(
    before: ReserveSnapshot, sandbox: SandboxControl, chain: Chain
) -> None:
    sandbox.market(fill={"delay": 0.7})
    order = settle(place(onboarded(), quantity="0.25"), chain=chain, until={State.SUBMITTED})
    seconds_for_positions(sandbox, 1.2)
    asked = len(position_requests(sandbox))

    after = a_snapshot()

    assert len(position_requests(sandbox)) - asked == 2
    assert row_of(after, order).kind == Kind.FILL_NOT_READ
    assert row_of(after, order).broker == Decimal("0.25")
    assert (after.difference, after.breaks) == (before.difference, before.breaks)


def position_requests(sandbox: SandboxControl) -> list[Any]:
    return [each for each in sandbox.journal() if "/v2/positions/" in each["path"]]


@pytest.mark.fault
def test_fills_that_go_on_all_the_time_are_explained_by_two_looks(
    before: ReserveSnapshot, sandbox: SandboxControl, chain: Chain
) -> None:
    sandbox.market(fill={"partial": ["0.02"] * 12, "delay": 0.3, "outcome": "never"})
    order = settle(place(onboarded(), quantity="0.5"), chain=chain, until={State.SUBMITTED})
    seconds_for_positions(sandbox, 0.5, after=True, count=None)

    after = a_snapshot()

    assert row_of(after, order).kind == Kind.BETWEEN_READS
    assert (after.difference, after.breaks) == (before.difference, before.breaks)
    sandbox.wait_for(lambda books: filled(books, order) == "0.24")  # before another test begins


def filled(books: dict[str, Any], order: Order) -> str:
    return next(
        str(o["filled_qty"]) for o in books["alpaca"]["orders"] if o["id"] == order.broker_order_id
    )


@pytest.mark.fault
def test_a_custodian_that_tells_a_wrong_balance_shows_as_a_rest(
    before: ReserveSnapshot, sandbox: SandboxControl
) -> None:
    told = Decimal(before.figures["vault_balance"]) + 3
    sandbox.fault(
        "GET /fireblocks/v1/vault/accounts/*",
        "status",
        status=200,
        body=json.dumps({"id": settings.FIREBLOCKS_RECEIPT_ASSET, "total": str(told)}),
    )

    after = a_snapshot()

    row = after.rows.get(kind=Kind.UNEXPLAINED_CUSTODY)
    assert (row.is_break, row.custody) == (True, Decimal(3))
    assert not after.agrees


@pytest.mark.fault
def test_a_broker_that_tells_too_few_shares_shows_as_a_rest(
    before: ReserveSnapshot, sandbox: SandboxControl
) -> None:
    told = Decimal(before.figures["broker_position"]) - 4
    sandbox.fault(
        "GET /alpaca/v2/positions/AAPL", "status", status=200, body=json.dumps({"qty": str(told)})
    )

    after = a_snapshot()

    assert after.rows.get(kind=Kind.UNEXPLAINED_BROKER).broker == -4
    assert after.difference is not None
    assert before.difference is not None
    assert after.difference - before.difference == -4


@pytest.mark.fault
def test_after_a_deep_reorganisation_events_are_read_anew(
    before: ReserveSnapshot, chain: Chain
) -> None:
    order = settle(place(onboarded(), quantity="0.25"), chain=chain)
    chain.mine(3)
    held = a_snapshot()
    assert order.mint is not None
    assert order.mint.block_number is not None
    reorganise(chain, chain.height - order.mint.block_number + 1)
    chain.mine(3)

    after = a_snapshot()

    assert ChainMint.objects.filter(broker_trade_id=order.broker_order_id).count() == 0
    assert row_of(after, order).kind == Kind.MISSING_ON_CHAIN
    assert change(held, after)["total_supply"] == Decimal("-0.25")
    assert not after.agrees


@pytest.mark.fault
def test_a_reorganisation_while_sources_are_read_spoils_nothing(
    before: ReserveSnapshot, sandbox: SandboxControl, chain: Chain
) -> None:
    seconds_for_positions(sandbox, 1)
    reorg = threading.Timer(0.4, lambda: reorganise(chain, 8))
    reorg.start()

    snapshot = a_snapshot()
    reorg.join()

    assert (snapshot.state, snapshot.content_hash) == ("REQUESTED", "")
    assert "reorganised" in snapshot.last_error
    assert snapshot.next_attempt_at is not None


def test_a_difference_alerts_whoever_may_sign(
    before: ReserveSnapshot, sandbox: SandboxControl
) -> None:
    signer, looker = a_signer(), new_officer("view_reservesnapshot")
    bought_elsewhere(sandbox, "1.5")

    after = a_snapshot()

    told = AuditRow.objects.get(object_id=str(after.pk), action="reserve.difference")
    assert told.evidence["breaks"] == after.breaks
    notice = Notice.objects.get(user=signer)
    assert (notice.kind, notice.params["breaks"]) == ("reserve.difference", after.breaks)
    assert str(after.pk) in notice.url
    assert not Notice.objects.filter(user=looker).exists()


def test_the_newest_snapshot_is_measured(before: ReserveSnapshot, sandbox: SandboxControl) -> None:
    bought_elsewhere(sandbox, "1.5")
    after = a_snapshot()

    told = measured()

    assert after.difference is not None
    assert told["agora_reserve_difference_shares"] == [float(after.difference)]
    assert told["agora_reserve_breaks"] == [after.breaks]
    assert 0 <= told["agora_reserve_snapshot_age_seconds"][0] < 60
    assert told["agora_reserve_attention"] == [0]


def measured() -> dict[str, list[float]]:
    return {
        metric.name: [sample.value for sample in metric.samples]
        for metric in ReservesCollector().collect()
    }


@pytest.mark.fault
def test_a_snapshot_that_waits_for_a_person_is_told_until_another_is_built(
    sandbox: SandboxControl, chain: Chain, caplog: pytest.LogCaptureFixture
) -> None:
    chain.mine(3)
    sandbox.fault("GET /alpaca/v2/positions/AAPL", "status", status=503)
    asked = snapshots.request(actor="user:officer", now=timezone.now())
    ReserveSnapshot.objects.filter(pk=asked.pk).update(attempts=settings.WORK_MAX_ATTEMPTS - 1)

    snapshots.build(snapshot_id=asked.pk, now=timezone.now())

    assert measured()["agora_reserve_attention"] == [1]
    assert "reserve.needs_attention" in caplog.text
    assert a_snapshot().state == "READY"
    assert measured()["agora_reserve_attention"] == [0]
