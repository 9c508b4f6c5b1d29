"""What failures mean beyond the leg: an account rested or paused, or the exchange left in peace."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import connection, transaction

from copytrade import budget
from copytrade.ledger.booking import lock_accounts
from copytrade.models import ExchangeAccount
from copytrade.replication import pausing, risk
from copytrade.replication.claims import Facts
from copytrade.replication.outcomes import Change
from copytrade.replication.planning import Decision, Skip
from copytrade.selectors.risk import standings

log = structlog.get_logger(__name__)
# Failures in a row after which an account is rested, and after which it is paused.
REST_AFTER = 3
PAUSE_AFTER = 10
_LONGEST_REST = 300
# So many failures, and most of all that was heard, are the exchange's, not the accounts'.
_OUTAGE = 20
_OUTAGE_SECONDS = 5.0

_COUNT = """
UPDATE copytrade_exchangeaccount SET
    failures = least(failures + 1, 1000),
    blocked_until = CASE WHEN failures + 1 >= %s
        THEN %s::timestamptz + make_interval(secs => least(2 ^ least(failures + 1, 9), %s)) END
WHERE id = ANY(%s) RETURNING id, failures
"""


@dataclass(slots=True)
class Tally:
    """How a run went so far: those that time out come late and together, so a batch tells little."""

    heard: int = 0
    failed: int = 0

    @property
    def is_outage(self) -> bool:
        return self.failed >= _OUTAGE and 2 * self.failed > self.heard


def note(changes: Sequence[Change], *, tally: Tally, now: datetime) -> None:
    """Count failures of accounts, forgive after a success, and pause what keeps failing.

    `tally` is the run's, and is brought up to date.
    """
    failed = {change.leg.account_id for change in changes if change.failed}
    tally.heard, tally.failed = tally.heard + len(changes), tally.failed + len(failed)
    if failed and tally.is_outage:
        log.error("exchange.failing", accounts=len(failed))
        budget.block(exchange=changes[0].leg.exchange, seconds=_OUTAGE_SECONDS)
        failed = set()
    well = {
        change.leg.account_id
        for change in changes
        if change.leg.failures and not change.failed and change.report is not None
    }
    if well:
        with transaction.atomic():
            lock_accounts(sorted(well))
            ExchangeAccount.objects.filter(pk__in=well).update(failures=0, blocked_until=None)
    troubles = {c.leg.account_id: c.key_trouble for c in changes if c.key_trouble}
    if failed:
        with transaction.atomic(), connection.cursor() as cursor:
            lock_accounts(sorted(failed))
            cursor.execute(_COUNT, [REST_AFTER, now, _LONGEST_REST, list(failed)])
            rows = cursor.fetchall()
        troubles |= {pk: "account_failing" for pk, count in rows if count >= PAUSE_AFTER}
    for pk, reason in troubles.items():
        with transaction.atomic():
            pausing.pause(account=ExchangeAccount.objects.get(pk=pk), reason=reason, now=now)


def note_skips(decided: Sequence[tuple[Facts, Decision]], *, now: datetime) -> None:
    """A loss limit that was met at the moment of sending takes effect at once."""
    breaches = {
        leg.subscription_id: decision.breach
        for leg, decision in decided
        if isinstance(decision, Skip) and decision.breach
    }
    if not breaches:
        return
    for pk, standing in standings(subscription_ids=list(breaches), now=now).items():
        risk.strike(standing=standing, kind=breaches[pk], now=now)
