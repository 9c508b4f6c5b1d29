"""What became of one signal, follower by follower: `python -m agora.runtime.copies SIGNAL`.

Waits until every copy has an outcome, then holds Agora's rows against the books that the sandbox's
exchange keeps for itself. The last line of output is JSON; exit code 1 when either failed.
"""

import json
import os
import sys
import time
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import django

from agora.sandbox.client import SandboxControl
from copytrade.states import LEG_MOVES

if TYPE_CHECKING:
    from copytrade.models import CopyOrder, MasterOrder

LIMIT = 30.0  # seconds for the last outcome
_POLL = 0.1


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agora.settings")
    django.setup()
    legs = _wait(sys.argv[1])
    waiting = [leg for leg in legs if leg.state not in LEG_MOVES.terminal]
    control = SandboxControl(os.environ["AGORA_DEMO_SANDBOX"])
    differences = [] if waiting else _differences(legs, control.binance.books()["accounts"])
    told = {
        "copies": [_told(leg) for leg in legs],
        "waiting": [leg.subscription.follower.email for leg in waiting],
        "differences": differences,
    }
    print(json.dumps(told))
    return 1 if waiting or differences else 0


def _wait(signal_id: str) -> "list[CopyOrder]":
    """The signal's copies in the order in which they were accepted, once none is under way."""
    from django.db.models import F

    from copytrade.models import CopyOrder

    found = CopyOrder.objects.filter(signal_id=signal_id).select_related(
        "signal__master_order__account", "subscription__follower", "account"
    )
    ends = time.monotonic() + LIMIT
    under_way = found.exclude(state__in=LEG_MOVES.terminal)
    while under_way.exists() and time.monotonic() < ends:
        time.sleep(_POLL)
    return list(found.order_by(F("accepted_at").asc(nulls_last=True), "reason", "rank"))


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


def _differences(legs: "list[CopyOrder]", books: dict[str, Any]) -> list[str]:
    """Where the exchange's own books say something else than Agora's rows; sentences."""
    ours: list[CopyOrder | MasterOrder] = [leg for leg in legs if leg.sent]
    master_order = legs[0].signal.master_order if legs else None
    if master_order is not None:
        ours.append(master_order)
    found = []
    for row in ours:
        label, wanted = row.account.label, row.client_order_id
        there = [o for o in books[label]["orders"] if o["client_id"] == wanted]
        filled = sum((Decimal(o["executed"]) for o in there), Decimal(0))
        if len(there) != 1 or filled != row.filled:
            found.append(
                f"{label}: order {wanted} filled {row.filled.normalize():f} by Agora's books, "
                f"{filled} in {len(there)} orders by the exchange's."
            )
    return found + list(_unknown(legs, books))


def _unknown(legs: "list[CopyOrder]", books: dict[str, Any]) -> Iterable[str]:
    """Orders of the followers' accounts that Agora does not know of."""
    from copytrade.models import CopyOrder

    known = set(
        CopyOrder.objects.filter(account__in=[leg.account_id for leg in legs]).values_list(
            "client_order_id", flat=True
        )
    )
    for leg in legs:
        for order in books[leg.account.label]["orders"]:
            if order["client_id"] not in known:
                yield f"{leg.account.label}: Agora does not know of order {order['client_id']}."


if __name__ == "__main__":
    sys.exit(main())
