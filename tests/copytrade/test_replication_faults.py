"""Every way in which the exchange's answer to an order can fail, for opens, closes and cancellations.

Each case has a follower of its own, whose order alone is struck; all of them copy the same three
events of one master. Judged by the exchange's own books: one order, or none and a reason.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import QuerySet
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from agora.sandbox.client import SandboxControl
from copytrade.exchange import runner
from copytrade.models import (
    CopyOrder,
    CopyPosition,
    ExchangeAccount,
    Signal,
    Strategy,
    Subscription,
)
from copytrade.replication.planning import FINAL_AFTER
from tests.copying import Trader, mark, new_follower, new_strategy, new_subscription
from tests.copytrade.exchange_books import net_base, placed_twice
from tests.copytrade.replicating import master_order, settle, signal, work

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(180), pytest.mark.fault]

PLACE, FIND, CANCEL = (f"{m} /binance/api/v3/order" for m in ("POST", "GET", "DELETE"))
SEND_TIMEOUT = 1
_FINAL = FINAL_AFTER.total_seconds()


def told(code: int, text: str, *, status: int, after: bool = False) -> dict[str, Any]:
    body = f'{{"code":{code},"msg":"{text}"}}'
    return {"kind": "status", "status": status, "body": body, "after": after}


_PAGE = "<html><h1>502 Bad Gateway</h1></html>"
_TIMEOUT = "Timeout waiting for response from backend server."
# Done or not, nobody can know from the answer.
UNKNOWN: dict[str, dict[str, Any]] = {
    "dropped before it was heard": {"kind": "drop_before"},
    "dropped after it was done": {"kind": "drop_after"},
    "heard late, answered too late": {"kind": "delay", "delay": 2.0},
    "heard after its window": {"kind": "delay", "delay": 5.6},
    "done, answered too late": {"kind": "delay", "delay": 2.0, "after": True},
    "-1007, not done": told(-1007, _TIMEOUT, status=408),
    "-1007, done": told(-1007, _TIMEOUT, status=504, after=True),
    "-1006, not done": told(-1006, "Unexpected response from the message bus.", status=400),
    "-1006, done": told(-1006, "Unexpected response from the message bus.", status=400, after=True),
    "-1000, done": told(-1000, "An unknown error occurred.", status=500, after=True),
    "a page with 502, not done": {"kind": "status", "status": 502, "body": _PAGE},
    "a page with 502, done": {"kind": "status", "status": 502, "body": _PAGE, "after": True},
    "a page with 200, done": {"kind": "status", "status": 200, "body": _PAGE, "after": True},
    "an empty 200, done": {"kind": "status", "status": 200, "body": "", "after": True},
    "an empty 200, not done": {"kind": "status", "status": 200, "body": ""},
    "cut in the middle": {"kind": "truncate"},
    "cut, but ended properly": {"kind": "truncate", "framed": True},
}
# Certainly not done, to be sent again.
TEMPORARY: dict[str, dict[str, Any]] = {
    "429": {"kind": "rate_limit", "retry_after": 1},
    "418": told(-1003, "Way too many requests; IP banned until 0000000000000.", status=418),
    "-1015": told(-1015, "Too many new orders.", status=429),
    "-1021": told(-1021, "Timestamp for this request is outside of the recvWindow.", status=400),
    "-1008": told(-1008, "Server is currently overloaded with other requests.", status=503),
}
# Refused for good.
REFUSED: dict[str, dict[str, Any]] = {
    "-2015": told(-2015, "Invalid API-key, IP, or permissions for action.", status=401),
    "-2010": told(-2010, "Account has insufficient balance for requested action.", status=400),
    "-1013": told(-1013, "Filter failure: LOT_SIZE", status=400),
}
SENDS = UNKNOWN | TEMPORARY | REFUSED
# A look-up that misses the order and whose answer comes when the order could no longer be taken.
LATE_LOOK_UP = "heard late, and the look-up before it answered later still"
CANCELS = {name: fault for name, fault in (UNKNOWN | TEMPORARY).items() if "window" not in name}


@dataclass
class Case:
    """One follower, the leg that was struck, and what the exchange has of it."""

    follower: Trader
    subscription: Subscription
    leg: CopyOrder
    orders: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def at_exchange(self) -> list[dict[str, Any]]:
        """Orders at the exchange under the leg's client id."""
        return [o for o in self.orders if o["client_id"] == self.leg.client_order_id]

    @property
    def asked(self) -> list[str]:
        """Requests about the leg's order, in turn: POST, GET or DELETE."""
        name = self.leg.client_order_id
        found = [r for r in self.requests if name in r["keys"].values()]
        return [r["method"] for r in sorted(found, key=lambda r: r["at"])]

    @property
    def held(self) -> Decimal:
        position = CopyPosition.objects.get(subscription=self.subscription)
        return Decimal(position.quantity)


@dataclass
class Ward:
    """All cases by what was struck: an open, a close, or the cancellation of a resting order."""

    opens: dict[str, Case]
    closes: dict[str, Case]
    cancels: dict[str, Case]

    def __iter__(self) -> Iterator[Case]:
        for group in (self.opens, self.closes, self.cancels):
            yield from group.values()


@dataclass
class Group:
    """A strategy with a follower for each case."""

    strategy: Strategy
    followers: dict[str, Subscription]
    traders: dict[str, Trader]

    def cases(self, published: Signal) -> dict[str, Case]:
        legs = {leg.subscription_id: leg for leg in published.legs.filter(leg=0)}
        return {
            name: Case(self.traders[name], subscription, legs[subscription.pk])
            for name, subscription in self.followers.items()
        }


def a_group(sandbox: SandboxControl, cases: Iterable[str]) -> Group:
    strategy = new_strategy()
    traders = {name: new_follower(control=sandbox) for name in cases}
    multiple = Subscription.Sizing.MULTIPLIER
    followers = {
        name: new_subscription(strategy=strategy, follower=trader, sizing=multiple)
        for name, trader in traders.items()
    }
    return Group(strategy, followers, traders)


def strike(sandbox: SandboxControl, cases: dict[str, Case], *, route: str = PLACE) -> None:
    """Arm each case's fault on its own order alone."""
    for name, case in cases.items():
        match = case.leg.client_order_id
        if name == LATE_LOOK_UP:
            sandbox.fault(route, "delay", delay=4.3, match=match)
            # Asked at 1.5 s and 2.5 s; the second look misses, and its answer is held back.
            sandbox.fault(FIND, "delay", delay=_FINAL - 1, after=True, skip=1, match=match)
        elif name in SENDS:
            options = dict(SENDS[name])
            if name == "418":
                until = str(int(time.time() * 1000) + 1500)
                options["body"] = options["body"].replace("0000000000000", until)
            sandbox.fault(route, match=match, **options)


def work_until(done: Callable[[], bool], *published: Signal) -> None:
    deadline = time.monotonic() + 40
    while not done():
        assert time.monotonic() < deadline
        for one in published:
            work(one)
        time.sleep(0.05)


def waiting(*published: Signal) -> QuerySet[CopyOrder]:
    return CopyOrder.objects.filter(signal__in=published, next_attempt_at__isnull=False)


def journal(sandbox: SandboxControl, *, after: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while page := sandbox.journal(after=found[-1]["n"] if found else after):
        found += page
    return found


@pytest.fixture(scope="module")
def exchange(
    sandbox_server: str, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[SandboxControl]:
    """The exchange, with short timeouts towards it; the database is emptied afterwards."""
    sandbox = SandboxControl(sandbox_server)
    with (
        django_db_blocker.unblock(),
        override_settings(COPY_SEND_TIMEOUT=SEND_TIMEOUT, COPY_LEASE_SECONDS=3),
    ):
        runner.close()
        sandbox.binance.price("BTCUSDT", "50000")
        mark("BTC/USDT", "50000")
        yield sandbox
        sandbox.calm()
        runner.close()
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture(scope="module")
def struck(exchange: SandboxControl) -> Ward:
    """Opens, closes and cancellations of all cases, struck at the same time and worked to the end."""
    began = len(journal(exchange))
    # So many that fare well that what the others meet with is not taken for an outage.
    well = [f"bystander {n}" for n in range(30)]
    buying, selling = (
        a_group(exchange, [*SENDS, LATE_LOOK_UP, "nothing", *well]) for _ in range(2)
    )
    resting = a_group(exchange, CANCELS)
    settle(signal(selling.strategy))
    order = master_order(resting.strategy, type="LIMIT", price=Decimal(40_000))
    rests = signal(resting.strategy, type="LIMIT", order=order, price=Decimal(40_000))
    work_until(lambda: not rests.legs.exclude(state="WORKING").exists(), rests)

    opened = signal(buying.strategy)
    closed = signal(selling.strategy, kind="CLOSE", before="0.01")
    revoked = signal(resting.strategy, kind="CANCEL", type="LIMIT", order=order)
    ward = Ward(buying.cases(opened), selling.cases(closed), resting.cases(rests))
    strike(exchange, ward.opens)
    strike(exchange, ward.closes)
    strike(exchange, ward.cancels, route=CANCEL)
    # The close of an account whose key was refused waits for a new key.
    keyless = ward.closes["-2015"].subscription.account
    due = waiting(opened, closed, revoked)
    work_until(lambda: not due.exclude(account=keyless).exists(), opened, closed, revoked)
    ExchangeAccount.objects.filter(pk=keyless.pk).update(state="ACTIVE")
    due.update(next_attempt_at=closed.created_at)
    settle(closed)

    told = journal(exchange, after=began)
    for case in ward:
        case.leg.refresh_from_db()
        case.orders = exchange.binance.orders(case.follower.label)
        case.requests = [r for r in told if r["keys"].get("api_key") == case.follower.api_key]
    return ward


@pytest.mark.parametrize("name", [*UNKNOWN, *TEMPORARY, LATE_LOOK_UP, "nothing"])
def test_an_open_is_bought_once_or_not_and_says_why(struck: Ward, name: str) -> None:
    leg, orders = struck.opens[name].leg, struck.opens[name].at_exchange

    bought = sum((Decimal(order["executed"]) for order in orders), Decimal(0))
    assert len(orders) <= 1
    assert leg.filled == bought
    if orders:
        assert (leg.state, bought) == ("FILLED", Decimal("0.01"))
    else:
        assert (leg.state, leg.reason) == ("EXPIRED", "expired")
        assert "not done" in name or "before" in name or "after its window" in name


@pytest.mark.parametrize(
    ("name", "reason"),
    [("-2015", "key_invalid"), ("-2010", "insufficient_funds"), ("-1013", "lot_size")],
)
def test_a_refused_open_is_not_tried_again_and_says_why(
    struck: Ward, name: str, reason: str
) -> None:
    case = struck.opens[name]

    assert (case.leg.state, case.leg.reason) == ("REJECTED", reason)
    assert (case.asked, case.at_exchange) == (["POST"], [])


@pytest.mark.parametrize("name", [*UNKNOWN, *TEMPORARY, LATE_LOOK_UP, "-2015", "-2010", "nothing"])
def test_a_close_is_sold_once_and_leaves_nothing(struck: Ward, name: str) -> None:
    case = struck.closes[name]

    sold = [order for order in case.orders if order["side"] == "SELL"]
    (leg,) = CopyOrder.objects.filter(subscription=case.subscription, state="FILLED", kind="CLOSE")
    assert [(o["client_id"], Decimal(o["executed"])) for o in sold] == [
        (leg.client_order_id, leg.filled)
    ]
    assert net_base(case.orders) == case.held < Decimal("0.0001")


def test_a_close_refused_for_good_is_shown_to_a_person(struck: Ward) -> None:
    leg = struck.closes["-1013"].leg

    assert (leg.state, leg.reason, leg.attention) == ("REJECTED", "lot_size", True)


@pytest.mark.parametrize("name", CANCELS)
def test_a_cancellation_is_carried_out_whatever_is_answered(struck: Ward, name: str) -> None:
    case = struck.cancels[name]

    (order,) = case.at_exchange
    assert order["status"] == "CANCELED"
    assert (case.leg.state, case.leg.reason) == ("CANCELLED", "master_cancelled")
    assert CopyOrder.objects.get(subscription=case.subscription, kind="CANCEL").state == "DONE"


@pytest.mark.parametrize("kind", ["opens", "closes"])
@pytest.mark.parametrize("name", [*UNKNOWN, LATE_LOOK_UP])
def test_it_is_looked_up_twice_before_it_is_sent_again(struck: Ward, name: str, kind: str) -> None:
    asked = getattr(struck, kind)[name].asked

    assert asked[0] == "POST"
    assert "GET" in asked
    assert "POST" not in asked[1:3]
    assert asked.count("POST") <= 2


@pytest.mark.parametrize("kind", ["opens", "closes"])
@pytest.mark.parametrize("name", [*SENDS, LATE_LOOK_UP, "nothing"])
def test_our_books_say_what_the_exchanges_say(struck: Ward, name: str, kind: str) -> None:
    case: Case = getattr(struck, kind)[name]

    ours = CopyOrder.objects.filter(subscription=case.subscription)
    position = CopyPosition.objects.filter(subscription=case.subscription).first()
    assert {o["client_id"] for o in case.orders} <= {leg.client_order_id for leg in ours}
    assert placed_twice(case.orders) == []
    assert net_base(case.orders) == (position.quantity if position else 0)
