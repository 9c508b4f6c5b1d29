"""Masters, followers, strategies and subscriptions for tests of copy trading: rows, quickly made."""

import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import F
from django.utils import timezone

from accounts.models import User
from agora.lib import crypto
from copytrade.models import (
    CopyPosition,
    ExchangeAccount,
    MarkPrice,
    MasterPosition,
    Strategy,
    Subscription,
)
from tests.people import new_user

_numbers = itertools.count(1)
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")


@dataclass(frozen=True)
class Trader:
    """A person with an exchange account, and the key of it in clear."""

    user: User
    account: ExchangeAccount
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


def new_master(*, user: User | None = None) -> Trader:
    """Somebody with an exchange account to publish."""
    person, key = user or new_user(), new_key()
    return Trader(person, new_account(user=person, key=key), *key)


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
