"""Comparing an account's ledger with what the exchange says it holds (LED-1).

A difference is first looked for among trades that nobody has booked; what is left is shown, and a
person says what it was. Nothing is ever sold or guessed to make figures meet.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog
from django.db import transaction
from django.db.models import BigIntegerField, Max
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts import notices
from accounts.models import Notice, User
from agora.lib.money import plain
from agora.lib.outcome import OutsideError
from compliance import audit
from copytrade.exchange import runner, weights
from copytrade.exchange.credentials import credentials_of
from copytrade.exchange.types import Trade
from copytrade.ledger.booking import Booking, book, book_external, lock_accounts
from copytrade.ledger.booking import reverse as _reverse
from copytrade.models import (
    QUOTE,
    CopyOrder,
    ExchangeAccount,
    Fill,
    LedgerEntry,
    LedgerProof,
    MasterOrder,
    Strategy,
)
from copytrade.replication.asking import ask
from copytrade.selectors.proof import newest_rows, wallet_balances
from copytrade.states import AccountState, LegState, MasterOrderState

log = structlog.get_logger(__name__)

_ZERO = Decimal(0)
_TRIES = 4
_PAGE = 1000
_MARKETS_SECONDS = 15.0
ACTOR = audit.system("ledger")


class ProofRefused(Exception):
    """Why there is no comparison, or nothing is booked: `code` for programs, `message` for people."""

    def __init__(self, code: str, message: "str | Promise") -> None:
        super().__init__(code)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Proved:
    """A stored comparison; differences by asset (exchange − ledger), empty when all agree."""

    run: uuid.UUID
    assets: int
    booked: int
    differences: dict[str, Decimal]


def prove(*, account_id: uuid.UUID, now: datetime) -> Proved:
    """Compare an account's ledger with the exchange, book trades made by hand, store the outcome.

    Concludes only from figures between which nothing was booked, and on a difference only while no
    order of ours is on the wire. Its owner is told of a difference once a day. Outside of
    transactions. Raises ProofRefused (account_not_open, account_paused, busy, exchange_failed).
    """
    account = ExchangeAccount.objects.select_related("user").get(pk=account_id)
    if account.opened_at is None:
        raise ProofRefused("account_not_open", _("The ledger of this account is not open yet."))
    if account.state != AccountState.ACTIVE:
        raise ProofRefused("account_paused", _("The account is paused. Check its key first."))
    booked = 0
    try:
        for _try in range(_TRIES):
            figures = _compare(account)
            if figures is None:
                continue
            differing = {a for a, (ledger, exchange) in figures.items() if ledger != exchange}
            new = _book_missing(account, differing, now=now) if differing else 0
            if new is None:
                continue
            if not new:
                return _conclude(account, figures, booked=booked, now=now)
            booked += new
    except OutsideError as error:
        raise ProofRefused(
            "exchange_failed", _("The exchange could not be asked. It is tried again later.")
        ) from error
    raise ProofRefused(
        "busy", _("Orders of this account are on their way. It is compared again later.")
    )


Figures = dict[str, tuple[Decimal, Decimal]]


def _compare(account: ExchangeAccount) -> Figures | None:
    """Ledger and exchange by asset; None when something was booked between the two reads."""
    before = _newest_entry(account)
    ledger = wallet_balances(account.pk)
    balances = ask(
        runner.venue().balances(credentials_of(account)), weight=weights.BALANCES, urgent=False
    )
    if _newest_entry(account) != before or _on_the_wire(account):
        return None
    return {
        asset: (ledger.get(asset, _ZERO), balances[asset].total if asset in balances else _ZERO)
        for asset in sorted(ledger.keys() | balances.keys())
    }


def _newest_entry(account: ExchangeAccount) -> int | None:
    newest: int | None = LedgerEntry.objects.filter(account=account).aggregate(n=Max("pk"))["n"]
    return newest


def _on_the_wire(account: ExchangeAccount) -> bool:
    """Whether an order of ours may be at the exchange under an id that we do not know yet."""
    return (
        CopyOrder.objects.filter(account=account, state=LegState.SENDING).exists()
        or MasterOrder.objects.filter(
            account=account, state=MasterOrderState.PENDING, asked_at__isnull=False
        ).exists()
    )


def _book_missing(account: ExchangeAccount, assets: set[str], *, now: datetime) -> int | None:
    """Book trades made by hand that may explain the differences; how many.

    None: there are trades of orders of ours, or of a master's that the poll reads, still to be
    booked by whoever follows those orders.
    """
    strategy = Strategy.objects.filter(account=account).exclude(state="DELETED").first()
    unknown = [
        trade for symbol in _suspects(account, assets) for trade in _unbooked(account, symbol)
    ]
    # Asked after the trades were read: an order that is sent later cannot have any among them.
    if not unknown:
        return 0
    if _on_the_wire(account):
        return None
    if _has_ours(account, unknown):
        return None
    if strategy is not None and any(trade.symbol.endswith(f"/{QUOTE}") for trade in unknown):
        return None
    with transaction.atomic():
        # Nobody's: positions are kept in the quote asset, which these pairs are not traded in.
        count = book([Booking(account_id=account.pk, trade=t) for t in unknown], now=now)
        audit.record(
            actor=ACTOR,
            action="ledger.booked_external_trades",
            object_type="exchange_account",
            object_id=str(account.pk),
            evidence={"trades": [f"{t.symbol} {t.id}" for t in unknown[:100]], "count": count},
            now=now,
        )
    return count


def _has_ours(account: ExchangeAccount, trades: Sequence[Trade]) -> bool:
    """Whether a trade is of an order of ours; the exchange numbers orders for each pair apart."""
    orders = {(trade.symbol, trade.order_id) for trade in trades}
    ids = {order_id for _, order_id in orders}
    return any(
        orders.intersection(
            kind.objects.filter(account=account, exchange_order_id__in=ids).values_list(
                "symbol", "exchange_order_id"
            )
        )
        for kind in (CopyOrder, MasterOrder)
    )


def _suspects(account: ExchangeAccount, assets: set[str]) -> list[str]:
    """Pairs whose trades may have moved these assets."""
    markets = runner.run(runner.venue().markets(), timeout=_MARKETS_SECONDS)
    others = assets | {QUOTE}
    pairs = {f"{base}/{quote}" for base in assets for quote in others} & markets.keys()
    if pairs:
        return sorted(pairs)
    # Only the quote asset differs, or one that fees are paid in: any pair may be behind it.
    known = set(Fill.objects.filter(account=account).values_list("symbol", flat=True).distinct())
    for row in (
        Strategy.objects.filter(account=account),
        Strategy.objects.filter(subscriptions__account=account),
    ):
        known |= {symbol for symbols in row.values_list("symbols", flat=True) for symbol in symbols}
    return sorted(known & markets.keys())


def _unbooked(account: ExchangeAccount, symbol: str) -> list[Trade]:
    """Trades of a pair since the ledger was last found right that are in no fill."""
    assert account.opened_at is not None  # noqa: S101  # prove() saw to it
    since = _right_since(account) or account.opened_at
    fills = Fill.objects.filter(account=account, symbol=symbol)
    last = fills.filter(at__lt=since).aggregate(newest=Max(Cast("trade_id", BigIntegerField())))[
        "newest"
    ]
    found: list[Trade] = []
    first = 0 if last is None else last + 1
    while True:
        page = ask(
            runner.venue().trades(credentials_of(account), symbol=symbol, from_id=str(first)),
            weight=weights.TRADES,
            urgent=False,
        )
        found += [trade for trade in page if trade.at >= account.opened_at]
        if len(page) < _PAGE:
            break
        first = int(page[-1].id) + 1
    known = set(fills.filter(trade_id__in=[t.id for t in found]).values_list("trade_id", flat=True))
    return [trade for trade in found if trade.id not in known]


def _right_since(account: ExchangeAccount) -> datetime | None:
    """When the newest comparison was, if it found no difference."""
    rows = list(newest_rows(account.pk))
    return rows[0].at if rows and not any(row.difference for row in rows) else None


def _conclude(account: ExchangeAccount, figures: Figures, *, booked: int, now: datetime) -> Proved:
    run = uuid.uuid4()
    differences = {a: e - held for a, (held, e) in figures.items() if e != held}
    with transaction.atomic():
        LedgerProof.objects.bulk_create(
            LedgerProof(
                account=account,
                run=run,
                at=now,
                asset=asset,
                ledger=ledger,
                exchange=exchange,
                difference=exchange - ledger,
            )
            for asset, (ledger, exchange) in figures.items()
        )
        ExchangeAccount.objects.filter(pk=account.pk).update(proved_at=now)
        audit.record(
            actor=ACTOR,
            action="ledger.compared",
            object_type="exchange_account",
            object_id=str(account.pk),
            evidence={
                "run": str(run),
                "assets": len(figures),
                "booked": booked,
                "differences": {asset: plain(value) for asset, value in differences.items()},
            },
            now=now,
        )
        if differences:
            _tell(account, differences, now=now)
    if differences:
        log.error("ledger.difference", account_id=str(account.pk), assets=sorted(differences))
    return Proved(run, len(figures), booked, differences)


def _tell(account: ExchangeAccount, differences: dict[str, Decimal], *, now: datetime) -> None:
    notices.notify(
        user=account.user,
        kind="ledger-difference",
        subject=gettext_noop("Please check “%(account)s”"),
        body=gettext_noop(
            "Your exchange account “%(account)s” holds something else than your trades add up to: "
            "%(differences)s. If you made a deposit or a withdrawal, tell Agora on the page of the "
            "comparison. Agora changes nothing by itself."
        ),
        params={
            "account": account.label,
            "differences": ", ".join(f"{value:+f} {asset}" for asset, value in differences.items()),
        },
        url=reverse("copy-proof"),
        level=Notice.Level.WARNING,
        dedupe_key=f"ledger-difference:{account.pk}:{now.date()}",
        now=now,
    )


def book_difference(
    *,
    account_id: uuid.UUID,
    asset: str,
    note: str,
    by: User,
    now: datetime,
    run: uuid.UUID | None = None,
) -> LedgerEntry:
    """Book what the newest comparison left unexplained as a deposit or withdrawal, because a person
    says that it was one. With `run` only if that one is still the newest.

    By the account's owner, or an officer who may add ledger entries. Raises
    ExchangeAccount.DoesNotExist for strangers, ProofRefused (note_missing, no_difference, outdated:
    something was booked since, compare again). Locks the account's row until the commit.
    """
    note = " ".join(note.split())[:200]
    if not note:
        raise ProofRefused("note_missing", _("Say what it was, in a few words."))
    with transaction.atomic():
        account = _account(account_id, by=by)
        lock_accounts([account.pk])
        row = newest_rows(account.pk).filter(asset=asset).first()
        if row is None or not row.difference:
            raise ProofRefused("no_difference", _("There is no difference to book."))
        changed = wallet_balances(account.pk).get(asset, _ZERO) != row.ledger
        if changed or (run is not None and run != row.run):
            raise ProofRefused(
                "outdated", _("The ledger has changed since. Compare the account again first.")
            )
        entry = book_external(
            account=account, asset=asset, amount=row.difference, note=note, at=row.at, now=now
        )
        _record_entry("ledger.booked_difference", entry, by=by, now=now)
    return entry


def correct(*, entry_id: int, note: str, by: User, now: datetime) -> LedgerEntry:
    """Take back an entry that a person booked, by its opposite; the wrong row stays.

    Trades are not taken back: they are what the exchange says. Raises LedgerEntry.DoesNotExist for
    strangers, ProofRefused (note_missing, not_correctable).
    """
    note = " ".join(note.split())[:200]
    if not note:
        raise ProofRefused("note_missing", _("Say what it was, in a few words."))
    with transaction.atomic():
        entry = LedgerEntry.objects.select_related("account").get(pk=entry_id)
        if entry.account.user_id != by.pk and not _is_officer(by):
            raise LedgerEntry.DoesNotExist
        lock_accounts([entry.account_id])
        taken_back = LedgerEntry.objects.filter(reverses=entry).exists()
        if entry.kind != LedgerEntry.Kind.EXTERNAL or taken_back:
            raise ProofRefused("not_correctable", _("This entry cannot be taken back."))
        opposite = _reverse(entry=entry, note=note, now=now)
        _record_entry("ledger.reversed", opposite, by=by, now=now)
    return opposite


def _account(account_id: uuid.UUID, *, by: User) -> ExchangeAccount:
    account = ExchangeAccount.objects.get(pk=account_id)
    if account.user_id != by.pk and not _is_officer(by):
        raise ExchangeAccount.DoesNotExist
    return account


def _is_officer(by: User) -> bool:
    return by.has_perm("copytrade.add_ledgerentry")


def _record_entry(action: str, entry: LedgerEntry, *, by: User, now: datetime) -> None:
    audit.record(
        actor=audit.actor_of(by),
        action=action,
        object_type="exchange_account",
        object_id=str(entry.account_id),
        evidence={
            "entry": entry.pk,
            "asset": entry.asset,
            "amount": plain(entry.amount),
            "to": entry.debit,
            "from": entry.credit,
        },
        now=now,
    )
