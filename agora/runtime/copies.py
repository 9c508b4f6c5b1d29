"""What became of one signal, follower by follower: `python -m agora.runtime.copies SIGNAL`.

Waits until every copy has an outcome, then holds Agora's rows against the books that the sandbox's
exchange keeps for itself. The last line of output is JSON; what is wrong is said in it.
"""

import json
import os
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from io import StringIO
from typing import TYPE_CHECKING, Any

import django
from django.core.management import call_command

from agora.sandbox.client import SandboxControl

if TYPE_CHECKING:
    from copytrade.models import CopyOrder, MasterOrder

LIMIT = 30.0  # seconds for the last outcome
_POLL = 0.1

Orders = list[dict[str, Any]]


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agora.settings")
    django.setup()
    control = SandboxControl(os.environ["AGORA_DEMO_SANDBOX"])
    print(json.dumps(report(uuid.UUID(sys.argv[1]), control=control, limit=LIMIT)))


def report(signal_id: uuid.UUID, *, control: SandboxControl, limit: float) -> dict[str, Any]:
    """Each copy, followers whose copy has no outcome within `limit` seconds, and `differences`
    between Agora's books and the exchange's, in words.
    """
    from copytrade.states import LEG_MOVES

    legs = _wait(signal_id, limit=limit)
    waiting = [leg for leg in legs if leg.state not in LEG_MOVES.terminal]
    explained = StringIO()
    call_command("copy", "explain", str(signal_id), stdout=explained)
    return {
        "copies": [_told(leg) for leg in legs],
        "waiting": [leg.subscription.follower.email for leg in waiting],
        "differences": [] if waiting else list(_differences(legs, control=control)),
        "explained": explained.getvalue(),
    }


def _wait(signal_id: uuid.UUID, *, limit: float) -> "list[CopyOrder]":
    """The signal's copies in the order in which they were accepted, once none is under way."""
    from django.db.models import F

    from copytrade.models import CopyOrder
    from copytrade.states import LEG_MOVES

    legs = CopyOrder.objects.filter(signal_id=signal_id).select_related(
        "signal__master_order__account", "subscription__follower", "account"
    )
    ends = time.monotonic() + limit
    while legs.exclude(state__in=LEG_MOVES.terminal).exists() and time.monotonic() < ends:
        time.sleep(_POLL)
    return list(legs.order_by(F("accepted_at").asc(nulls_last=True), "reason", "rank"))


def _told(leg: "CopyOrder") -> dict[str, Any]:
    from copytrade.selectors import explain

    answer = explain.explain_leg(leg)
    return {
        "follower": leg.subscription.follower.email.partition("@")[0],
        "is_copied": answer.is_copied,
        "filled": f"{leg.filled.normalize():f}",
        "base": leg.symbol.partition("/")[0],
        "price": None if answer.average_price is None else f"{answer.average_price:.2f}",
        "accepted_after_ms": answer.accepted_after_ms,
        "why": answer.why,
    }


def _differences(legs: "list[CopyOrder]", *, control: SandboxControl) -> Iterator[str]:
    """Copies that the exchange has not, has twice, or filled otherwise, and orders that are no
    copies of ours; the master's order likewise.
    """
    books = control.binance.books()["accounts"]
    labels = {each["api_key"]: each["label"] for each in control.binance.list_accounts()}
    for leg in legs:
        there = _orders(leg, books=books, labels=labels)
        yield from _compared(leg, there, wanted=1 if leg.sent else 0)
        yield from _unknown(leg, there)
    order = legs[0].signal.master_order if legs else None
    if order is not None:
        yield from _compared(order, _orders(order, books=books, labels=labels), wanted=1)


def _orders(
    row: "CopyOrder | MasterOrder", *, books: Mapping[str, Any], labels: Mapping[str, str]
) -> Orders:
    """The orders of the row's account, as the exchange has them."""
    from copytrade.exchange.credentials import credentials_of

    label = labels.get(credentials_of(row.account).api_key)
    return list(books[label]["orders"]) if label else []


def _compared(row: "CopyOrder | MasterOrder", there: Orders, *, wanted: int) -> Iterator[str]:
    same = [order for order in there if order["client_id"] == row.client_order_id]
    filled = sum((Decimal(order["executed"]) for order in same), Decimal(0))
    if len(same) != wanted or filled != row.filled:
        yield (
            f"{row.account.label}: order {row.client_order_id} filled {row.filled.normalize():f} by "
            f"Agora's books; the exchange has {len(same)} of it and filled {filled:f}."
        )


def _unknown(leg: "CopyOrder", there: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    from copytrade.models import CopyOrder

    ours = CopyOrder.objects.filter(account=leg.account_id)
    known = set(ours.values_list("client_order_id", flat=True))
    for order in there:
        if order["client_id"] not in known:
            yield f"{leg.account.label}: Agora knows nothing of order {order['client_id']}."


if __name__ == "__main__":
    main()
