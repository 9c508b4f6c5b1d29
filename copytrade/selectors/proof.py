"""What the ledger says an account holds, and how its last comparison with the exchange came out."""

import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db.models import Case, F, QuerySet, Sum, Value, When

from accounts.models import User
from copytrade.models import ExchangeAccount, LedgerEntry, LedgerProof

_ZERO = Decimal(0)
Book = LedgerEntry.Book
# What an entry does to the exchange balance: a movement between two other books does nothing.
IN_WALLET = Case(
    When(debit=Book.WALLET, then=F("amount")),
    When(credit=Book.WALLET, then=-F("amount")),
    default=Value(_ZERO),
)


def wallet_balances(account_id: uuid.UUID) -> dict[str, Decimal]:
    """Units of every asset that the account holds by its ledger; without those it has none of."""
    sums = (
        LedgerEntry.objects.filter(account=account_id)
        .order_by()
        .values("asset")
        .annotate(held=Sum(IN_WALLET))
        .values_list("asset", "held")
    )
    return {asset: held for asset, held in sums if held}


@dataclass(frozen=True)
class Compared:
    """One asset of the newest comparison; `unexplained` is what nobody has booked since."""

    asset: str
    ledger: Decimal
    exchange: Decimal
    difference: Decimal
    unexplained: Decimal


@dataclass(frozen=True)
class AccountProof:
    """The newest comparison of an account; `at` None: there was none yet."""

    account: ExchangeAccount
    at: datetime | None
    rows: list[Compared] = field(default_factory=list)

    @property
    def differences(self) -> list[Compared]:
        return [row for row in self.rows if row.unexplained]


def proofs_of(*, user: User) -> list[AccountProof]:
    """The newest comparison of each of the user's accounts in use."""
    accounts = ExchangeAccount.objects.filter(user=user).exclude(state="REMOVED")
    return [proof_of(account) for account in accounts.order_by("label", "id")]


def proof_of(account: ExchangeAccount) -> AccountProof:
    """The newest comparison of an account."""
    rows = list(newest_rows(account.pk))
    if not rows:
        return AccountProof(account, account.proved_at)
    booked = _booked_since(account.pk, rows[0].at)
    return AccountProof(
        account,
        rows[0].at,
        [
            Compared(r.asset, r.ledger, r.exchange, r.difference, r.difference - booked[r.asset])
            for r in rows
        ],
    )


def newest_rows(account_id: uuid.UUID) -> QuerySet[LedgerProof]:
    """Rows of the newest comparison, one an asset."""
    newest = LedgerProof.objects.filter(account=account_id).order_by("-at", "-id").values("run")[:1]
    return LedgerProof.objects.filter(account=account_id, run__in=newest).order_by("asset")


def _booked_since(account_id: uuid.UUID, since: datetime) -> dict[str, Decimal]:
    """What people have booked by hand since then, by asset."""
    found: dict[str, Decimal] = defaultdict(lambda: _ZERO)
    by_hand = LedgerEntry.objects.filter(
        account=account_id, fill__isnull=True, booked_at__gt=since
    ).exclude(kind=LedgerEntry.Kind.OPENING)
    sums = by_hand.order_by().values("asset").annotate(sum=Sum(IN_WALLET))
    found.update(sums.values_list("asset", "sum"))
    return found
