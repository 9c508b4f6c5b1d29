"""Copy trading in the demo, marked as such: a master, strategies, followers and keys to type in.

Everything goes the way a person's would: keys of the sandbox's exchange are checked there, strategies
and subscriptions come from the services. What is there already is left alone, and nothing is invented:
a track record begins with the first real order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts.models import Notice, User
from agora.lib import crypto
from agora.runtime.demo_accounts import DOMAIN
from agora.sandbox.client import SandboxControl
from copytrade.models import (
    QUOTE,
    Exchange,
    ExchangeAccount,
    MasterOrder,
    MasterPosition,
    OrderType,
    Side,
    Strategy,
    Subscription,
)
from copytrade.replication import prices
from copytrade.services import accounts, desk, keys, risk, strategies, subscribing, subscriptions
from copytrade.services.terms import Terms
from copytrade.states import StrategyState

MASTER = f"mara@{DOMAIN}"
FOLLOWERS = 20
_NUMBERS = range(1, FOLLOWERS + 1)
SPARE_KEYS = 2
_STEP = Decimal("0.00001")  # of BTC at the exchange
_WORTH_SELLING = Decimal("0.001")  # BTC


@dataclass(frozen=True)
class _Shown:
    """A demo strategy and the order that begins its record."""

    name: str
    description: str
    symbols: tuple[str, ...]
    style: str
    quantity: str
    copy_on: str = Strategy.CopyOn.FILL
    label: str = field(kw_only=True)


# The first is the one that the demo's followers copy.
STRATEGIES = (
    _Shown(
        "Demo: Bitcoin and Ether",
        "Demo data. Twenty demo followers copy it, each with other settings, so that every kind of "
        "outcome can be seen.",
        ("BTC/USDT", "ETH/USDT"),
        Strategy.Style.SWING,
        "0.01",
        label="demo-master-1",
    ),
    _Shown(
        "Demo: large coins",
        "Demo data. Holds a few large coins for months.",
        ("SOL/USDT", "BNB/USDT", "XRP/USDT", "ADA/USDT"),
        Strategy.Style.POSITION,
        "4",
        label="demo-master-2",
    ),
    _Shown(
        "Demo: resting orders",
        "Demo data. Its limit orders are copied while they rest, not only as they fill.",
        ("ETH/USDT", "LINK/USDT"),
        Strategy.Style.DAY,
        "0.2",
        Strategy.CopyOn.ACCEPT,
        label="demo-master-3",
    ),
    _Shown(
        "Demo: one small coin",
        "Demo data. Trades nothing but DOGE.",
        ("DOGE/USDT",),
        Strategy.Style.SCALPING,
        "3000",
        label="demo-master-4",
    ),
)


def _follower(number: int) -> str:
    return f"follower-{number:02}@{DOMAIN}"


def _terms(number: int) -> Terms:
    """How a follower copies. The last eight differ so that small copies end in every way."""
    sizings = {
        "proportional": Decimal(1),
        "fixed": Decimal(25 + 5 * number),
        "multiplier": Decimal("0.1"),
    }
    sizing = ("proportional", "fixed", "multiplier")[number % 3]
    factor, allocated = sizings[sizing], Decimal(500 + 50 * number)
    minimum, symbols = Subscription.Minimum.SKIP, STRATEGIES[0].symbols
    if number in _SMALL:  # about 3 USDT of the first order, less than the exchange takes
        sizing, factor, allocated, minimum = "proportional", Decimal(1), Decimal(50), _SMALL[number]
    if number == 17:
        symbols = ("ETH/USDT",)
    return Terms(
        sizing=sizing,
        factor=factor,
        allocated=allocated,
        symbols=symbols,
        slippage_bps=100,
        max_open=5,
        minimum=minimum,
        on_stop=Subscription.OnStop.CLOSE,
        stop_loss_percent=Decimal(50) if number <= 3 else None,
    )


_SMALL = {
    13: Subscription.Minimum.SKIP,
    14: Subscription.Minimum.BUMP,
    15: Subscription.Minimum.ACCUMULATE,
}
_PAUSED, _TIGHT, _CUT = 18, 19, 20
_LIMITS = {_TIGHT: risk.Limits(max_order=Decimal(4)), _CUT: risk.Limits(max_exposure=Decimal(30))}


def ensure(*, control: SandboxControl, password: str, begin: bool) -> dict[str, Any]:
    """Make what is missing; what the demo has to tell and to do. `begin`: with a first order each."""
    desks = _Desks(control)
    master = _person(MASTER, password=lambda: make_password(password))
    shown = [_strategy(desks, master, each) for each in STRATEGIES]
    copied = shown[0]
    _followers(desks, copied, encoded=master.password)
    if begin:
        _first_orders(shown)
    spare_keys = desks.spare_keys()
    if desks.has_new:
        control.binance.save()
        # Nobody reads their mail; the notices themselves stay.
        told = Notice.objects.filter(user__email__in=[MASTER, *map(_follower, _NUMBERS)])
        told.filter(emailed_at=None).update(next_attempt_at=None)
    return {
        "master": MASTER,
        "follower": _follower(_CUT),
        "strategy": str(copied.pk),
        "name": copied.name,
        "order": _next_order(copied),
        "spare_keys": spare_keys,
    }


class _Desks:
    """Accounts at the sandbox's exchange, made once for each label."""

    def __init__(self, control: SandboxControl) -> None:
        self.control = control
        self.known = {each["label"]: each for each in control.binance.list_accounts()}
        self.has_new = False

    def key(self, label: str, *, usdt: int) -> Mapping[str, Any]:
        """API key and secret of the account with this label."""
        if label not in self.known:
            balances = {QUOTE: str(usdt)}
            self.known[label] = self.control.binance.account(label, balances=balances)
            self.has_new = True
        return self.known[label]

    def account(self, user: User, label: str, *, usdt: int) -> ExchangeAccount:
        """The person's exchange account of this name, its key checked and stored."""
        found = ExchangeAccount.objects.filter(user=user, label=label).first()
        if found is not None:
            return found
        self.has_new = True
        key = self.key(label, usdt=usdt)
        examined = keys.examine(user=user, api_key=key["api_key"], secret=key["secret_key"])
        return accounts.add_account(
            user=user,
            exchange=Exchange.BINANCE,
            label=label,
            examined=examined,
            now=timezone.now(),
        )

    def spare_keys(self) -> list[dict[str, str]]:
        """Keys that nobody has entered, for whoever tries the demo."""
        found: list[dict[str, str]] = []
        number = 0
        while len(found) < SPARE_KEYS:
            number += 1
            key = self.key(f"yours-{number}", usdt=10_000)
            index = crypto.blind_index(key["api_key"], purpose="exchange_key").hex()
            if not ExchangeAccount.objects.filter(key_index=index).exists():
                found.append({name: key[name] for name in ("api_key", "secret_key")})
        return found


def _person(email: str, *, password: Callable[[], str]) -> User:
    """A demo account; `password` gives its encoded password when it is new."""
    found = User.objects.filter(email=email).first()
    if found is not None:
        return found
    with transaction.atomic():
        user = User.objects.create_user(email, is_demo=True)
        user.password = password()
        user.save(update_fields=["password"])
        EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    return user


def _strategy(desks: _Desks, master: User, shown: _Shown) -> Strategy:
    found = Strategy.objects.filter(master=master, account__label=shown.label).first()
    if found is not None:
        return found
    account = desks.account(master, shown.label, usdt=10_000)
    with transaction.atomic():
        strategy = strategies.create_strategy(
            master=master,
            account_id=account.pk,
            terms=strategies.Terms(
                name=shown.name,
                description=shown.description,
                symbols=shown.symbols,
                style=shown.style,
                copy_on=shown.copy_on,
                min_equity=Decimal(50),
                max_followers=100,
                is_public=True,
            ),
            now=timezone.now(),
        )
        strategy.is_demo = True
        strategy.save(update_fields=["is_demo"])
    return strategy


def _followers(desks: _Desks, strategy: Strategy, *, encoded: str) -> None:
    """Twenty people, each with an account of their own and a subscription. They share a password."""
    for number in _NUMBERS:
        user = _person(_follower(number), password=lambda: encoded)
        if not Subscription.objects.filter(follower=user, strategy=strategy).exists():
            account = desks.account(user, f"demo-follower-{number:02}", usdt=2_000)
            _subscribe(user, account, strategy, number)


def _subscribe(user: User, account: ExchangeAccount, strategy: Strategy, number: int) -> None:
    with transaction.atomic():
        made = subscribing.subscribe(
            user=user,
            strategy_id=strategy.pk,
            account_id=account.pk,
            terms=_terms(number),
            start=Subscription.Start.NEW,
            held=Decimal(2_000),
            now=timezone.now(),
        )
        if number == _PAUSED:
            subscriptions.pause(user=user, subscription_id=made.pk, now=timezone.now())
        if number in _LIMITS:
            risk.set_limits(
                by=user, limits=_LIMITS[number], subscription_id=made.pk, now=timezone.now()
            )


def _first_orders(shown: list[Strategy]) -> None:
    """One real order for each strategy that never had any, so that there is something to look at."""
    empty = [
        each
        for each in shown
        if each.state == StrategyState.ACTIVE
        and not MasterOrder.objects.filter(strategy=each).exists()
    ]
    if not empty:
        return
    now = timezone.now()
    prices.refresh(now=now)
    quantities = {each.label: each.quantity for each in STRATEGIES}
    for strategy in empty:
        desk.place(
            strategy=strategy,
            by=strategy.master,
            side=Side.BUY,
            type=OrderType.MARKET,
            symbol=strategy.symbols[0],
            quantity=Decimal(quantities[strategy.account.label]),
            price=None,
            source=MasterOrder.Source.API,
            placement_key="demo",
            now=now,
        )


def _next_order(strategy: Strategy) -> dict[str, str]:
    """What the master does next: buys where nothing is held, else sells all of it."""
    symbol, quantity = "BTC/USDT", STRATEGIES[0].quantity
    position = MasterPosition.objects.filter(strategy=strategy, symbol=symbol).first()
    held = Decimal(0) if position is None else position.quantity.quantize(_STEP, ROUND_DOWN)
    side = Side.BUY
    if held >= _WORTH_SELLING:
        side, quantity = Side.SELL, f"{held.normalize():f}"
    return {
        "symbol": symbol,
        "side": side.value,
        "type": OrderType.MARKET.value,
        "quantity": quantity,
    }
