"""What a master does with a strategy: publish, change, pause, resume, delete (MKT-2).

Every service takes the strategy's row lock first, so that changes come one after the other, and
raises Strategy.DoesNotExist for anybody but the master: a stranger learns nothing.
"""

import re
import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agora.lib import work
from agora.lib.money import plain
from agora.lib.outcome import OutsideError
from compliance import audit
from copytrade.exchange import runner
from copytrade.ledger import booking, records
from copytrade.models import QUOTE, ExchangeAccount, Strategy, Subscription, TrackRecord
from copytrade.replication import stopping
from copytrade.services import strategy_news as news
from copytrade.states import STRATEGY_MOVES, AccountState, StrategyState, SubscriptionState

WIND_DOWN_TASK = "copytrade.tasks.strategies.wind_down"
NAME_LENGTH, DESCRIPTION_LENGTH = 60, 2000
MOST_SYMBOLS, MOST_FOLLOWERS = 50, 10_000
MOST_MIN_EQUITY = Decimal(1_000_000_000)
_MARKETS_SECONDS = 5.0
_SYMBOL = re.compile(rf"[A-Z0-9]{{1,12}}/{QUOTE}")
# Control characters, halves of surrogate pairs, and what turns or hides text.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)


class StrategyRefused(Exception):
    """Refused, and nothing is stored; `field` names what to correct, `message` says how."""

    def __init__(self, code: str, message: "str | Promise", *, field: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.field = field


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a master says about a strategy; `min_equity` is in the quote asset."""

    name: str
    description: str
    symbols: Sequence[str]
    style: str
    copy_on: str
    min_equity: Decimal
    max_followers: int
    is_public: bool


_FIELDS = tuple(field.name for field in fields(Terms))
# What changes how a follower's money is traded; they are told of it.
_TOLD = ("symbols", "copy_on", "min_equity")


def create_strategy(
    *, master: User, account_id: uuid.UUID, terms: Terms, now: datetime
) -> Strategy:
    """Publish a strategy on one of the master's exchange accounts; polled from now on.

    Locks the account's row until the commit. Raises StrategyRefused (account_unknown,
    account_not_active, account_taken, name_taken, and a code for each malformed field).
    """
    clean = _checked(terms)
    _refuse_untraded(clean.symbols)
    try:
        with transaction.atomic():
            account = _account(master, account_id)
            strategy = Strategy.objects.create(
                master=master,
                account=account,
                exchange=account.exchange,
                invite_code=secrets.token_urlsafe(16),
                next_attempt_at=now,
                created_at=now,
                updated_at=now,
                **{name: getattr(clean, name) for name in _FIELDS},
            )
            TrackRecord.objects.bulk_create(
                TrackRecord(
                    strategy=strategy, period=p, roi=0, pnl=0, max_drawdown=0, computed_at=now
                )
                for p in TrackRecord.Period
            )
            booking.open_positions(strategy=strategy, now=now)
            _record(strategy, action="strategy.created", by=master, now=now)
            work.nudge_after_commit(records.REFRESH_TASK, pk=strategy.pk)
    except IntegrityError as error:
        raise _conflict(error) from error
    return strategy


def update_strategy(
    *, master: User, strategy_id: uuid.UUID, changes: Mapping[str, Any], now: datetime
) -> Strategy:
    """Change some of the terms (names as in Terms); followers are told of what concerns them.

    Raises Strategy.DoesNotExist, and StrategyRefused (strategy_deleted, below_followers, name_taken, and a
    code for each malformed field). The same again changes nothing.
    """
    if "symbols" in changes:  # asked before the row is locked; pairs that it has may stay
        own = Strategy.objects.filter(pk=strategy_id, master=master)
        has = own.values_list("symbols", flat=True).first() or ()
        _refuse_untraded(set(_symbols(changes["symbols"])).difference(has))
    try:
        with transaction.atomic():
            strategy = _locked(master, strategy_id)
            _refuse_deleted(strategy)
            before = Terms(**{name: getattr(strategy, name) for name in _FIELDS})
            wanted = {name: getattr(before, name) for name in _FIELDS} | dict(changes)
            after = _checked(Terms(**wanted))
            changed = [n for n in _FIELDS if getattr(after, n) != getattr(before, n)]
            if not changed:
                return strategy
            if after.max_followers < strategy.copiers:
                raise StrategyRefused(
                    "below_followers",
                    _("It has %(count)s followers already; the limit cannot be lower than that.")
                    % {"count": strategy.copiers},
                    field="max_followers",
                )
            for name in changed:
                setattr(strategy, name, getattr(after, name))
            strategy.updated_at = now
            strategy.save(update_fields=[*changed, "updated_at"])
            evidence = {n: [_told(getattr(before, n)), _told(getattr(after, n))] for n in changed}
            _record(strategy, action="strategy.changed", by=master, now=now, changes=evidence)
            if set(changed) & set(_TOLD):
                news.tell_changed(strategy, now=now)
    except IntegrityError as error:
        raise _conflict(error) from error
    return strategy


def pause_strategy(*, master: User, strategy_id: uuid.UUID, now: datetime) -> Strategy:
    """Stop opening: no new followers, and only closes are copied. A repeat changes nothing."""
    return _move(master, strategy_id, StrategyState.PAUSED, action="strategy.paused", now=now)


def resume_strategy(*, master: User, strategy_id: uuid.UUID, now: datetime) -> Strategy:
    """Go on after a pause; needs the exchange account in use. A repeat changes nothing."""
    return _move(master, strategy_id, StrategyState.ACTIVE, action="strategy.resumed", now=now)


def _move(
    master: User, strategy_id: uuid.UUID, state: StrategyState, *, action: str, now: datetime
) -> Strategy:
    with transaction.atomic():
        strategy = _locked(master, strategy_id)
        if strategy.state == state:
            return strategy
        _refuse_deleted(strategy)
        if state == StrategyState.ACTIVE and strategy.account.state != AccountState.ACTIVE:
            raise _account_not_active()
        _set_state(strategy, state, now=now, next_attempt_at=now)
        _record(strategy, action=action, by=master, now=now)
        news.tell_moved(strategy, now=now)
    return strategy


def delete_strategy(*, master: User, strategy_id: uuid.UUID, now: datetime) -> Strategy:
    """End a strategy for good. Its history stays; a repeat changes nothing.

    With followers it winds down: nobody can subscribe any more, followers are told, and a task
    stops each subscription by its own choice (`wind_down`). Raises Strategy.DoesNotExist.
    """
    with transaction.atomic():
        strategy = _locked(master, strategy_id)
        if strategy.state == StrategyState.DELETED:
            return strategy
        _set_state(strategy, StrategyState.DELETED, now=now, next_attempt_at=None)
        _record(strategy, action="strategy.deleted", by=master, now=now, copiers=strategy.copiers)
        news.tell_moved(strategy, now=now)
        work.nudge_after_commit(WIND_DOWN_TASK, pk=strategy.pk)
    return strategy


def wind_down(*, strategy_id: uuid.UUID, limit: int, now: datetime) -> int:
    """Begin to stop up to `limit` subscriptions that still copy a deleted strategy; how many.

    Each in a transaction of its own, so that thousands of followers take no lock for long, and a
    worker that dies loses nothing: what still runs is found again.
    """
    left = still_copied().filter(strategy=strategy_id).select_related("strategy__master")
    found = list(left.order_by("pk")[:limit])
    for subscription in found:
        stopping.begin_stop(
            subscription=subscription,
            reason="strategy_deleted",
            actor=audit.actor_of(subscription.strategy.master),
            now=now,
        )
    return len(found)


def still_copied() -> QuerySet[Subscription]:
    """Subscriptions to deleted strategies that have not begun to stop."""
    ended = (SubscriptionState.STOPPING, SubscriptionState.STOPPED)
    deleted = Subscription.objects.filter(strategy__state=StrategyState.DELETED)
    return deleted.exclude(state__in=ended)


def _set_state(
    strategy: Strategy, state: StrategyState, *, now: datetime, next_attempt_at: datetime | None
) -> None:
    STRATEGY_MOVES.check(strategy.state, state)
    strategy.state, strategy.updated_at = state, now
    strategy.next_attempt_at = next_attempt_at
    strategy.save(update_fields=["state", "updated_at", "next_attempt_at"])


def _locked(master: User, strategy_id: uuid.UUID) -> Strategy:
    own = Strategy.objects.select_for_update(of=("self",), no_key=True).select_related("account")
    return own.get(pk=strategy_id, master=master)


def _refuse_deleted(strategy: Strategy) -> None:
    if strategy.state == StrategyState.DELETED:
        raise StrategyRefused("strategy_deleted", _("The strategy was deleted; publish a new one."))


def _account(master: User, account_id: uuid.UUID) -> ExchangeAccount:
    own = ExchangeAccount.objects.select_for_update(no_key=True)
    account = own.filter(pk=account_id, user=master).first()
    if account is None or account.state == AccountState.REMOVED:
        raise StrategyRefused(
            "account_unknown", _("Choose one of your exchange accounts."), field="account"
        )
    if account.state != AccountState.ACTIVE:
        raise _account_not_active()
    if account.subscriptions.exclude(state=SubscriptionState.STOPPED).exists():
        raise StrategyRefused(
            "account_copies",
            _("You copy somebody with this account. Use another one, or stop copying first."),
            field="account",
        )
    return account


def _account_not_active() -> StrategyRefused:
    return StrategyRefused(
        "account_not_active",
        _("This exchange account is paused. Check its key first."),
        field="account",
    )


def _conflict(error: IntegrityError) -> Exception:
    text = str(error)
    if "copytrade_strategy_name" in text:
        return StrategyRefused(
            "name_taken", _("You have a strategy of this name. Choose another."), field="name"
        )
    if "copytrade_strategy_of_account" in text:
        return StrategyRefused(
            "account_taken",
            _("This exchange account has a strategy. Use another account, or delete that one."),
            field="account",
        )
    return error


def _checked(terms: Terms) -> Terms:
    """The terms tidied up; raises StrategyRefused for the first that is not usable."""
    name = " ".join(_text(terms.name, field="name").split())
    if not name or len(name) > NAME_LENGTH:
        raise StrategyRefused(
            "name_invalid", _("Give it a name of 1 to 60 characters."), field="name"
        )
    description = _text(terms.description, field="description").strip()
    if len(description) > DESCRIPTION_LENGTH:
        raise StrategyRefused(
            "description_invalid",
            _("Shorten the description to 2,000 characters."),
            field="description",
        )
    if terms.style not in Strategy.Style.values:
        raise StrategyRefused("style_invalid", _("Choose one of the styles."), field="style")
    if terms.copy_on not in Strategy.CopyOn.values:
        raise StrategyRefused("copy_on_invalid", _("Choose when to copy."), field="copy_on")
    _check_figures(terms)
    return Terms(
        name=name,
        description=description,
        symbols=_symbols(terms.symbols),
        style=terms.style,
        copy_on=terms.copy_on,
        min_equity=terms.min_equity,
        max_followers=terms.max_followers,
        is_public=terms.is_public,
    )


def _text(value: str, *, field: str) -> str:
    text = value.replace("\r\n", "\n")
    if _UNSEEN.search(text):
        raise StrategyRefused(
            f"{field}_invalid", _("Remove characters that cannot be seen."), field=field
        )
    return text


def _symbols(given: Sequence[str]) -> list[str]:
    found = list(dict.fromkeys(symbol.strip().upper() for symbol in given if symbol.strip()))
    if not found or len(found) > MOST_SYMBOLS:
        raise StrategyRefused(
            "symbols_invalid", _("Name 1 to 50 pairs, such as BTC/USDT."), field="symbols"
        )
    for symbol in found:
        if not _SYMBOL.fullmatch(symbol) or symbol == f"{QUOTE}/{QUOTE}":
            raise StrategyRefused(
                "symbols_invalid",
                _("“%(symbol)s” is not a pair in USDT, such as BTC/USDT.")
                % {"symbol": symbol[:20]},
                field="symbols",
            )
    return found


def _refuse_untraded(symbols: Iterable[str]) -> None:
    """Refuse pairs that the exchange does not have: a misspelt one would never be copied.

    While the exchange does not answer, the shape of the names is all that is checked.
    """
    wanted = sorted(symbols)
    if not wanted:
        return
    try:
        markets = runner.run(runner.venue().markets(), timeout=_MARKETS_SECONDS)
    except OutsideError:
        return
    unknown = [symbol for symbol in wanted if symbol not in markets]
    if unknown:
        raise StrategyRefused(
            "symbols_invalid",
            _("The exchange does not have %(pairs)s.") % {"pairs": ", ".join(unknown)[:80]},
            field="symbols",
        )


def _check_figures(terms: Terms) -> None:
    equity = terms.min_equity
    if not equity.is_finite() or not 0 <= equity <= MOST_MIN_EQUITY:
        raise StrategyRefused(
            "min_equity_invalid",
            _("The smallest allocation must be 0 or more USDT."),
            field="min_equity",
        )
    if equity != round(equity, 8):
        raise StrategyRefused(
            "min_equity_invalid", _("Give it with at most 8 decimals."), field="min_equity"
        )
    if not 1 <= terms.max_followers <= MOST_FOLLOWERS:
        raise StrategyRefused(
            "max_followers_invalid",
            _("The limit of followers must be from 1 to 10,000."),
            field="max_followers",
        )


def _told(value: object) -> object:
    return plain(value) if isinstance(value, Decimal) else value


def _record(
    strategy: Strategy, *, action: str, by: User, now: datetime, **evidence: object
) -> None:
    terms = {name: _told(getattr(strategy, name)) for name in _FIELDS if name != "description"}
    audit.record(
        actor=audit.actor_of(by),
        action=action,
        object_type="strategy",
        object_id=str(strategy.pk),
        evidence={
            "state": strategy.state,
            "account": str(strategy.account_id),
            **terms,
            **evidence,
        },
        now=now,
    )
