"""Masters, followers, strategies and subscriptions for tests of copy trading: rows, quickly made.

Without a `control` an account's key is random and known to no exchange; with one, the account is in
the exchange sandbox and its `label` names it in the books there.
"""

import itertools
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import F
from django.utils import timezone

from accounts.models import User
from agora.lib import crypto
from copytrade.ledger import booking
from copytrade.models import (
    CopyPosition,
    ExchangeAccount,
    MarkPrice,
    MasterPosition,
    Strategy,
    Subscription,
)
from tests.people import new_user

if TYPE_CHECKING:
    from agora.sandbox.client import SandboxControl

_numbers = itertools.count(1)
BALANCES = {"USDT": "10000"}
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")


@dataclass(frozen=True)
class Trader:
    """A person with an exchange account, and the key of it in clear."""

    user: User
    account: ExchangeAccount
    label: str
    api_key: str
    secret: str


def new_key() -> tuple[str, str]:
    """An API key and its secret, in the form of Binance's, that no exchange knows."""
    return secrets.token_hex(32), secrets.token_hex(32)


def new_account(
    *, user: User, key: tuple[str, str] | None = None, now: datetime | None = None, **changes: Any
) -> ExchangeAccount:
    """An exchange account whose key passed every check; its next daily check is not due."""
    api_key, secret = key or new_key()
    at = now or timezone.now()
    values: dict[str, Any] = {
        "user": user,
        "exchange": "binance",
        "label": f"Account {next(_numbers)}",
        "key_index": crypto.blind_index(api_key, purpose="exchange_key").hex(),
        "key_hint": api_key[-4:],
        "can_withdraw": False,
        "ip_restricted": True,
        "checked_at": at,
        "opened_at": at,
        "created_at": at,
    }
    account = ExchangeAccount(**{**values, **changes})
    account.api_key_encrypted = account.seal(column="api_key", text=api_key)
    account.secret_encrypted = account.seal(column="secret", text=secret)
    account.save(force_insert=True)
    return account


def sandbox_key(
    control: "SandboxControl", *, balances: Mapping[str, str] = BALANCES, **rights: Any
) -> tuple[str, tuple[str, str]]:
    """Label, and key with secret, of a new account in the exchange sandbox."""
    label = f"trader-{secrets.token_hex(6)}"
    made = control.binance.account(label, balances=dict(balances), **rights)
    return label, (made["api_key"], made["secret_key"])


def new_master(
    *,
    user: User | None = None,
    control: "SandboxControl | None" = None,
    balances: Mapping[str, str] = BALANCES,
) -> Trader:
    """Somebody with an exchange account; its ledger opens with what the sandbox gives it."""
    label, key = sandbox_key(control, balances=balances) if control else ("", new_key())
    account = new_account(user=user or new_user(), key=key)
    held = {asset: Decimal(units) for asset, units in balances.items()}
    booking.open_books(account=account, balances=held, now=account.created_at)
    return Trader(account.user, account, label, *key)


new_follower = new_master


def new_strategy(
    *,
    master: Trader | None = None,
    symbols: Sequence[str] = SYMBOLS,
    now: datetime | None = None,
    **changes: Any,
) -> Strategy:
    """A public, active strategy whose account is not polled."""
    trader, number, at = master or new_master(), next(_numbers), now or timezone.now()
    values: dict[str, Any] = {
        "master": trader.user,
        "account": trader.account,
        "exchange": "binance",
        "name": f"Strategy {number}",
        "symbols": list(symbols),
        "style": Strategy.Style.SWING,
        "invite_code": secrets.token_hex(12),
        "created_at": at,
        "updated_at": at,
    }
    return Strategy.objects.create(**{**values, **changes})


def new_subscription(
    *,
    strategy: Strategy | None = None,
    follower: Trader | None = None,
    now: datetime | None = None,
    **changes: Any,
) -> Subscription:
    """An active subscription, 1,000 USDT in proportion to equity; counted among the copiers."""
    strategy, trader = strategy or new_strategy(), follower or new_follower()
    at = now or timezone.now()
    values: dict[str, Any] = {
        "strategy": strategy,
        "follower": trader.user,
        "account": trader.account,
        "sizing": Subscription.Sizing.PROPORTIONAL,
        "factor": Decimal(1),
        "allocated": Decimal(1000),
        "symbols": list(strategy.symbols),
        "created_at": at,
        "updated_at": at,
    }
    made = Subscription.objects.create(**{**values, **changes})
    Strategy.objects.filter(pk=strategy.pk).update(copiers=F("copiers") + 1)
    return made


def hold(
    holder: Subscription | Strategy,
    *,
    symbol: str = "BTC/USDT",
    quantity: str = "0.01",
    price: str = "50000",
) -> CopyPosition | MasterPosition:
    """Let a subscription or a strategy hold some of a pair, bought at `price`; books no trade."""
    values = {
        "symbol": symbol,
        "quantity": Decimal(quantity),
        "cost": Decimal(quantity) * Decimal(price),
        "updated_at": timezone.now(),
    }
    if isinstance(holder, Strategy):
        return MasterPosition.objects.create(strategy=holder, **values)
    return CopyPosition.objects.create(subscription=holder, **values)


def mark(symbol: str = "BTC/USDT", price: str = "50000", *, at: datetime | None = None) -> None:
    """Set the newest known price of a pair."""
    MarkPrice.objects.update_or_create(
        exchange="binance",
        symbol=symbol,
        defaults={"price": Decimal(price), "at": at or timezone.now()},
    )
