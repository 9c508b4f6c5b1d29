"""What a follower may choose for a subscription, and which choices are refused (SUB-1)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from agora.lib.catalog import Text
from agora.lib.money import plain
from copytrade.models import Strategy, Subscription

MIN_ALLOCATED = Decimal(10)
MAX_ALLOCATED = Decimal(1_000_000_000)
MAX_OPEN = 100
SLIPPAGE_BPS = (1, 1000)
STOP_LOSS_PERCENT = (Decimal(5), Decimal(95))
FACTORS = {
    Subscription.Sizing.MULTIPLIER: (Decimal("0.01"), Decimal(100)),
    Subscription.Sizing.PROPORTIONAL: (Decimal("0.01"), Decimal(10)),
}
_DECIMALS = 8


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How a subscription copies. Amounts are in the quote asset, slippage in 1/100 %.

    `factor` is the amount of each order for a fixed size, else the factor. `stop_loss_percent` is
    how much of the equity may be lost before the stop-loss strikes; None: no stop-loss.
    """

    sizing: str
    factor: Decimal
    allocated: Decimal
    symbols: Sequence[str]
    slippage_bps: int
    max_open: int
    minimum: str
    on_stop: str
    stop_loss_percent: Decimal | None = None


NAMES = tuple(field.name for field in fields(Terms))
# Those that are columns of a subscription.
STORED = tuple(name for name in NAMES if name != "stop_loss_percent")


@dataclass(frozen=True)
class Wrong:
    """One choice that is refused: which field, why in words, and a stable code."""

    field: str
    code: str
    message: Text


def terms_of(subscription: Subscription, *, changes: Mapping[str, Any]) -> Terms:
    """The terms as they would be after the changes; no stop-loss but a changed one."""
    values = {name: getattr(subscription, name) for name in STORED}
    return replace(Terms(**values), **dict(changes))


def stop_equity_of(*, equity: Decimal, percent: Decimal | None) -> Decimal | None:
    """The equity at which the stop-loss strikes: what is left of `equity` after that loss."""
    if percent is None:
        return None
    return (equity * (100 - percent) / 100).quantize(Decimal("0.01"))


def faults_of(
    terms: Terms, *, strategy: Strategy, before: Subscription | None = None
) -> list[Wrong]:
    """Every choice that is refused, in the order of the form; empty when all are fine.

    What a subscription has from `before` its master changed the strategy may stay as it is.
    """
    least, pairs = max(MIN_ALLOCATED, strategy.min_equity), set(strategy.symbols)
    if before is not None:
        least, pairs = min(least, before.allocated), pairs | set(before.symbols)
    return [*_sizes(terms, least), *_choices(terms, pairs), *_limits(terms)]


def _sizes(terms: Terms, least: Decimal) -> Iterator[Wrong]:
    if not _is_amount(terms.allocated) or not least <= terms.allocated <= MAX_ALLOCATED:
        yield Wrong(
            "allocated",
            "allocated_invalid",
            _("Allocate at least %(least)s USDT, with at most 8 decimals.")
            % {"least": plain(least)},
        )
    if terms.sizing not in Subscription.Sizing.values:
        yield Wrong("sizing", "sizing_invalid", _("Choose one of the ways to size orders."))
        return
    if terms.sizing == Subscription.Sizing.FIXED:
        if not _is_amount(terms.factor) or not 1 <= terms.factor <= terms.allocated:
            yield Wrong(
                "factor",
                "factor_invalid",
                _("The amount of each order must be from 1 USDT up to what you allocate."),
            )
        return
    low, high = FACTORS[Subscription.Sizing(terms.sizing)]
    if not _is_amount(terms.factor) or not low <= terms.factor <= high:
        yield Wrong(
            "factor",
            "factor_invalid",
            _("The factor must be from %(low)s to %(high)s.")
            % {"low": plain(low), "high": plain(high)},
        )


def _choices(terms: Terms, pairs: set[str]) -> Iterator[Wrong]:
    unknown = sorted(set(terms.symbols) - pairs)
    if not terms.symbols or len(set(terms.symbols)) != len(terms.symbols):
        yield Wrong("symbols", "symbols_invalid", _("Choose at least one pair, each once."))
    elif unknown:
        yield Wrong(
            "symbols",
            "symbols_invalid",
            _("The strategy does not trade %(pairs)s.") % {"pairs": ", ".join(unknown)[:80]},
        )
    if terms.minimum not in Subscription.Minimum.values:
        yield Wrong("minimum", "minimum_invalid", _("Choose what happens to small orders."))
    if terms.on_stop not in Subscription.OnStop.values:
        yield Wrong("on_stop", "on_stop_invalid", _("Choose what happens on stop."))


def _limits(terms: Terms) -> Iterator[Wrong]:
    if not SLIPPAGE_BPS[0] <= terms.slippage_bps <= SLIPPAGE_BPS[1]:
        yield Wrong(
            "slippage_bps", "slippage_invalid", _("The slippage limit must be from 0.01 % to 10 %.")
        )
    if not 1 <= terms.max_open <= MAX_OPEN:
        yield Wrong("max_open", "max_open_invalid", _("Allow from 1 to 100 open pairs."))
    percent = terms.stop_loss_percent
    if percent is not None:
        low, high = STOP_LOSS_PERCENT
        if not percent.is_finite() or not low <= percent <= high or not _is_amount(percent):
            yield Wrong(
                "stop_loss_percent",
                "stop_loss_invalid",
                _("The stop-loss must be from 5 % to 95 %."),
            )


def _is_amount(value: Decimal) -> bool:
    """Finite, and with no more decimals than an exchange knows."""
    if not value.is_finite():
        return False
    exponent = value.normalize().as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_DECIMALS


def widened(before: Subscription, after: Terms, *, stop_equity: Decimal | None) -> list[str]:
    """Names of the choices by which more can be lost than before."""
    found = [
        name
        for name in ("allocated", "slippage_bps", "max_open")
        if getattr(after, name) > getattr(before, name)
    ]
    if after.sizing != before.sizing or after.factor > before.factor:
        found.append("factor")
    if set(after.symbols) - set(before.symbols):
        found.append("symbols")
    if before.stop_equity is not None and (stop_equity is None or stop_equity < before.stop_equity):
        found.append("stop_loss_percent")
    return found
