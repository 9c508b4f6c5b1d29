"""Proof of reserve: what is minted, held and on its way adds up, and what does not is shown (RAT-003).

Broker and chain outlive a single test, so each test compares with the figures it started from.
"""

from decimal import Decimal
from typing import Any

import pytest
import requests
from django.conf import settings
from django.utils import timezone

from agora.sandbox.client import SandboxControl
from compliance import reserves
from compliance.models import AuditRow, ReserveReport
from tests.conftest import Chain
from tests.people import onboarded
from tests.settling import place, settle
from tokens import chain as evm
from trading.states import State

pytestmark = pytest.mark.django_db
SUMS = (
    "total_supply",
    "minted_records",
    "custody_records",
    "vault_balance",
    "broker_position",
    "in_flight",
)


def a_report() -> ReserveReport:
    now = timezone.now()
    asked = reserves.request_report(actor="user:officer", now=now)
    reserves.build(report_id=asked.pk, now=now)
    return ReserveReport.objects.get(pk=asked.pk)


def figures(report: ReserveReport) -> dict[str, Decimal]:
    return {name: Decimal(report.figures[name]) for name in SUMS}


def change(before: ReserveReport, after: ReserveReport) -> dict[str, Decimal]:
    old, new = figures(before), figures(after)
    return {name: new[name] - old[name] for name in SUMS if new[name] != old[name]}


@pytest.fixture
def before(sandbox: SandboxControl, chain: Chain) -> ReserveReport:
    """The figures before the test does anything."""
    return a_report()


def test_a_report_is_read_at_one_block_and_audited(before: ReserveReport) -> None:
    assert before.state == ReserveReport.State.READY
    assert before.block_number is not None
    assert before.block_hash == evm.block_hash(before.block_number)
    assert before.built_at is not None
    rows = AuditRow.objects.filter(object_id=str(before.pk)).order_by("id")
    assert [(row.action, row.actor) for row in rows] == [
        ("reserve.requested", "user:officer"),
        ("reserve.built", "system:reserves"),
    ]


def test_a_minted_order_moves_every_source_by_the_same(before: ReserveReport, chain: Chain) -> None:
    settle(place(onboarded(), quantity="0.25"), chain=chain)

    after = a_report()

    each = Decimal("0.25")
    assert change(before, after) == {name: each for name in SUMS if name != "in_flight"}
    assert after.difference == before.difference


@pytest.mark.parametrize(
    ("state", "held"),
    [
        (State.FILLED, set()),
        (State.CUSTODY_CONFIRMED, {"custody_records", "vault_balance"}),
        (State.MINTING, {"custody_records", "vault_balance"}),
    ],
)
def test_an_order_on_its_way_is_listed_and_makes_no_difference(
    before: ReserveReport, chain: Chain, state: State, held: set[str]
) -> None:
    order = settle(place(onboarded(), quantity="0.25"), chain=chain, until={state})

    after = a_report()

    moved = {"broker_position", "in_flight"} | held
    assert change(before, after) == dict.fromkeys(moved, Decimal("0.25"))
    assert after.figures["in_flight_orders"] == [str(order.pk)]
    assert after.difference == before.difference


def test_an_order_minted_after_the_block_of_the_report_is_in_flight_there(
    before: ReserveReport, chain: Chain
) -> None:
    block = evm.block_number()
    order = settle(place(onboarded(), quantity="0.25"), chain=chain)

    found = reserves._read(symbol="AAPL", block=block)

    assert order.state == State.MINT_CONFIRMED
    assert found.in_flight_orders == [str(order.pk)]
    assert found.total_supply == before.figures["total_supply"]


def test_a_partial_fill_at_the_broker_is_in_flight_once_it_is_read(
    before: ReserveReport, sandbox: SandboxControl, chain: Chain
) -> None:
    sandbox.market(fill={"partial": ["0.1"], "outcome": "never", "delay": 0.01})
    order = settle(place(onboarded(), quantity="0.25"), chain=chain, until={State.SUBMITTED})
    sandbox.wait_for(lambda books: str(order.broker_order_id) in filled_in_part(books))
    for _ in range(100):
        order = settle(order, chain=chain, until=set(State))
        if order.filled_quantity:
            break

    after = a_report()

    assert change(before, after) == dict.fromkeys(["broker_position", "in_flight"], Decimal("0.1"))
    assert after.difference == before.difference


def filled_in_part(books: dict[str, Any]) -> set[str]:
    return {o["id"] for o in books["alpaca"]["orders"] if o["status"] == "partially_filled"}


def test_shares_at_the_broker_that_nobody_ordered_here_show_as_the_difference(
    before: ReserveReport, sandbox: SandboxControl
) -> None:
    made = requests.post(
        f"{settings.ALPACA_BASE_URL}/v2/orders",
        json={
            "symbol": "AAPL",
            "qty": "1.5",
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
    sandbox.wait_for(
        lambda books: any(
            o["id"] == made.json()["id"] and o["status"] == "filled"
            for o in books["alpaca"]["orders"]
        )
    )

    after = a_report()

    assert change(before, after) == {"broker_position": Decimal("1.5")}
    assert after.difference is not None
    assert before.difference is not None
    assert after.difference - before.difference == Decimal("1.5")


@pytest.mark.parametrize(
    "route",
    ["GET /alpaca/v2/positions/AAPL", "GET /fireblocks/v1/vault/accounts/*"],
    ids=["broker", "custodian"],
)
def test_while_a_source_is_away_nothing_is_reported_and_it_is_tried_again(
    before: ReserveReport, sandbox: SandboxControl, route: str
) -> None:
    sandbox.fault(route, "status", status=503)

    report = a_report()

    assert (report.state, report.figures, report.difference) == ("REQUESTED", {}, None)
    assert report.next_attempt_at is not None
    assert not AuditRow.objects.filter(object_id=str(report.pk), action="reserve.built").exists()

    ReserveReport.objects.filter(pk=report.pk).update(next_attempt_at=timezone.now())
    reserves.build(report_id=report.pk, now=timezone.now())
    report.refresh_from_db()
    assert (report.state, figures(report)) == ("READY", figures(before))


def test_a_report_is_built_once(before: ReserveReport) -> None:
    assert reserves.build(report_id=before.pk, now=timezone.now()) is None
