"""The engine: claims legs, commits their intents, calls the exchange, commits what came of it.

One path for a single leg, for all legs of a signal and for every retry. The exchange is called by
coroutines on the process's event loop; this thread claims and records meanwhile, so that neither
waits for the other, and a slow account delays nobody else's record (EXE-1, ARCHITECTURE 2).
"""

import asyncio
import queue
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import DataError, IntegrityError, OperationalError, transaction
from django.utils import timezone

from agora.lib import work
from agora.lib.crypto import Undecryptable
from agora.lib.failpoints import failpoint
from agora.lib.outcome import OutsideError, Rejected, Unknown
from copytrade import budget, sizing
from copytrade.exchange import reasons, runner, weights
from copytrade.exchange.credentials import open_sealed
from copytrade.exchange.types import Credentials, Market, NewOrder, OrderReport
from copytrade.replication import breaker, outcomes, recording, refusals
from copytrade.replication.claims import Facts, Selection, Switch, claim, engaged_switches
from copytrade.replication.outcomes import Change
from copytrade.replication.planning import Cancel, Decision, LookUp, Poll, Send, Skip, Wait, decide
from copytrade.replication.recording import Begun

if TYPE_CHECKING:
    from copytrade.exchange.venue import Venue

log = structlog.get_logger(__name__)

EXECUTE_TASK = "copytrade.tasks._execute_order"
# The first batch is small, so that its orders are on the wire early.
_FIRST_BATCH = 8
_BATCH = 64
# A claim costs as much for one leg as for some, so that it waits for a little room.
_LEAST_ROOM = 16
_MOST_UNRECORDED = 256
# How long an answer may wait for company before it is recorded.
_LINGER_SECONDS = 0.004
_MARKETS_SECONDS = 15.0
_MOST_COLLISIONS = 5
# When at most one in so many is left and none has answered for this long, the rest is looked up
# later: a worker has better things to do than to wait for a few slow accounts.
_FEW = 10
_PATIENCE_SECONDS = 1.0
_MOST_CLASHES = 10


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a call brought: a report, nothing found (None), or one of the three outcomes."""

    begun: Begun
    asked_at: datetime
    found: OrderReport | OutsideError | None


def work_through(selection: Selection) -> int:
    """Work on the due legs of a selection until none is due; how many were worked on.

    Never raises for an outside failure: its leg is due again later, or says why not.
    """
    try:
        run = _Run(selection)
    except OutsideError as error:  # not even its rules can be read: all stays due
        log.warning("copy.exchange_away", code=error.code, error=error.message)
        return 0
    return run.go()


class _Run:
    """One pass over a selection."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._inbox: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._venue = runner.venue()
        self._markets = runner.run(self._venue.markets(), timeout=_MARKETS_SECONDS)
        self._unrecorded: dict[uuid.UUID, Begun] = {}
        self._tally = breaker.Tally()
        self._worked = 0
        self._clashes = 0

    def go(self) -> int:
        more, size = True, _FIRST_BATCH
        while more or self._unrecorded:
            answered = self._inbox.qsize()
            room = settings.COPY_CONCURRENCY - (len(self._unrecorded) - answered)
            # Sending comes first; records wait, but not without end.
            if more and room >= min(size, _LEAST_ROOM) and answered < _MOST_UNRECORDED:
                limit = min(size, room)
                more = self._begin(limit) >= limit
                size = _BATCH
            else:
                self._record()
        return self._worked

    def _begin(self, limit: int) -> int:
        """Claim, decide, commit the intents, and let the calls go; how many legs were claimed."""
        try:
            legs, begun = self._commit_intents(limit)
        except IntegrityError:
            # Another worker began a leg of one of these accounts in this moment. The next claim sees
            # it and passes it over; what goes wrong again and again is left to the sweep.
            self._clashes += 1
            return limit if self._clashes <= _MOST_CLASHES else 0
        self._worked += len(legs)
        if begun:
            failpoint("copy.before_call")
            self._unrecorded |= {one.leg.id: one for one in begun}
            runner.start(_call_all(self._venue, begun, self._inbox))
        return len(legs)

    def _commit_intents(self, limit: int) -> tuple[list[Facts], list[Begun]]:
        with transaction.atomic():
            legs = claim(self._selection, limit=limit)
            if not legs:
                return [], []
            decided = _decide_all(legs, switches=engaged_switches(), markets=self._markets)
            begun = recording.write_decisions(decided, now=timezone.now())
            failpoint("copy.before_intent")
        failpoint("copy.after_intent")
        breaker.note_skips(decided, now=timezone.now())
        return legs, begun

    def _record(self) -> None:
        """Wait for an answer, take along those that come with it, and commit what they bring."""
        answers = self._collect()
        now = timezone.now()
        if answers:
            finished = [(answer.begun, _change_of(answer, now=now)) for answer in answers]
        else:
            finished = [
                (one, outcomes.of_slow(one.leg, one.decision, now=now))
                for one in self._unrecorded.values()
            ]
        for begun, _ in finished:
            self._unrecorded.pop(begun.leg.id, None)
        failpoint("copy.after_call")
        kept = _written(finished, now=now)
        failpoint("copy.recorded")
        refusals.tell(kept, now=now)
        breaker.note(kept, tally=self._tally, now=now)
        _tell(kept)
        for leg_id in recording.next_of([change.leg.account_id for change in kept]):
            work.nudge(EXECUTE_TASK, pk=leg_id)

    def _collect(self) -> list[_Answer]:
        """Answers that came together; none when only few are left and those are slow."""
        found: list[_Answer] = []
        few = len(self._unrecorded) * _FEW <= self._worked
        wait: float | None = _PATIENCE_SECONDS if few else None
        while len(found) < min(len(self._unrecorded), _BATCH):
            try:
                found.append(self._inbox.get(timeout=wait))
            except queue.Empty:
                break
            if len(found) == 1:
                deadline = time.monotonic() + _LINGER_SECONDS
            wait = max(deadline - time.monotonic(), 0)
        return found


def _written(finished: Sequence[tuple[Begun, Change]], *, now: datetime) -> list[Change]:
    """Commit outcomes together; one by one when a row of one of them cannot be had or recorded.

    What cannot be written for now is found at the exchange again once the lease is over; what the
    database refuses is kept for a person.
    """
    try:
        return recording.write_outcomes(finished, now=now)
    except (OperationalError, DataError, IntegrityError) as error:
        if len(finished) == 1:
            begun, _change = finished[0]
            if isinstance(error, OperationalError):
                log.exception("copy.not_recorded", leg=str(begun.leg.id))
            else:
                log.exception("copy.needs_attention", leg=str(begun.leg.id))
                recording.set_aside(begun, now=now)
            return []
    return [change for one in finished for change in _written([one], now=now)]


def _decide_all(
    legs: Sequence[Facts], *, switches: Sequence[Switch], markets: Mapping[str, Market]
) -> list[tuple[Facts, Decision]]:
    now = timezone.now()
    decided = [(leg, decide(leg, switches=switches, markets=markets, now=now)) for leg in legs]
    return _within_budget(decided)


def _within_budget(decided: list[tuple[Facts, Decision]]) -> list[tuple[Facts, Decision]]:
    """Let what the exchange's rate limits do not allow now wait; closes and look-ups come first."""
    result: list[tuple[Facts, Decision]] = []
    result += [(leg, d) for leg, d in decided if isinstance(d, Skip | Wait)]
    for urgent in (True, False):
        asked: list[tuple[Facts, Decision]] = [
            (leg, d)
            for leg, d in decided
            if not isinstance(d, Skip | Wait)
            and urgent == (leg.kind != "OPEN" or isinstance(d, LookUp))
        ]
        result += _granted(asked, urgent=urgent)
    return result


def _granted(asked: list[tuple[Facts, Decision]], *, urgent: bool) -> list[tuple[Facts, Decision]]:
    if not asked:
        return []
    grant = budget.take(
        exchange=asked[0][0].exchange,
        weights=[_weight(decision) for _, decision in asked],
        accounts=[leg.account_id for leg, _ in asked],
        urgent=urgent,
    )
    held = set(grant.held)
    result: list[tuple[Facts, Decision]] = []
    for index, (leg, decision) in enumerate(asked):
        if index < grant.granted and index not in held:
            result.append((leg, decision))
            continue
        seconds = 2.0 if index in held else max(grant.wait_seconds, 0.05)
        until = timezone.now() + timedelta(seconds=seconds)
        if leg.kind == "OPEN" and leg.expires_at is not None and leg.state == "PLANNED":
            until = min(until, leg.expires_at)
        result.append((leg, Wait(until, "rate_limited")))
    return result


def _weight(decision: Decision) -> int:
    if isinstance(decision, LookUp | Poll):
        return weights.FIND
    return weights.CANCEL if isinstance(decision, Cancel) else weights.PLACE


async def _call_all(
    venue: "Venue", begun: Sequence[Begun], inbox: "queue.SimpleQueue[_Answer]"
) -> None:
    """Make all calls at once; each answer goes to the inbox as it comes."""
    await asyncio.gather(*(_call(venue, one, inbox) for one in begun))


async def _call(venue: "Venue", begun: Begun, inbox: "queue.SimpleQueue[_Answer]") -> None:
    found: OrderReport | OutsideError | None
    asked_at = timezone.now()
    try:
        found = await _ask(venue, begun)
    except OutsideError as error:
        found = error
    except Exception as error:  # a bug: what was done is unknown, and nobody may wait for ever
        log.exception("copy.call_failed", leg=str(begun.leg.id))
        found = Unknown(f"{type(error).__name__}: {error}", code="bug")
    inbox.put(_Answer(begun, asked_at, found))


async def _ask(venue: "Venue", begun: Begun) -> OrderReport | None:
    leg, decision = begun.leg, begun.decision
    credentials = _credentials(leg)
    if isinstance(decision, Send):
        try:
            return await venue.place(credentials, decision.order)
        except Rejected as error:
            if leg.kind != "CLOSE" or error.code != reasons.INSUFFICIENT_FUNDS:
                raise
            order = await _what_is_there(venue, credentials, leg, decision.order)
            if order is None:
                raise
        return await venue.place(credentials, order)
    if isinstance(decision, Poll):
        return await venue.get(credentials, symbol=leg.symbol, order_id=leg.exchange_order_id)
    if isinstance(decision, Cancel):
        return await venue.cancel(
            credentials, symbol=leg.symbol, client_order_id=leg.target_client_order_id
        )
    return await venue.find(credentials, symbol=leg.symbol, client_order_id=leg.client_order_id)


async def _what_is_there(
    venue: "Venue", credentials: Credentials, leg: Facts, order: NewOrder
) -> NewOrder | None:
    """The close for what the account still has, after its person sold or fees took some of it.

    None when nothing is left that could be sold. The order was refused, so that its id is free.
    """
    market = await venue.market(order.symbol)
    balance = (await venue.balances(credentials)).get(market.base)
    if balance is None:
        return None
    sized = sizing.size_close(
        held=min(balance.free, order.quantity),
        sold=sizing.ZERO,
        cumulative=sizing.ZERO,
        position_before=sizing.ZERO,  # all of it
        price=leg.signal_price,
        market=market,
    )
    return replace(order, quantity=sized.rounded) if sized.rounded else None


def _credentials(leg: Facts) -> Credentials:
    try:
        return open_sealed(account_id=leg.account_id, api_key=leg.api_key, secret=leg.secret)
    except Undecryptable as error:
        raise Rejected("The stored key cannot be read.", code=reasons.KEY_INVALID) from error


def _change_of(answer: _Answer, *, now: datetime) -> Change:
    leg, decision, found = answer.begun.leg, answer.begun.decision, answer.found
    if isinstance(found, OutsideError):
        tried = replace(leg, attempts=leg.attempts + 1)
        return outcomes.of_failure(tried, decision, found, now=now)
    if isinstance(decision, Cancel):
        return outcomes.of_cancel(leg, found, now=now)
    if found is None:
        return outcomes.of_missing(leg, began=answer.asked_at, now=now)
    change = outcomes.of_report(leg, found, now=now)
    if isinstance(decision, Send) and found.quantity < decision.order.quantity:
        # Less was there than the subscription bought: closed as far as could be, and looked into.
        change.reason, change.attention = reasons.INSUFFICIENT_FUNDS, True
    elif isinstance(decision, Send) and decision.sized.has_rest and change.state == "FILLED":
        change.rest_to_close = True
    return change


def _tell(changes: Sequence[Change]) -> None:
    """A log line for what was executed (EXE-1), and one for each leg that needs a person."""
    executed: dict[object, list[str]] = {}
    for change in changes:
        if change.state in ("FILLED", "CANCELLED") and change.report is not None:
            executed.setdefault(change.leg.signal_id, []).append(str(change.leg.id))
        elif change.attention:
            log.error("copy.needs_attention", leg=str(change.leg.id), error=change.error)
    for signal_id, legs in executed.items():
        log.info(
            "Copy Orders Executed", signal=str(signal_id), count=len(legs), legs=" ".join(legs)
        )
