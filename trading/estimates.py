"""What an order would cost, for people to look at before they place it."""

from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from agora.lib.formats import in_zone, usd
from agora.lib.money import plain, to_cents, up_to_cents
from kyc.selectors import LimitStatus
from trading.quotes import Quote
from trading.services import MIN_VALUE_USD

FEE_USD = Decimal("0.00")


@dataclass(frozen=True)
class Estimate:
    """Cost of ``quantity`` shares in USD; ``problem`` says why the order would be refused, or "".

    ``worst_usd`` is what the order reserves of the daily limit: it cannot cost more.
    """

    quantity: Decimal
    cost_usd: Decimal
    worst_usd: Decimal
    fee_usd: Decimal
    left_after_usd: Decimal | None
    problem: str

    @property
    def quantity_text(self) -> str:
        """The quantity as a form carries it."""
        return plain(self.quantity)


def estimate(*, quantity: Decimal, quote: Quote, limit: LimitStatus | None) -> Estimate:
    """What ``quantity`` shares cost at the quote. Decides nothing: the order is checked when placed."""
    worst = up_to_cents(quantity * quote.limit_price)
    problem = ""
    if quantity * quote.price < MIN_VALUE_USD:
        problem = _("The broker takes orders from 1 US dollar on. Buy a little more.")
    elif limit is not None and worst > limit.left_usd:
        problem = limit_message(limit, requested_usd=worst)
    return Estimate(
        quantity=quantity,
        cost_usd=to_cents(quantity * quote.price),
        worst_usd=worst,
        fee_usd=FEE_USD,
        left_after_usd=max(limit.left_usd - worst, Decimal(0)) if limit is not None else None,
        problem=problem,
    )


def limit_message(limit: LimitStatus, *, requested_usd: Decimal | str) -> str:
    """Why an order does not fit the daily limit, with limit, used, left and when it resets."""
    return _(
        "This order could cost up to %(requested)s, which is more than is left of your daily limit: "
        "%(left)s of %(limit)s (%(used)s used). The limit resets on %(resets)s. Buy less, or come "
        "back then."
    ) % {
        "requested": usd(requested_usd),
        "left": usd(limit.left_usd),
        "limit": usd(limit.limit_usd),
        "used": usd(limit.used_usd),
        "resets": in_zone(limit.resets_at, limit.zone),
    }
