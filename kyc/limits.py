"""The daily limit: reserved by one conditional UPDATE, settled to the real fill, released (RAT-002).

Exact under any number of concurrent orders: the database decides in one statement whether the
reservation still fits. Reading first and writing then would let through what does not.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.db import connection
from django.db.models import DecimalField, F, Value
from django.db.models.functions import Greatest

from accounts.models import User
from accounts.wallets import STANDING
from kyc.holds import HOLDING
from kyc.models import ZONES, Application, DailyLimit, Tier

_USD = DecimalField(max_digits=12, decimal_places=2)


@dataclass(frozen=True)
class LimitStatus:
    """A person's limit today, in USD; `resets_at` is midnight in `zone`."""

    limit_usd: Decimal
    used_usd: Decimal
    resets_at: datetime
    zone: str

    @property
    def left_usd(self) -> Decimal:
        return max(self.limit_usd - self.used_usd, Decimal(0))


def local_day(*, country: str, now: datetime) -> date:
    """The calendar day in the person's country."""
    return now.astimezone(ZONES[country]).date()


def limit_status(*, user: User, now: datetime) -> LimitStatus | None:
    """The person's limit now; None before onboarding."""
    limit = DailyLimit.objects.select_related("application").filter(application__user=user).first()
    if limit is None:
        return None
    zone = ZONES[limit.application.country]
    today = now.astimezone(zone).date()
    midnight = datetime.combine(today + timedelta(days=1), time(), tzinfo=zone)
    return LimitStatus(
        limit_usd=limit.limit_usd,
        used_usd=limit.used_usd if limit.day == today else Decimal("0.00"),
        resets_at=midnight,
        zone=str(zone),
    )


def limit_of_tier(number: int) -> Decimal:
    """A tier's limit in USD, which nobody changes before the transaction ends.

    Who is given it meanwhile would otherwise keep it when two people lower it at the same moment.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT daily_limit_usd FROM {Tier._meta.db_table} WHERE number = %s FOR SHARE",  # noqa: S608
            [number],
        )
        (limit,) = cursor.fetchone()
    return Decimal(limit)


# Written out, because building it anew for each order costs the ORM more than running it. A counter
# that already stands on a later day is never turned back by a slow clock. A hold is looked at here
# because it costs no trip of its own.
_RESERVE = f"""
    UPDATE {DailyLimit._meta.db_table}
    SET used_usd = CASE WHEN day = %(today)s THEN used_usd ELSE 0 END + %(amount)s, day = %(today)s
    WHERE application_id = %(application)s AND day <= %(today)s
        AND CASE WHEN day = %(today)s THEN used_usd ELSE 0 END + %(amount)s <= limit_usd
        AND NOT EXISTS ({HOLDING})"""  # noqa: S608  (the table's name is ours)


_RESERVE_FOR_WALLET = f"{_RESERVE} AND EXISTS ({STANDING})"


def reserve(
    *, application: Application, amount_usd: Decimal, now: datetime, wallet: str | None = None
) -> date | None:
    """Take `amount_usd` from today's limit; the day it counts for, or None when it does not fit.

    None, too, for somebody whose buying is on hold (kyc.holds), and when the address `wallet` is not
    theirs any more or is disputed; it cannot become so before the transaction ends.

    Call it inside the transaction that stores the order: the row stays locked until its end.
    """
    today = local_day(country=application.country, now=now)
    with connection.cursor() as cursor:
        cursor.execute(
            _RESERVE if wallet is None else _RESERVE_FOR_WALLET,
            {
                "application": application.pk,
                "today": today,
                "amount": amount_usd,
                "user": application.user_id,
                "wallet": wallet,
            },
        )
        return today if cursor.rowcount == 1 else None


def hold(*, user: User) -> None:
    """Lock the person's counter until the transaction ends."""
    limit = DailyLimit.objects.select_for_update(no_key=True, of=("self",))
    limit.filter(application__user=user).first()


def settle(*, user: User, day: date, reserved: Decimal, spent: Decimal) -> None:
    """Replace a reservation by what was really spent (0: release all of it).

    Only the day it was taken from is touched: once the counter has moved on, nothing is owed to it.
    """
    DailyLimit.objects.filter(application__user=user, day=day).update(
        used_usd=Greatest(F("used_usd") - reserved + spent, Value(Decimal(0)), output_field=_USD)
    )
