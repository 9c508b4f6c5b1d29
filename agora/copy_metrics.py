"""Prometheus metrics of copy trading, read from the database when scraped, in four queries."""

from collections.abc import Iterator

from django.db import connection
from django.db.models import Count, Q
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from copytrade.models import ExchangeAccount, KillSwitch
from copytrade.states import AccountState, LegState

RECENT_SECONDS = 60 * 60

# Open legs of any age, by the index of what is due; ended ones of the last hour only.
_LEGS = """
SELECT state, count(*), count(*) FILTER (WHERE attention),
       coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)
FROM copytrade_copyorder
WHERE created_at > clock_timestamp() - make_interval(secs => %s) OR next_attempt_at IS NOT NULL
GROUP BY state
"""
_DELAYS = """
SELECT count(*), percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (
    ORDER BY extract(epoch FROM l.accepted_at - g.created_at))
FROM copytrade_copyorder l JOIN copytrade_signal g ON g.id = l.signal_id
WHERE g.created_at > clock_timestamp() - make_interval(secs => %s) AND l.accepted_at IS NOT NULL
"""
_OPEN = frozenset({LegState.PLANNED, LegState.SENDING, LegState.WORKING})


class CopiesCollector(Collector):
    """Copied orders by state, how long they took to be accepted, and what holds copying back."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from _by_state()
        yield _delays()
        yield from _held_back()


def _by_state() -> Iterator[GaugeMetricFamily]:
    with connection.cursor() as cursor:
        cursor.execute(_LEGS, [RECENT_SECONDS])
        rows = {row[0]: row[1:] for row in cursor.fetchall()}
    count = GaugeMetricFamily(
        "agora_copies", "Copied orders of the last hour, and all open ones.", labels=["state"]
    )
    stuck = GaugeMetricFamily(
        "agora_copies_attention", "Copied orders that wait for a person.", labels=["state"]
    )
    oldest = GaugeMetricFamily(
        "agora_copies_oldest_seconds",
        "Age of the oldest copied order still open.",
        labels=["state"],
    )
    for state in LegState:
        legs, attention, age = rows.get(state.value, (0, 0, 0))
        count.add_metric([state.value], legs)
        stuck.add_metric([state.value], attention)
        if state in _OPEN:
            oldest.add_metric([state.value], float(age))
    yield from (count, stuck, oldest)


def _delays() -> GaugeMetricFamily:
    with connection.cursor() as cursor:
        cursor.execute(_DELAYS, [RECENT_SECONDS])
        accepted, quantiles = cursor.fetchone()
    delay = GaugeMetricFamily(
        "agora_copy_delay_seconds",
        "From a signal to its copies accepted at the exchange, signals of the last hour.",
        labels=["quantile"],
    )
    if accepted:
        for name, value in zip(("0.5", "0.95"), quantiles, strict=True):
            delay.add_metric([name], float(value))
    return delay


def _held_back() -> Iterator[GaugeMetricFamily]:
    states = ExchangeAccount.objects.aggregate(
        paused=Count("pk", filter=Q(state=AccountState.PAUSED)),
        resting=Count("pk", filter=Q(state=AccountState.ACTIVE, blocked_until__isnull=False)),
    )
    accounts = GaugeMetricFamily(
        "agora_exchange_accounts",
        "Exchange accounts that are paused, or rested after failures.",
        labels=["state"],
    )
    accounts.add_metric(["paused"], states["paused"])
    accounts.add_metric(["resting"], states["resting"])
    switches = GaugeMetricFamily("agora_kill_switches", "Kill switches that are engaged.")
    switches.add_metric([], KillSwitch.objects.filter(released_at=None).count())
    yield from (accounts, switches)
