"""What became of a signal, in plain words: the answer to "why was this not copied?"

One source for page, API and command. Texts are in the reader's language; figures in the quote asset
or, quantities, in the base asset of the pair.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from agora.lib import formats
from copytrade.models import CopyOrder, Side, Signal
from copytrade.reasons import REASONS, text_of
from copytrade.states import LegState

_BPS = Decimal(10_000)
_ZERO = Decimal(0)


def signals_for(user: User) -> QuerySet[Signal]:
    """Signals that the person gave as a master, or that concerned a subscription of theirs.

    What concerns one follower alone (joining, stopping) is none of the master's: its sums would be
    that follower's own figures.
    """
    mine = CopyOrder.objects.filter(subscription__follower=user)
    given = Q(strategy__master=user, cause=Signal.Cause.MASTER)
    return (
        Signal.objects.filter(given | Q(pk__in=mine.values("signal")))
        .select_related("strategy", "master_order")
        .order_by("-created_at", "-id")
    )


def signal_for(*, user: User, signal_id: uuid.UUID) -> Signal:
    """A signal of this person, as above; raises Signal.DoesNotExist for strangers."""
    return signals_for(user).get(pk=signal_id)


def legs_for(user: User) -> QuerySet[CopyOrder]:
    """Copies made, or not made, for this person."""
    return (
        CopyOrder.objects.filter(subscription__follower=user)
        .select_related("signal__strategy", "subscription__strategy")
        .order_by("-created_at", "-id")
    )


def leg_for(*, user: User, leg_id: uuid.UUID) -> CopyOrder:
    """One copy; raises CopyOrder.DoesNotExist for anybody but its follower."""
    return legs_for(user).get(pk=leg_id)


def headline(signal: Signal) -> str:
    """What the master did, or what else gave the signal, as one sentence."""
    base, _slash, quote = signal.symbol.partition("/")
    places = {
        "quantity": formats.quantity(signal.cumulative),
        "base": base,
        "quote": quote,
        "price": formats.quantity(signal.price),
        "symbol": signal.symbol,
        "share": formats.percent(_share(signal)),
    }
    return _sentence(signal) % places


def _share(signal: Signal) -> Decimal:
    """The part of the position that a close sells."""
    if not signal.position_before:
        return Decimal(1)
    share: Decimal = signal.cumulative / signal.position_before
    return min(share, Decimal(1))


def _sentence(signal: Signal) -> str:
    if signal.kind == Signal.Kind.CANCEL:
        return _("An open order of %(symbol)s was cancelled.")
    if signal.cause == Signal.Cause.JOIN:
        return _("The subscription began while the master held %(quantity)s %(base)s.")
    if signal.cause == Signal.Cause.STOP:
        return _("The subscription was being stopped, and its %(base)s was to be sold.")
    if signal.cause == Signal.Cause.RISK:
        return _("A risk limit was reached, and the %(base)s was to be sold.")
    if signal.cause == Signal.Cause.ORPHAN:
        return _("The master no longer held %(base)s, and the copied rest was to be sold.")
    if signal.kind == Signal.Kind.CLOSE:
        return _("The master sold %(quantity)s %(base)s, %(share)s of it, at %(price)s %(quote)s.")
    if signal.type == "LIMIT":
        return _("The master offered to buy %(quantity)s %(base)s at %(price)s %(quote)s.")
    return _("The master bought %(quantity)s %(base)s at %(price)s %(quote)s.")


@dataclass(frozen=True)
class Quantity:
    """One of the five numbers of a copy; `note` says why it is not the one before it."""

    key: str
    label: str
    value: Decimal | None
    note: str = ""


@dataclass(frozen=True)
class LegAnswer:
    """What became of one copy. Slippage is positive when it was worse for the follower."""

    leg: CopyOrder
    outcome: str
    why: str
    quantities: list[Quantity]
    published_after_ms: int
    accepted_after_ms: int | None
    average_price: Decimal | None
    slippage_bps: Decimal | None

    @property
    def is_copied(self) -> bool:
        return self.leg.filled > 0 or self.leg.state == LegState.DONE


def explain_leg(leg: CopyOrder) -> LegAnswer:
    """The leg's row in words; asks nothing of the database but its signal."""
    signal = leg.signal
    price = leg.quote_filled / leg.filled if leg.filled else None
    return LegAnswer(
        leg=leg,
        outcome=_outcome(leg, price),
        why=why(leg),
        quantities=_quantities(leg),
        published_after_ms=_ms(signal.at, signal.created_at) or 0,
        accepted_after_ms=_ms(signal.created_at, leg.accepted_at),
        average_price=price,
        slippage_bps=_slippage(leg, price),
    )


def _ms(begin: datetime, end: datetime | None) -> int | None:
    return None if end is None else round((end - begin).total_seconds() * 1000)


def _slippage(leg: CopyOrder, price: Decimal | None) -> Decimal | None:
    if price is None:
        return None
    worse: Decimal = price - leg.signal.price if leg.side == Side.BUY else leg.signal.price - price
    bps: Decimal = (worse / leg.signal.price * _BPS).quantize(Decimal("0.1"))
    return bps


def why(leg: CopyOrder) -> str:
    """Why it was not copied, not in full, or not yet; "" when there is nothing to explain."""
    if leg.state in (LegState.PLANNED, LegState.SENDING):
        return str(REASONS[leg.last_error]) if leg.last_error in REASONS else ""
    return reason_told(state=leg.state, reason=leg.reason)


def reason_told(*, state: str, reason: str) -> str:
    """A leg's reason; what was copied all the same was limited by it, not held back."""
    if not reason:
        return ""
    if state in (LegState.FILLED, LegState.DONE):
        return _("Less than wanted: %(why)s") % {"why": text_of(reason)}
    return str(text_of(reason))


def _outcome(leg: CopyOrder, price: Decimal | None) -> str:
    places = {
        "filled": formats.quantity(leg.filled),
        "sent": formats.quantity(leg.sent),
        "base": leg.symbol.partition("/")[0],
        "quote": leg.symbol.partition("/")[2],
        "price": formats.rounded(price, 2 if price is None or price >= 1 else 8),
    }
    return _outcome_text(leg) % places


def _outcome_text(leg: CopyOrder) -> str:
    buys = leg.side == Side.BUY
    if leg.state == LegState.DONE:
        return _("Copied: the resting order was cancelled.")
    if leg.state == LegState.FILLED and buys:
        return _("Copied: bought %(filled)s %(base)s at %(price)s %(quote)s on average.")
    if leg.state == LegState.FILLED:
        return _("Copied: sold %(filled)s %(base)s at %(price)s %(quote)s on average.")
    if leg.state == LegState.CANCELLED and leg.filled and buys:
        return _("Copied in part: bought %(filled)s of %(sent)s %(base)s at %(price)s %(quote)s.")
    if leg.state == LegState.CANCELLED and leg.filled:
        return _("Copied in part: sold %(filled)s of %(sent)s %(base)s at %(price)s %(quote)s.")
    return {
        LegState.CANCELLED: _("Not copied: the order ended before anything was filled."),
        LegState.WORKING: _("Under way: an order of %(sent)s %(base)s is open, %(filled)s filled."),
        LegState.SENDING: _("Under way: the order is being sent."),
        LegState.PLANNED: _("Under way: waiting to be sent."),
        LegState.REJECTED: _("Not copied: the exchange refused the order."),
        LegState.EXPIRED: _("Not copied: too late."),
    }.get(LegState(leg.state), _("Not copied."))


def _quantities(leg: CopyOrder) -> list[Quantity]:
    """Ideal → within limits → rounded → sent → filled, and at which step it shrank."""
    if leg.kind == Signal.Kind.CANCEL:
        return []
    sent = leg.sent if leg.sent or leg.rounded is not None else None
    return [
        Quantity("ideal", _("Ideal"), leg.ideal),
        Quantity("clamped", _("Within limits"), leg.clamped, _clamp_note(leg)),
        Quantity("rounded", _("Rounded"), leg.rounded, _round_note(leg)),
        Quantity("sent", _("Sent"), sent, _sent_note(leg)),
        Quantity("filled", _("Filled"), leg.filled if sent is not None else None, _fill_note(leg)),
    ]


def _clamp_note(leg: CopyOrder) -> str:
    if leg.ideal is None or leg.clamped is None or leg.clamped >= leg.ideal:
        return ""
    return _("A limit made it smaller.")


def _round_note(leg: CopyOrder) -> str:
    if leg.clamped is None or leg.rounded is None or leg.rounded == leg.clamped:
        return ""
    if not leg.rounded:
        return _("Less than the exchange accepts.")
    if leg.rounded > leg.clamped:
        return _("Raised to what the exchange accepts, or by what was kept from before.")
    return _("Cut to the exchange's step.")


def _sent_note(leg: CopyOrder) -> str:
    return _("Nothing was sent.") if leg.rounded and not leg.sent else ""


def _fill_note(leg: CopyOrder) -> str:
    ended = leg.state in (LegState.CANCELLED, LegState.REJECTED)
    return _("The rest found no match.") if ended and leg.sent > leg.filled else ""


@dataclass(frozen=True)
class Outcomes:
    """How many copies came out in one way; `reason` is a code, `text` its sentence."""

    state: str
    label: str
    reason: str
    text: str
    count: int


@dataclass(frozen=True)
class SignalAnswer:
    """What became of all copies of a signal; says nothing about any one follower.

    Delays are from the signal's publication to the exchange's acceptance, in milliseconds; slippage
    is weighted by value and positive when it was worse for the followers.
    """

    signal: Signal
    headline: str
    outcomes: list[Outcomes]
    legs: int
    copied: int
    quantity: Decimal
    value: Decimal
    published_after_ms: int
    median_ms: int | None
    last_ms: int | None
    slippage_bps: Decimal | None


_FIGURES = """
SELECT count(l.id), count(*) FILTER (WHERE l.filled > 0 OR l.state = 'DONE'),
       coalesce(sum(l.filled), 0), coalesce(sum(l.quote_filled), 0),
       percentile_disc(0.5) WITHIN GROUP (ORDER BY l.accepted_at - g.created_at),
       max(l.accepted_at - g.created_at),
       (sum(l.quote_filled) / nullif(sum(l.filled), 0) - g.price) / g.price * 10000
       * CASE g.side WHEN 'BUY' THEN 1 ELSE -1 END
FROM copytrade_signal g LEFT JOIN copytrade_copyorder l ON l.signal_id = g.id
WHERE g.id = %s GROUP BY g.id
"""


def explain_signal(signal: Signal) -> SignalAnswer:
    """What became of a signal, summed over its copies. Two queries."""
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, [signal.pk])
        legs, copied, quantity, value, median, last, slippage = cursor.fetchone()
    return SignalAnswer(
        signal=signal,
        headline=headline(signal),
        outcomes=outcomes_of(CopyOrder.objects.filter(signal=signal)),
        legs=legs,
        copied=copied,
        quantity=quantity,
        value=value,
        published_after_ms=_ms(signal.at, signal.created_at) or 0,
        median_ms=None if median is None else round(median.total_seconds() * 1000),
        last_ms=None if last is None else round(last.total_seconds() * 1000),
        slippage_bps=None if slippage is None else slippage.quantize(Decimal("0.1")),
    )


def outcomes_of(legs: QuerySet[CopyOrder]) -> list[Outcomes]:
    """Counts by state and reason, the most frequent first."""
    counted = legs.order_by().values_list("state", "reason").annotate(count=Count("pk"))
    found = [
        Outcomes(
            state,
            str(LegState(state).label),
            reason,
            reason_told(state=state, reason=reason),
            count,
        )
        for state, reason, count in counted
    ]
    return sorted(found, key=lambda o: (-o.count, o.state, o.reason))
