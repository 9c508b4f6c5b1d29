"""Listed strategies with their track records, made in bulk: what the marketplace searches."""

import random
import uuid
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from django.db import connection
from django.utils import timezone

from accounts.models import User
from copytrade.models import ExchangeAccount, Strategy, TrackRecord

_BATCH = 2_000
_COINS = ("BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "LTC", "DOT", "LINK", "AVAX")
_WORDS = ("calm", "swing", "grid", "trend", "dip", "momentum", "majors", "alts", "night", "range")


def make(count: int, *, master: User) -> None:
    """Strategies of one master, each on an account of its own; every tenth is private."""
    chance = random.Random(count)  # the same marketplace in every run
    for first in range(0, count, _BATCH):
        strategies = list(_strategies(range(first, min(count, first + _BATCH)), master, chance))
        ExchangeAccount.objects.bulk_create(strategy.account for strategy in strategies)
        Strategy.objects.bulk_create(strategies)
        TrackRecord.objects.bulk_create(
            record for strategy in strategies for record in _records(strategy, chance)
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE copytrade_strategy, copytrade_trackrecord")


def _strategies(numbers: range, master: User, chance: random.Random) -> Iterator[Strategy]:
    now = timezone.now()
    for number in numbers:
        account = ExchangeAccount(
            user=master,
            exchange="binance",
            label=f"Account {number}",
            api_key_encrypted=b"-",
            secret_encrypted=b"-",
            key_index=f"bench-{number}",
            key_hint="0000",
            can_withdraw=False,
            created_at=now,
        )
        places = chance.randint(1, 300)
        yield Strategy(
            master=master,
            account=account,
            exchange="binance",
            name=f"{' '.join(chance.sample(_WORDS, 2))} {number}",
            description=" ".join(chance.choices(_WORDS, k=60)),
            symbols=[f"{coin}/USDT" for coin in chance.sample(_COINS, chance.randint(1, 5))],
            style=chance.choice(Strategy.Style.values),
            min_equity=chance.choice((0, 50, 100, 500)),
            max_followers=places,
            copiers=chance.randint(0, places),
            aum=chance.randint(0, 500_000),
            is_public=number % 10 != 9,
            invite_code=uuid.uuid4().hex[:24],
            created_at=now - timedelta(minutes=number),
            updated_at=now,
        )


def _records(strategy: Strategy, chance: random.Random) -> Iterator[TrackRecord]:
    for period in TrackRecord.Period.values:
        new = chance.random() < 0.1  # many alike, as the newest are
        yield TrackRecord(
            strategy=strategy,
            period=period,
            roi=Decimal(0) if new else Decimal(f"{chance.gauss(0.05, 0.2):.8f}"),
            pnl=Decimal(0) if new else Decimal(f"{chance.gauss(500, 3000):.2f}"),
            max_drawdown=Decimal(0) if new else Decimal(f"{chance.random() * 0.6:.8f}"),
            sharpe=None if new else Decimal(f"{chance.gauss(0.8, 1.2):.6f}"),
            win_rate=None if new else Decimal(f"{chance.random():.8f}"),
            trades=0 if new else chance.randint(1, 400),
            computed_at=strategy.updated_at,
        )
