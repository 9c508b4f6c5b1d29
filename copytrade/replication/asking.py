"""Asking the exchange from code that is not asynchronous, within the shared budget."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from agora.lib.outcome import Temporary
from copytrade import budget
from copytrade.exchange import runner
from copytrade.models import Exchange

# Each request is limited by itself; this bounds one that waits for its turn as well.
_SECONDS = 20.0

T = TypeVar("T")


def ask(question: Coroutine[Any, Any, T], *, weight: int, urgent: bool = True) -> T:
    """Have a question answered on this process's loop; raises Rejected, Temporary or Unknown.

    Asks the budget for `weight` first and raises Temporary, certainly not sent, while there is none.
    Not `urgent`: leaves the share that is kept for closes and look-ups.
    """
    grant = budget.take(exchange=Exchange.BINANCE, weights=[weight], urgent=urgent)
    if not grant.granted:
        question.close()
        raise Temporary("No request weight is left for now.", retry_after=grant.wait_seconds)
    return runner.run(question, timeout=_SECONDS)
