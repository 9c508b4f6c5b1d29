"""A strategy with many followers, each with an account of its own in the exchange sandbox."""

import hashlib
import hmac
import time
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from agora.lib import crypto
from agora.sandbox.client import SandboxControl
from copytrade.models import (
    CopyOrder,
    ExchangeAccount,
    MarkPrice,
    MasterOrder,
    Signal,
    Strategy,
    Subscription,
)
from copytrade.replication.publish import publish

SYMBOL, MARKET = "BTC/USDT", "BTCUSDT"
PRICE = Decimal(50_000)
# Each copy buys 20 USDT worth; capital and balance never run out.
_QUANTITY = Decimal("0.0004")
_CAPITAL = Decimal(10_000_000)
NO_LIMIT = 1_000_000_000


@dataclass(frozen=True)
class Crowd:
    """A master's strategy and its followers, with their keys in the sandbox."""

    strategy: Strategy
    keys: list[dict[str, Any]]


def make(*, control: SandboxControl, followers: int, label: str) -> Crowd:
    """Followers that copy the master's own quantity; the exchange's limits are out of the way."""
    control.binance.venue(prices={MARKET: str(PRICE)}, latency_ms=0, **_NO_LIMITS)
    keys = control.binance.accounts(
        label, count=followers + 1, balances={"USDT": str(_CAPITAL), "BTC": "1000"}
    )
    now = timezone.now()
    users = User.objects.bulk_create(
        User(email=f"{key['label']}@bench.example", password="!") for key in keys
    )
    accounts = ExchangeAccount.objects.bulk_create(
        _account(user, key) for user, key in zip(users, keys, strict=True)
    )
    strategy = Strategy.objects.create(
        master=users[0],
        account=accounts[0],
        exchange="binance",
        name=label,
        symbols=[SYMBOL],
        style=Strategy.Style.DAY,
        max_followers=followers,
        copiers=followers,
        invite_code=uuid.uuid4().hex[:24],
        created_at=now,
        updated_at=now,
    )
    Subscription.objects.bulk_create(
        Subscription(
            follower=user,
            strategy=strategy,
            account=account,
            sizing=Subscription.Sizing.MULTIPLIER,
            factor=1,
            allocated=_CAPITAL,
            created_at=now,
            updated_at=now,
        )
        for user, account in zip(users[1:], accounts[1:], strict=True)
    )
    return Crowd(strategy, keys[1:])


_NO_LIMITS = {"weight_limit": NO_LIMIT, "orders_10s": NO_LIMIT, "orders_1d": NO_LIMIT}


def _account(user: User, key: dict[str, Any]) -> ExchangeAccount:
    account = ExchangeAccount(
        user=user,
        exchange="binance",
        label=key["label"],
        key_index=crypto.blind_index(key["api_key"], purpose="exchange_key").hex(),
        key_hint=key["api_key"][-4:],
        can_withdraw=False,
        created_at=timezone.now(),
    )
    account.api_key_encrypted = account.seal(column="api_key", text=key["api_key"])
    account.secret_encrypted = account.seal(column="secret", text=key["secret_key"])
    return account


def publish_open(strategy: Strategy) -> tuple[Signal, float]:
    """Commit one signal of the master's; it, and the Unix time just after the commit."""
    now = timezone.now()
    MarkPrice.objects.update_or_create(
        exchange="binance", symbol=SYMBOL, defaults={"price": PRICE, "at": now}
    )
    order = MasterOrder.objects.create(
        strategy=strategy,
        account=strategy.account,
        source=MasterOrder.Source.API,
        client_order_id=f"m{uuid.uuid4().hex[:26]}",
        symbol=SYMBOL,
        side="BUY",
        type="MARKET",
        quantity=_QUANTITY,
        filled=_QUANTITY,
        state="FILLED",
        placed_at=now,
        updated_at=now,
    )
    with transaction.atomic():
        made = publish(
            strategy=strategy,
            kind=Signal.Kind.OPEN,
            symbol=SYMBOL,
            type="MARKET",
            price=PRICE,
            at=now,
            now=now,
            master_order=order,
            cumulative=_QUANTITY,
            order_quantity=_QUANTITY,
            equity_before=_CAPITAL,
        )
        # Before the nudge, which goes out when this block ends.
        committed: list[float] = []
        connection = transaction.get_connection()
        connection.run_on_commit.insert(0, (set(), lambda: committed.append(time.time()), False))
    if made is None:
        raise RuntimeError("The signal was published before.")
    return made, committed[0]


def wait_recorded(signal: Signal, *, legs: int, limit: float = 60) -> float:
    """Wait until every leg is filled and recorded; the Unix time of the last record."""
    deadline = time.monotonic() + limit
    filled = CopyOrder.objects.filter(signal=signal, state="FILLED")
    while filled.count() < legs:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{filled.count()} of {legs} legs are filled.")
        time.sleep(0.01)
    return time.time()


def signed_order(key: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Form body and headers of the same order as a copy's, signed by hand: the least possible."""
    body = urlencode(
        {
            "symbol": MARKET,
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "IOC",
            "quantity": str(_QUANTITY),
            "price": "50250",
            "newClientOrderId": uuid.uuid4().hex[:28],
            "newOrderRespType": "FULL",
            "recvWindow": "5000",
            "timestamp": str(int(time.time() * 1000)),
        }
    )
    signature = hmac.new(key["secret_key"].encode(), body.encode(), hashlib.sha256).hexdigest()
    return f"{body}&signature={signature}", {
        "X-MBX-APIKEY": key["api_key"],
        "Content-Type": "application/x-www-form-urlencoded",
    }


def fan_out(crowd: Crowd) -> float:
    """Copies per second of one signal, from its commit to the last record."""
    signal, began = publish_open(crowd.strategy)
    return len(crowd.keys) / (wait_recorded(signal, legs=len(crowd.keys)) - began)
