"""P12: what the exact daily limit costs the transaction of a placement, and that it is exact.

pgbench runs that transaction, from the statements of a real one, with and without the one that
reserves: this is what 200 people's rows, locks and commits cost the database; what Python adds is
in `order_place`. Then eight threads of Agora itself fight for one person's limit.
"""

from decimal import Decimal

from django.utils import timezone

from accounts.models import User
from agora.lib.money import up_to_cents
from bench import measure, pgbench, placing
from bench.measure import Line
from bench.people import Person
from bench.stand import Stand
from bench.threads import at_once
from kyc.models import DailyLimit
from trading.services import OrderRefused, place_order

GOAL = 0.8
SECONDS = 2
THREADS = 8
_TRIES = 6  # of each thread
_LIMIT_USD = Decimal("100.00")


def run(stand: Stand) -> Line:
    """Transactions per second with the reservation against the same without it."""
    statements, key = placing.traced(stand.people[0])
    transaction = statements[statements.index("BEGIN") :]
    without = [each for each in transaction if "kyc_dailylimit" not in each]
    assert len(without) == len(transaction) - 1
    with_limit, floor = (
        pgbench.PgBench(
            pgbench.script(kept, person=stand.people[0].number, people=len(stand.people), key=key),
            folder=stand.folder,
            url=stand.env["DATABASE_URL"],
        )
        for kept in (transaction, without)
    )
    pair = measure.alternate(
        subject=lambda: with_limit.rate(seconds=SECONDS), floor=lambda: floor.rate(seconds=SECONDS)
    )
    accepted, used, worst = _fight(stand.people[1])
    return measure.paired(
        "limit_check",
        pair,
        goal=GOAL,
        sound=used == accepted * worst and accepted == _LIMIT_USD // worst,
        people=len(stand.people),
        limit_usd=str(_LIMIT_USD),
        used_usd=str(used),
        accepted=accepted,
        refused=THREADS * _TRIES - accepted,
    )


def _fight(person: Person) -> tuple[int, Decimal, Decimal]:
    """Threads that all buy for one person: orders accepted, USD used, USD of each."""
    user = User.objects.select_related("kyc_application", "wallet").get(pk=person.id)
    limit = DailyLimit.objects.filter(application=user.kyc_application)
    limit.update(limit_usd=_LIMIT_USD, used_usd=0)
    at, quantity = placing.quote(), placing.QUANTITY * 5

    def buy() -> int:
        accepted = 0
        for _try in range(_TRIES):
            try:
                place_order(
                    user=user,
                    quantity=quantity,
                    quote=at,
                    source="command",
                    placement_key=None,
                    now=timezone.now(),
                )
                accepted += 1
            except OrderRefused as refusal:
                if refusal.code != "limit_exceeded":
                    raise
        return accepted

    accepted = sum(at_once(THREADS, buy))
    return accepted, limit.get().used_usd, up_to_cents(quantity * at.limit_price)
